"""What scanners are set to put around a code, and how to take it off again."""

import re
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from drivers.kit.readings import Noise, Reply, Scan

Affix = Annotated[str, Field(max_length=16, pattern=r"^[\x00-\xff]*$")]
"""Up to 16 characters of ISO 8859-1: each stands for one byte."""

MAX_NOISE = 64
"""Bytes of a bad scan that are kept: enough to see what it was."""

_AIM = re.compile(rb"\][A-Za-z][0-9A-Za-z]")


class Wrapped(BaseModel):
    """The part of a scanner's settings that says what surrounds the code.

    A scan is prefix, AIM identifier, code, suffix, in this order.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    prefix: Affix = ""
    """What every scan begins with. It is taken off; a scan without it is noise."""

    suffix: Affix = ""
    """What every scan ends with, before the terminator. Taken off; a scan without it is noise."""

    aim: Literal["auto", "required", "never"] = "auto"
    """Whether ``]Cm`` at the start is the symbology (ISO/IEC 15424) or part of the code."""

    no_read: Annotated[Affix, Field(min_length=1)] | None = None
    """What the scanner sends when it saw nothing, if it is set to say so: ``NR``."""

    def unwrap(self, body: bytes, raw: bytes) -> Scan | Reply | Noise:
        """Return the code in `body`, or say why there is none.

        Args:
            body: a scan without its terminator.
            raw: the scan as it came.
        """
        if self.no_read is not None and body == self.no_read.encode("latin-1"):
            return Reply("no read", raw)
        prefix, suffix = self.prefix.encode("latin-1"), self.suffix.encode("latin-1")
        if not body.startswith(prefix):
            return Noise(raw[:MAX_NOISE], "a scan without its prefix")
        if not body.endswith(suffix):
            return Noise(raw[:MAX_NOISE], "a scan without its suffix")
        code = body[len(prefix) : len(body) - len(suffix)]
        symbology = _AIM.match(code) if self.aim != "never" else None
        if symbology is None and self.aim == "required":
            return Noise(raw[:MAX_NOISE], "a scan without its AIM identifier")
        code = code[3:] if symbology else code
        if not code:
            return Noise(raw[:MAX_NOISE], "a scan without a code")
        return Scan(code, raw, symbology[0].decode() if symbology else None)
