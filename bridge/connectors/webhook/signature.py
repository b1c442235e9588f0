"""The signature a receiver checks: who sent this, that nobody changed it, and that it is fresh.

Three headers, as the specification "Standard Webhooks" 1.0 has them, for which there are libraries
in most languages:

    webhook-id:         the transaction's id; the same each time it is sent
    webhook-timestamp:  when this attempt was sent, in seconds since 1970
    webhook-signature:  "v1," and the base64 of HMAC-SHA256 over "<id>.<timestamp>.<body>"

A receiver refuses a timestamp more than five minutes away from its own clock (`WINDOW`), and does
once what comes twice with one id. The secret is the file's text, or the bytes behind `whsec_`.

Source: github.com/standard-webhooks/standard-webhooks, spec/standard-webhooks.md.
"""

import base64
import binascii
import contextlib
import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime

WINDOW = 300.0
"""Seconds a message may be old, or from the future, as the specification recommends."""
_PREFIX = "whsec_"


def sign(secret: str, name: str, at: datetime, body: bytes) -> dict[str, str]:
    """Return the three headers for one attempt.

    Args:
        secret: what sender and receiver share.
        name: the transaction's id, without a full stop.
        at: aware time of the attempt.
        body: as it goes over the wire.
    """
    stamp = str(int(at.timestamp()))
    made = _mac(secret, name, stamp, body)
    return {"webhook-id": name, "webhook-timestamp": stamp, "webhook-signature": f"v1,{made}"}


def is_genuine(secret: str, headers: Mapping[str, str], body: bytes, now: datetime) -> bool:
    """Return whether a message was signed with `secret` within `WINDOW` of `now`: for receivers.

    >>> from datetime import UTC
    >>> now = datetime(2026, 11, 23, tzinfo=UTC)
    >>> headers = sign("shared secret", "7", now, b"{}")
    >>> is_genuine("shared secret", headers, b"{}", now)
    True
    >>> is_genuine("shared secret", headers, b"[]", now)
    False
    """
    low = {key.lower(): value for key, value in headers.items()}
    stamp = low.get("webhook-timestamp", "")
    if not (stamp.isascii() and stamp.isdecimal() and len(stamp) < 13):
        return False
    if abs(now.timestamp() - int(stamp)) > WINDOW:
        return False
    made = _mac(secret, low.get("webhook-id", ""), stamp, body)
    given = (each.partition(",") for each in low.get("webhook-signature", "").split()[:10])
    return any(
        version == "v1" and hmac.compare_digest(made.encode(), text.encode())
        for version, _, text in given
    )


def _mac(secret: str, name: str, stamp: str, body: bytes) -> str:
    key = secret.encode()
    if secret.startswith(_PREFIX):
        with contextlib.suppress(binascii.Error):  # then the text itself is the secret
            key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    signed = f"{name}.{stamp}.".encode() + body
    return base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
