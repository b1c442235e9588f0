r"""Zebra, Symbol and Motorola scanners and engines that speak SSI (9600 8N1, or USB CDC "SSI").

The Simple Serial Interface sends each code in packets with a length and a checksum, and again until
it is acknowledged: the strongest delivery a scanner offers. A packet is

    length opcode source status data... checksum checksum

Length counts itself to the last data byte; the checksum is the two's complement of the sum of those
bytes, big-endian. Source is 0 for the scanner, 4 for the host. Status bit 0 says sent again, bit 1
that more of the same code follows.

A good packet is acknowledged at once, which stops the scanner's sending; whether the code was
stored it learns from the beep after it. A packet that is sent again although it arrived is
acknowledged again and not read again. A broken one is asked for once more.

Set the scanner to packeted decode data, which is also asked for after opening, and let its host
response time-out be no less than 1 s. Of the engines that sleep none answers until it is awake.

Source: Zebra 72E-40451 (Simple Serial Interface Programmer's Guide) as quoted in public code:
clocklimited/motorola-ssi-scanner and its tests; the code types and beeps of Zebra's CoreScanner.

>>> decoder = dialogue(Config(driver="ssi")).decoder
>>> ack, scan = decoder.feed(bytes.fromhex("12f300000b35393031323334313233343537fc52"))
>>> scan.data, scan.symbology, ack.data.hex(" ")
(b'5901234123457', ']E0', '04 d0 04 00 ff 28')
"""

from dataclasses import replace
from typing import Literal

from pydantic import Field

from drivers.kit.readings import MAX_SCAN, Dialogue, Noise, Refusal, Reply, Scan, Send, Step
from drivers.kit.wrapping import MAX_NOISE, Wrapped

SCANNER, HOST = 0, 4
AGAIN, MORE, PERMANENT = 1, 2, 8

ACK, NAK, REVISION, PARAMETERS, BEEP, DECODED, EVENT = 0xD0, 0xD1, 0xA4, 0xC6, 0xE6, 0xF3, 0xF6
_FROM_SCANNER = {ACK, NAK, REVISION, PARAMETERS, DECODED, EVENT, 0xA8, 0xB0, 0xB1, 0xF4}
"""Opcodes a scanner sends; the last four are capabilities, image preview, image and version."""

RESEND = 1
_REASONS = {1: "resend", 2: "bad context", 6: "denied"}
PACKETED = b"\xff\xee\x01"
"""Without a beep: parameter EE, decode data in packets, on."""

SHORTEST, LONGEST = 4, 255
TORN_AFTER = 3.0
"""Seconds after which the rest of a code will not come: scanners try again for 2 s or less."""

NO_READ = b"\x01NR"
"""Type Code 39 and these two letters: nothing was seen."""

AIM = {
    0x03: "]C0", 0x0F: "]C1",
    0x08: "]E0", 0x09: "]E0", 0x0A: "]E4", 0x0B: "]E0", 0x10: "]E0",
    0x48: "]E3", 0x4B: "]E3", 0x88: "]E3", 0x8B: "]E3",
    0x30: "]e0", 0x31: "]e0", 0x32: "]e0",
    0xC1: "]d2", 0xC2: "]Q3",
}  # fmt: skip
"""Code types that say as much as an AIM identifier: Code 128, GS1-128; UPC-A, UPC-E, EAN-8, EAN-13,
UPC-E1; UPC-A and EAN-13 with 2 and 5 digits beside; GS1 DataBar; GS1 Data Matrix, GS1 QR. Of others
it depends on options of the scanner which identifier is right, so they get none."""


class Config(Wrapped):
    """A scanner that speaks SSI."""

    driver: Literal["ssi"]

    beeps: bool = True
    """Whether the scanner is told what became of each scan."""

    good_beep: int = Field(default=0x00, ge=0, le=0x1A)
    """Beep after a scan was stored: 0 is one short high one."""

    bad_beep: int = Field(default=0x10, ge=0, le=0x1A)
    """Beep after a scan was refused: 16 is two long low ones."""


def packet(opcode: int, data: bytes = b"", *, source: int = HOST, status: int = 0) -> bytes:
    """Return a packet, by default from the host.

    >>> packet(NAK, bytes([RESEND])).hex(" ")
    '05 d1 04 00 01 ff 25'
    """
    body = bytes([SHORTEST + len(data), opcode, source, status]) + data
    return body + (-sum(body) & 0xFFFF).to_bytes(2, "big")


class Decoder:
    """Scans out of packets."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._pending = b""
        self._stray = b""
        self._last = b""
        """What the last code's packet said, to know it again."""
        self._kind = 0
        self._parts: list[bytes] = []
        self._raw = b""
        self._skipping = False
        self._torn = False
        """Whether the beginning of a code was dropped whose end may still be sent again."""
        self._holed = False
        """Whether a packet of a code was damaged; good ones that follow may belong to the same."""

    def feed(self, data: bytes) -> list[Step]:
        """Take what arrived and return the answers and scans of complete packets. Never raises."""
        return self._cut(self._pending + data, final=False)

    def quiet(self) -> list[Step]:
        """Ask for a packet that was begun once more; drop a code whose rest did not come."""
        # By then a whole head was right: less may be anything.
        begun = len(self._pending) >= SHORTEST
        steps = [*self._cut(self._pending, final=True), *self._strayed()]
        if begun and not any(isinstance(step, Send) for step in steps):
            steps.insert(0, Send(packet(NAK, bytes([RESEND]))))
        self._torn, self._skipping, self._holed = self._torn or bool(self._parts), False, False
        return steps + self._drop("a scan without its end")

    def _cut(self, text: bytes, *, final: bool) -> list[Step]:
        steps: list[Step] = []
        at = 0
        while at < len(text):
            size, broken = _packet_size(text, at)
            if size is None and not final:
                break
            if not size:
                if broken:
                    steps.append(Send(packet(NAK, bytes([RESEND]))))
                if text[at] and (self._parts or (broken and _has_more(text[at:]))):
                    self._holed = True
                self._stray += text[at : at + 1]
                at += 1
                if len(self._stray) >= MAX_NOISE:
                    steps += self._strayed()
                continue
            steps += self._strayed()
            steps += self._packet(text[at : at + size])
            at += size
        self._pending = text[at:]
        return steps

    def _strayed(self) -> list[Step]:
        # The scanner sends zeros to wake a host.
        stray, self._stray = self._stray.strip(b"\0"), b""
        return [Noise(stray, "bytes outside any packet")] if stray else []

    def _packet(self, raw: bytes) -> list[Step]:
        opcode, status, data = raw[1], raw[3], raw[4:-2]
        ack = Send(packet(ACK))
        match opcode:
            case 0xD0:
                return [Reply("acknowledged", raw)]
            case 0xD1:
                return [Refusal(_REASONS.get(data[0], data.hex()) if data else "", raw)]
            case 0xF3:
                return [ack, *self._decoded(status, data, raw)]
            case 0xA4:
                return [ack, Reply(f"revision {data.decode('latin-1').strip()}", raw)]
            case 0xF6:
                return [ack, Reply(f"event {data.hex()}", raw)]
            case _:
                return [ack, Reply(f"opcode {opcode:02X} {data.hex()}".strip(), raw)]

    def _decoded(self, status: int, data: bytes, raw: bytes) -> list[Step]:
        said = bytes([status & ~AGAIN]) + data
        if status & AGAIN and said == self._last:
            return [Reply("sent again", raw)]
        self._last = said
        if not data:
            return [Noise(raw[:MAX_NOISE], "a scan without a code")]
        if self._torn and status & AGAIN:
            return [Noise(raw[:MAX_NOISE], "the end of a scan that was torn")]
        steps: list[Step] = []
        if self._holed and not status & AGAIN:
            # A scanner that minds the NAK sends the damaged packet again before any other.
            why = "a scan without one of its packets"
            steps += self._drop(why) or [Noise(raw[:MAX_NOISE], why)]
            self._skipping = True
        self._torn = self._holed = False
        if self._skipping:
            self._skipping = bool(status & MORE)
            return steps
        return steps + self._join(status, data, raw)

    def _join(self, status: int, data: bytes, raw: bytes) -> list[Step]:
        steps: list[Step] = []
        if self._parts and data[0] != self._kind:
            steps += self._drop("a scan without its end")
        self._kind = data[0]
        self._parts.append(data[1:])
        self._raw += raw
        if max(sum(map(len, self._parts)), len(self._raw) // 2) > MAX_SCAN:
            self._skipping = bool(status & MORE)
            return steps + self._drop(f"a scan of more than {MAX_SCAN} bytes")
        return steps if status & MORE else [*steps, self._whole()]

    def _whole(self) -> Step:
        body, raw = b"".join(self._parts), self._raw
        self._parts, self._raw = [], b""
        if bytes([self._kind]) + body == NO_READ:
            return Reply("no read", raw)
        reading = self._config.unwrap(body, raw)
        if isinstance(reading, Scan) and reading.symbology is None:
            return replace(reading, symbology=AIM.get(self._kind))
        return reading

    def _drop(self, why: str) -> list[Step]:
        raw, self._parts, self._raw = self._raw, [], b""
        return [Noise(raw[:MAX_NOISE], why)] if raw else []


def _has_more(text: bytes) -> bool:
    """Whether the packet at the beginning of `text` says that more of its code follows."""
    return text[1] == DECODED and bool(text[3] & MORE)


def _packet_size(text: bytes, at: int) -> tuple[int | None, bool]:
    """Return the bytes of the packet at `at`: 0 if there is none, None if it has not arrived.

    The second is whether it looks like a packet whose sum is wrong.
    """
    length = text[at]
    if length < SHORTEST:
        return 0, False
    head = text[at + 1 : at + 4]
    if head[:1] and head[0] not in _FROM_SCANNER:
        return 0, False
    if head[1:2] and head[1] != SCANNER:
        return 0, False
    if head[2:3] and head[2] & ~(AGAIN | MORE | PERMANENT):
        return 0, False
    end = at + length
    if len(text) < end + 2:
        return None, False
    good = sum(text[at:end]) + int.from_bytes(text[end : end + 2], "big") & 0xFFFF == 0
    return (length + 2, False) if good else (0, True)


def dialogue(config: Config) -> Dialogue:
    """Ask for packets once, and answer each of them."""
    return Dialogue(
        Decoder(config),
        hello=packet(PARAMETERS, PACKETED),
        gap=TORN_AFTER,
        good=packet(BEEP, bytes([config.good_beep])) if config.beeps else b"",
        bad=packet(BEEP, bytes([config.bad_beep])) if config.beeps else b"",
    )
