"""Passwords and PINs, kept as scrypt keys.

>>> held = hashed("correct horse", Work(2, 8, 3))
>>> held[:13], Held.parse(held).opens("correct horse"), Held.parse(held).opens("wrong")
('scrypt$2$8$3$', True, False)
"""

import base64
import hashlib
import hmac
import os
from dataclasses import dataclass

MOST_MEMORY = 96 * 1024 * 1024
"""Bytes one try may take, whatever a file asks for."""
_SALT = 16
_KEY = 32
_MOST_LANES = 16  # five times what the dearest of ours takes: a login is not to take seconds


@dataclass(frozen=True, slots=True)
class Work:
    """What one try takes: N, r and p of RFC 7914."""

    cost: int
    block: int
    lanes: int


OF_A_PASSWORD = Work(1 << 15, 8, 3)
"""One of the sets OWASP's password storage cheat sheet gives: 32 MB, and a quarter of a second of
one core for each try."""
OF_A_PIN = Work(1 << 14, 8, 1)
"""16 MB, and some 60 ms of one core of a small computer for each try."""


@dataclass(frozen=True, slots=True)
class Held:
    """What is kept of a password."""

    work: Work
    salt: bytes
    key: bytes

    @classmethod
    def parse(cls, text: str) -> "Held":
        """Read what `hashed` wrote.

        Raises:
            ValueError: it is something else, or takes more than a try may.
        """
        kind, *rest = text.split("$")
        if kind != "scrypt" or len(rest) != 5:
            raise ValueError("it is no scrypt key")
        salt, key = (base64.b64decode(part, validate=True) for part in rest[3:])
        work = Work(int(rest[0]), int(rest[1]), int(rest[2]))
        if not (work.cost > 1 and work.cost.bit_count() == 1 and work.block > 0):
            raise ValueError("its cost is no power of two, or its block no block")
        if not 0 < work.lanes <= _MOST_LANES:
            raise ValueError(f"it takes more than {_MOST_LANES} rounds, or none")
        if len(key) < 16 or 128 * work.cost * work.block > MOST_MEMORY - (1 << 20):
            raise ValueError("its key is too short, or it takes too much memory")
        return cls(work, salt, key)

    @classmethod
    def of_nobody(cls, work: Work = OF_A_PASSWORD) -> "Held":
        """Return one that nothing opens, and that takes as long: for a name there is not."""
        return cls(work, os.urandom(_SALT), os.urandom(_KEY))

    def opens(self, password: str) -> bool:
        """Return whether it is the password's. It takes a while, and always as long."""
        return hmac.compare_digest(_key(password, self.work, self.salt, len(self.key)), self.key)


def hashed(password: str, work: Work = OF_A_PASSWORD) -> str:
    """Return what to write down instead of `password`: `scrypt$N$r$p$salt$key`, in base64."""
    salt = os.urandom(_SALT)
    parts = (salt, _key(password, work, salt, _KEY))
    octets = (base64.b64encode(part).decode() for part in parts)
    return "$".join(("scrypt", str(work.cost), str(work.block), str(work.lanes), *octets))


def _key(password: str, work: Work, salt: bytes, octets: int) -> bytes:
    return hashlib.scrypt(
        password.encode("utf-8", "surrogatepass"),
        salt=salt,
        n=work.cost,
        r=work.block,
        p=work.lanes,
        maxmem=MOST_MEMORY,
        dklen=octets,
    )
