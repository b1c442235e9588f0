"""All a driver can say, and how a conversation with a device is described.

A driver does no I/O: its `Decoder` turns bytes into readings, and a `Dialogue` says what to ask,
how often, and how long an answer may take. `drivers.kit.session` does the talking for all of them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal, Protocol

MAX_SCAN = 8192
"""Bytes of one scan that are kept. A QR code holds 7089 digits, the largest symbol there is."""

Measure = Literal["gross", "net", "tare", "count"]
Range = Literal["ok", "over", "under", "fault"]


@dataclass(frozen=True, slots=True)
class Scan:
    """One complete code, without prefix, suffix and AIM identifier."""

    data: bytes
    raw: bytes
    """As it came off the wire, terminator and all."""
    symbology: str | None = None
    """The AIM identifier, such as ``]C1``, where the scanner sent one."""


@dataclass(frozen=True, slots=True)
class Weight:
    """What a scale said, exactly as it said it.

    `value` has the digits as sent; it is None where the frame carries none that may be used.
    `stable` is None where the protocol does not say. `unit` is the unit as sent, or as configured
    for a protocol that sends none; None is unknown.
    """

    value: Decimal | None
    unit: str | None
    stable: bool | None
    raw: bytes
    measure: Measure | None = None
    range: Range = "ok"
    zero: bool | None = None
    """At the centre of zero; None where the protocol does not say."""

    @property
    def usable(self) -> bool:
        """Whether there is a weight in it: in range, and with a value; it may still be moving."""
        return self.range == "ok" and self.value is not None


@dataclass(frozen=True, slots=True)
class Reply:
    """The device's answer to a command that is neither a weight nor a scan."""

    text: str
    raw: bytes


@dataclass(frozen=True, slots=True)
class Refusal:
    """The device says it cannot do what was asked."""

    code: str
    raw: bytes


@dataclass(frozen=True, slots=True)
class Noise:
    """Bytes no rule explains: counted and shown, never raised."""

    raw: bytes
    why: str


ScaleCommand = Literal["zero", "tare", "clear_tare", "print", "next_unit"]
"""What a scale can be told to do, by the station that knows it."""

Answer = Reply | Refusal | Noise
Reading = Scan | Weight | Answer


@dataclass(frozen=True, slots=True)
class Send:
    """Bytes the protocol wants written back at once."""

    data: bytes


Step = Reading | Send


Verdict = Literal["good", "bad", "ignored"]
"""What became of a reading, for the device that sent it: stored, refused, or counted already."""


class Decoder(Protocol):
    """Turns bytes into steps, however the wire cuts them up."""

    def feed(self, data: bytes) -> list[Step]:
        """Take what arrived and say what it means, in wire order. Never raises."""
        ...

    def quiet(self) -> list[Step]:
        """Say what the pending bytes mean now that the line has been quiet for `Dialogue.gap`."""
        ...


@dataclass(frozen=True, slots=True)
class Dialogue:
    """How the conversation with one device goes. One `Dialogue` serves one connection."""

    decoder: Decoder
    hello: bytes = b""
    """Sent once, after opening."""
    ask: bytes = b""
    """Sent every `every` seconds; empty for a device that speaks unasked."""
    every: float = 0.0
    """Seconds between two questions."""
    within: float | None = None
    """Seconds an asked device may stay silent before it counts as lost."""
    gap: float | None = None
    """Seconds of quiet that end a frame where no terminator does."""
    commands: Mapping[ScaleCommand, bytes] = field(default_factory=dict)
    """What a station may tell a scale to do; empty where the protocol has no commands."""
    good: bytes = b""
    """Tells a scanner that its scan was taken; sent only after the commit."""
    bad: bytes = b""
    """Tells a scanner that its scan was refused. One that blocks until told is always told."""
    blocks: bool = False
    """Whether the scanner reads nothing more until it was told `good` or `bad`."""
