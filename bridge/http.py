"""HTTP for connectors: one bounded session, which tells `bridge.wire` what goes over it.

A connector opens a `Http`, makes a `call`, and judges the `Answer`. What is no answer at all ends
the delivery as `Stopped`, with the outcome that fits: nothing was sent, or nobody knows.

>>> hidden('POST /?key=s3cret%21 {"pin": "s3cret!"}', ("s3cret!",))
'POST /?key=[secret] {"pin": "[secret]"}'
"""

import functools
import json
import re
import ssl
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote, quote_plus, urlencode

import aiohttp
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator
from yarl import URL

from bridge import wire
from bridge.outcome import Outcome, Refused, TryLater, Unknown

MAX_ANSWER = 8_000_000
"""Bytes of an answer: an order of a thousand lines is about one megabyte."""
MAX_TEXT = 400
"""Characters of a reason that are kept."""
MAX_AFTER = 86_400.0
"""Seconds a `Retry-After` counts for, at most: a daily budget comes back within a day."""
CONNECT_WITHIN = 10.0
"""Seconds for a connection to come up: a host that takes longer is down."""
SETTING_WRONG = 60.0
"""Seconds until the next try when a person must first mend a key, a right or a setting."""
MIN_SECRET = 4
"""Characters of a secret, at least: a shorter one could not be told from the text around it."""

HttpUrl = Annotated[str, StringConstraints(pattern=r"^https?://[^\s/?#@]+[^\s?#@]*$")]
"""Where a target answers: no question mark, and no password, which a log would show."""

_SECRET_HEADER = re.compile(r"authorization|cookie|token|secret|api-?key|password", re.IGNORECASE)


class HttpSettings(BaseModel):
    """The `[target.http]` table of every connector that speaks HTTP."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    timeout: Annotated[float, Field(ge=0.2, le=600)] = 30.0
    """Seconds for one request."""
    settle: Annotated[float, Field(ge=0, le=3600)] = 60.0
    """Seconds after which the target itself has given up a request that nobody waits for."""
    ca_file: Path | None = None
    """The authority that signed the target's certificate; None is the system's own list."""
    cert_file: Path | None = None
    """A certificate of the bridge's own, for targets that know their clients by one."""
    key_file: Path | None = None
    """The key of `cert_file`."""
    proxy: HttpUrl | None = None
    """A proxy on the way, such as `http://proxy.example:3128`."""

    @model_validator(mode="after")
    def _a_certificate_has_its_key(self) -> "HttpSettings":
        if self.key_file is not None and self.cert_file is None:
            raise ValueError("key_file needs cert_file")
        return self

    def tls(self) -> ssl.SSLContext:
        """Return what TLS is to check and to show. Raises OSError for files that do not fit."""
        if self.ca_file is None and self.cert_file is None:
            return _trusting_the_system()
        context = ssl.create_default_context(cafile=self.ca_file)
        if self.cert_file is not None:
            context.load_cert_chain(self.cert_file, self.key_file)
        return context


@functools.cache
def _trusting_the_system() -> ssl.SSLContext:
    # To read all the authorities there are takes 20 ms, and they are the same for all targets
    return ssl.create_default_context()


class Stopped(Exception):
    """The delivery ends here, with `outcome`."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome)
        self.outcome = outcome


@dataclass(frozen=True, slots=True)
class Answer:
    """What a target answered, whole."""

    status: int
    body: bytes = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Names in any case."""

    @property
    def ok(self) -> bool:
        """Whether the status says success, which not every vendor means by it."""
        return 200 <= self.status < 300

    @property
    def text(self) -> str:
        """The body as text; what is no UTF-8 shows as such."""
        return self.body.decode("utf-8", "replace")

    def json(self) -> Any:
        """Return the body as JSON, numbers exact. Raises ValueError where it is none."""
        try:
            return json.loads(self.body, parse_float=Decimal)
        except RecursionError:
            raise ValueError("nested too deeply") from None

    @property
    def retry_after(self) -> float | None:
        """Seconds the target asks to be left alone, at most `MAX_AFTER`; None if it does not say.

        Source: RFC 9110 10.2.3, a number of seconds or a date.
        """
        said = (self.headers.get("Retry-After") or "").strip()
        if re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,3})?", said):
            return min(float(said), MAX_AFTER)
        when = _date(said)
        if when is None:
            return None
        now = _date(self.headers.get("Date") or "") or datetime.now(UTC)
        return min(max(0.0, (when - now).total_seconds()), MAX_AFTER)

    def verdict(self, who: str, *, writes: bool, said: str | None = None) -> Outcome:
        """Return what an answer that is no success means where a vendor says nothing finer. Pure.

        A wrong address, key or right would refuse every transaction alike: those wait for a person
        to mend the setting, and refuse none.

        Args:
            who: the target, in words.
            writes: whether the request would have changed something.
            said: the vendor's own words, where they were found; else the start of the body.
        """
        words = " ".join((said if said is not None else self.text).split())
        why = f"{who} answered {self.status}: {words}"[:MAX_TEXT]
        asked = self.retry_after
        if self.status in (425, 429) or (self.status == 503 and asked is not None):
            return TryLater(why, asked)
        if self.status in (400, 409, 410, 413, 414, 422, 431) and writes:
            return Refused("refused", why)
        if self.status == 408 or self.status >= 500 or self.ok:
            return Unknown(why) if writes else TryLater(why, asked)
        return TryLater(why, SETTING_WRONG if asked is None else asked)


class Http:
    """One session with one target. Follows no redirect, since a redirected POST becomes a GET."""

    def __init__(
        self, session: aiohttp.ClientSession, proxy: str | None = None, *, who: str = "the target"
    ) -> None:
        self._session = session
        self._proxy = proxy
        self._who = who

    async def call(
        self,
        method: str,
        url: str,
        *,
        query: Sequence[tuple[str, str]] = (),
        headers: Mapping[str, str] | None = None,
        body: str | bytes = b"",
        secrets: Iterable[str] = (),
        writes: bool,
    ) -> Answer:
        """Make one request and return the whole answer, whatever its status.

        Args:
            method: `GET`, `POST` ...
            url: percent-encoded where it must be, without a password in it.
            query: added to the URL, and encoded here.
            headers: those of a name that sounds secret are left out of what is written down.
            body: as it goes over the wire.
            secrets: texts that stand in for nothing else, hidden wherever they appear.
            writes: whether the target may have changed something even though no answer came.

        Raises:
            Stopped: no answer, or one of more than `MAX_ANSWER` bytes: `TryLater` where certainly
                nothing was done, else `Unknown`.
        """
        kept = tuple(secrets)
        data = body.encode() if isinstance(body, str) else body
        full = f"{url}?{urlencode(query, quote_via=quote)}" if query else url
        wire.sent(hidden(_head(f"{method} {full}", headers or {}), kept), _shown(data, kept))
        try:
            async with self._session.request(
                method,
                URL(full, encoded=True),  # as it is: yarl would decode a %2E%2E and walk up
                data=_once(data) if data and writes else data or None,
                headers={**(headers or {}), "Content-Length": str(len(data))} if data else headers,
                proxy=self._proxy,
                allow_redirects=False,
            ) as response:
                heard = await _body(response)
                answer = Answer(response.status, heard or b"", response.headers)
        except _NEVER_SENT as error:
            why = hidden(f"{self._who} is not reachable: {error}", kept)[:MAX_TEXT]
            wire.heard(why)
            raise Stopped(TryLater(why)) from None
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            why = hidden(f"{method} {url}: no answer: {error!r}", kept)[:MAX_TEXT]
            wire.heard(why)
            raise Stopped(Unknown(why) if writes else TryLater(why)) from None
        wire.heard(
            hidden(_head(str(answer.status), answer.headers), kept), _shown(answer.body, kept)
        )
        if heard is None:
            why = f"{self._who} answered {answer.status} with more than {MAX_ANSWER} bytes"
            raise Stopped(Unknown(why) if writes else TryLater(why, SETTING_WRONG))
        return answer


_NEVER_SENT = (
    aiohttp.ClientConnectorError,
    aiohttp.ConnectionTimeoutError,
    aiohttp.ClientHttpProxyError,
    aiohttp.InvalidURL,
)


@asynccontextmanager
async def opened(
    settings: HttpSettings, *, who: str, in_flight: int = 1, cookies: bool = False
) -> AsyncIterator[Http]:
    """Yield a session. Nothing is connected until the first call.

    Args:
        settings: as a person wrote them.
        who: the target, in words, for messages.
        in_flight: requests at once, at most.
        cookies: whether the target keeps a session by cookies.

    Raises:
        OSError: a certificate or key cannot be read.
    """
    async with aiohttp.ClientSession(
        headers={"User-Agent": "scanpost-bridge", "Accept": "application/json"},
        timeout=aiohttp.ClientTimeout(total=settings.timeout, sock_connect=CONNECT_WITHIN),
        connector=aiohttp.TCPConnector(limit=in_flight, ssl=settings.tls()),
        # It is with one target only, whose cookies count even where it has no name, but an address
        cookie_jar=aiohttp.CookieJar(unsafe=True) if cookies else aiohttp.DummyCookieJar(),
    ) as session:
        yield Http(session, settings.proxy, who=who)


def read_secret(path: Path, what: str) -> str:
    """Return the secret a file holds, as it is now: a new one works without a restart.

    Raises:
        Stopped: `TryLater` until a person has mended it; the text does not show the secret.
    """
    try:
        secret = path.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        why = f"{what} cannot be read: {type(error).__name__} at {path}"
        raise Stopped(TryLater(why, SETTING_WRONG)) from None
    if not MIN_SECRET <= len(secret) <= 8_192 or not secret.isprintable():
        why = f"{what} in {path} is empty, too short, or more than one line"
        raise Stopped(TryLater(why, SETTING_WRONG))
    return secret


def hidden(text: str, secrets: Iterable[str]) -> str:
    """Return `text` with every secret replaced, also as a URL or JSON would write it."""
    forms = {
        form
        for secret in secrets
        if len(secret) >= MIN_SECRET
        for form in (secret, quote(secret, safe=""), quote_plus(secret), json.dumps(secret)[1:-1])
    }
    for form in sorted(forms, key=len, reverse=True):
        text = text.replace(form, "[secret]")
    return text


def shown_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Return headers for a person to read, without the value of any that sounds secret."""
    return {
        name: "[secret]" if _SECRET_HEADER.search(name) else value
        for name, value in headers.items()
    }


def _head(first: str, headers: Mapping[str, str]) -> str:
    rest = (f"{name}: {value}" for name, value in shown_headers(headers).items())
    return "\n".join((first, *rest))


def _shown(body: bytes, secrets: Iterable[str]) -> str:
    # Cut by the wire to less; this keeps an answer of megabytes from being searched for secrets
    return hidden(body[: 8 * wire.MAX_TEXT].decode("utf-8", "replace"), secrets)


async def _once(data: bytes) -> AsyncIterator[bytes]:
    """Yield a body that is gone then: aiohttp would send a PUT again by itself, were it not."""
    yield data


async def _body(response: aiohttp.ClientResponse) -> bytes | None:
    body = bytearray()
    async for chunk in response.content.iter_chunked(65_536):
        body += chunk
        if len(body) > MAX_ANSWER:
            return None
    return bytes(body)


def _date(said: str) -> datetime | None:
    try:
        when = parsedate_to_datetime(said)
    except (ValueError, TypeError, IndexError):
        return None
    return when if when.tzinfo else when.replace(tzinfo=UTC)
