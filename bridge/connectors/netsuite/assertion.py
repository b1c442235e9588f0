"""A JSON Web Token, signed with the bridge's own key, that stands in for a password.

Source: RFC 7515 3.1; RFC 7518 3.4, 3.5; NetSuite help, "The Request Token Structure" of the OAuth
2.0 client credentials flow: PS256 or ES256 among others, one hour at most.
"""

import json
from base64 import urlsafe_b64encode
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bridge.http import SETTING_WRONG, Stopped
from bridge.outcome import TryLater

try:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
    from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.serialization import load_pem_private_key
except ImportError as error:
    raise ImportError("NetSuite needs cryptography: pip install 'scanpost[netsuite]'") from error

LIFETIME = 300
"""Seconds an assertion is good for: it is used at once, and clocks differ."""

_Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


def assertion(
    key_file: Path, certificate_id: str, client_id: str, audience: str, scope: str
) -> str:
    """Return a signed assertion for one token request.

    Raises:
        Stopped: the key is not there, or is of no kind that is used; the text shows nothing of it.
    """
    key = _key(key_file)
    now = int(datetime.now(UTC).timestamp())
    algorithm = "PS256" if isinstance(key, rsa.RSAPrivateKey) else "ES256"
    head = {"typ": "JWT", "alg": algorithm, "kid": certificate_id}
    claims = {
        "iss": client_id,
        "scope": scope,
        "aud": audience,
        "iat": now,
        "exp": now + LIFETIME,
    }
    text = f"{_encoded(head)}.{_encoded(claims)}"
    return f"{text}.{_base64(_signature(key, text.encode()))}"


def _key(path: Path) -> _Key:
    try:
        key = load_pem_private_key(path.read_bytes(), None)
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise _unusable(f"cannot be read: {type(error).__name__} at {path}") from None
    if isinstance(key, rsa.RSAPrivateKey) and key.key_size >= 3072:
        return key
    if isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(key.curve, ec.SECP256R1):
        return key
    raise _unusable(f"in {path} is neither RSA of 3072 bits or more nor elliptic curve P-256")


def _unusable(why: str) -> Stopped:
    return Stopped(TryLater(f"the private key for NetSuite {why}", SETTING_WRONG, "login"))


def _signature(key: _Key, text: bytes) -> bytes:
    if isinstance(key, rsa.RSAPrivateKey):
        salt = SHA256.digest_size
        return key.sign(text, padding.PSS(padding.MGF1(SHA256()), salt), SHA256())
    r, s = decode_dss_signature(key.sign(text, ec.ECDSA(SHA256())))
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def _encoded(value: dict[str, Any]) -> str:
    return _base64(json.dumps(value, separators=(",", ":")).encode())


def _base64(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()
