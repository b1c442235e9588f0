"""Who the broker is, what it carries, and how it fails."""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator


class BrokerLost(ConnectionError):
    """The broker cannot be reached or the connection ended. Wait, then connect again."""


class BrokerRefused(BrokerLost):
    """The broker answered and said no: wrong password, not allowed. Tell a person, and wait."""


class SessionTakenOver(BrokerLost):
    """Another client came in under our name, and the broker threw us out. Tell a person."""


class PublishRefused(Exception):
    """The broker did not take this message: not allowed, quota, no room. Tell a person."""


class Broker(BaseModel):
    """The `[broker]` table."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: str = "mqtt://127.0.0.1:1883"
    """`mqtt://host:port` or, with TLS, `mqtts://host:port`."""
    username: str | None = None
    password_file: Path | None = None
    """File that holds the password and nothing else."""
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    protocol: Literal["auto", "5", "3.1.1"] = "auto"
    """`auto` tries MQTT 5 and falls back to 3.1.1."""
    keepalive: int = Field(default=20, ge=5, le=600)
    """Seconds of silence after which the broker is asked for a sign of life.

    A connection that is dead without a word is given up after twice that, and a second.
    """
    fleet: int = Field(default=1, ge=1, le=1000)
    """Gateways that share this broker, where nobody tells; see `runtime.manners`."""

    @field_validator("url")
    @classmethod
    def _is_a_broker(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme not in {"mqtt", "mqtts"} or not parts.hostname:
            raise ValueError("write it as mqtt://host:port or mqtts://host:port")
        if parts.username or parts.password or parts.path.strip("/") or parts.query:
            raise ValueError("only scheme, host and port; use username and password_file")
        parts.port  # noqa: B018 - raises ValueError for a port that is none
        return url

    @property
    def host(self) -> str:
        """Name or address."""
        return urlsplit(self.url).hostname or ""

    @property
    def port(self) -> int:
        """TCP port; 1883, or 8883 with TLS."""
        return urlsplit(self.url).port or (8883 if self.tls else 1883)

    @property
    def tls(self) -> bool:
        """Whether the connection is encrypted."""
        return self.url.startswith("mqtts:")


@dataclass(frozen=True, slots=True)
class Will:
    """What the broker says in our name when we vanish."""

    topic: str
    payload: str
    retain: bool = True


@dataclass(frozen=True, slots=True)
class Message:
    """One message that arrived. `mid` is what `Connection.ack` needs."""

    topic: str
    payload: bytes
    qos: int
    retain: bool
    mid: int
    reply_to: str | None = None
    """Where the sender wants an answer (MQTT 5)."""
    correlation: bytes | None = None
    """What the answer is to bring back (MQTT 5)."""
    about: Mapping[str, str] = field(default_factory=dict)
    """User properties (MQTT 5); of one name the last."""


def secret(file: Path | None) -> str | None:
    """Return the one line of a password file.

    Raises:
        BrokerRefused: it cannot be read.
    """
    try:
        return None if file is None else file.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise BrokerRefused(f"password file: {error}") from error


def tls_of(broker: Broker) -> ssl.SSLContext | None:
    """Return how to encrypt, or None where it is not asked for.

    Raises:
        BrokerRefused: a certificate file cannot be used.
    """
    if not broker.tls:
        return None
    try:
        context = ssl.create_default_context(cafile=broker.ca_file)
        if broker.cert_file is not None:
            context.load_cert_chain(broker.cert_file, broker.key_file)
    except OSError as error:
        raise BrokerRefused(f"certificate file: {error}") from error
    return context
