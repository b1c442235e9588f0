"""Passwords, kept as scrypt keys.

>>> held = hashed("correct horse", cost=2)
>>> held[:13], Held.parse(held).opens("correct horse"), Held.parse(held).opens("wrong")
('scrypt$2$8$3$', True, False)
"""

import base64
import hashlib
import hmac
import os
from dataclasses import dataclass

COST, BLOCK, LANES = 1 << 15, 8, 3
"""N, r and p of RFC 7914. One of the sets OWASP's password storage cheat sheet gives: 32 MB, and a
quarter of a second of one core for each try."""
MOST_MEMORY = 96 * 1024 * 1024
"""Bytes one try may take, whatever a file asks for."""
_SALT = 16
_MOST_LANES = 16  # five times what is written here: a login is not to take seconds


@dataclass(frozen=True, slots=True)
class Held:
    """What is kept of a password."""

    cost: int
    block: int
    lanes: int
    salt: bytes
    key: bytes

    @classmethod
    def parse(cls, text: str) -> "Held":
        """Read what `hashed` wrote.

        Raises:
            ValueError: it is something else.
        """
        kind, *rest = text.split("$")
        if kind != "scrypt" or len(rest) != 5:
            raise ValueError("write it with: scanpost bridge hash-password")
        salt, key = (base64.b64decode(part, validate=True) for part in rest[3:])
        held = cls(int(rest[0]), int(rest[1]), int(rest[2]), salt, key)
        if not (held.cost > 1 and held.cost.bit_count() == 1 and held.block > 0):
            raise ValueError("its cost is no power of two, or its block no block")
        if not 0 < held.lanes <= _MOST_LANES:
            raise ValueError(f"it takes more than {_MOST_LANES} rounds, or none")
        if len(key) < 16 or 128 * held.cost * held.block > MOST_MEMORY - (1 << 20):
            raise ValueError("its key is too short, or it takes too much memory")
        return held

    @classmethod
    def of_nobody(cls) -> "Held":
        """Return one that nothing opens, and that takes as long: for a name there is not."""
        return cls(COST, BLOCK, LANES, os.urandom(_SALT), os.urandom(32))

    def opens(self, password: str) -> bool:
        """Return whether it is the password's. It takes a while, and always as long."""
        return hmac.compare_digest(self._key_of(password), self.key)

    def _key_of(self, password: str) -> bytes:
        return hashlib.scrypt(
            password.encode("utf-8", "surrogatepass"),
            salt=self.salt,
            n=self.cost,
            r=self.block,
            p=self.lanes,
            maxmem=MOST_MEMORY,
            dklen=len(self.key),
        )


def hashed(password: str, *, cost: int = COST) -> str:
    """Return what to write down instead of `password`."""
    blank = Held(cost, BLOCK, LANES, os.urandom(_SALT), bytes(32))
    key = blank._key_of(password)  # noqa: SLF001 - of the same class
    octets = (base64.b64encode(part).decode() for part in (blank.salt, key))
    return "$".join(("scrypt", str(cost), str(BLOCK), str(LANES), *octets))
