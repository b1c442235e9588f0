"""A Zebra scanner that speaks SSI."""

from drivers.scanners.ssi import (
    ACK,
    AGAIN,
    BEEP,
    DECODED,
    HOST,
    MORE,
    NAK,
    PARAMETERS,
    SCANNER,
    packet,
)
from drivers.simulators.cable import Cable
from drivers.simulators.device import Device

CODE_128 = 0x03
MOST = 248
"""Bytes of a code in one packet."""
TRIES = 3


class SsiSimulator(Device):
    """A scanner that sends a packet until it is acknowledged, at most `TRIES` times."""

    def __init__(self, cable: Cable | None = None) -> None:
        """Prepare a scanner on `cable`."""
        super().__init__(cable)
        self.beeps: list[int] = []
        self.acknowledged = 0
        """Packets that arrived."""
        self.lossy = 0
        """How many packets from now on arrive damaged."""
        self._left: list[bytes] = []
        """Packets that are not acknowledged yet; the first was sent."""
        self._tries = 0
        self._begun = b""

    async def take(self, text: str) -> None:
        """Scan `text`, as Code 128."""
        await self.send(text.encode())

    async def send(self, code: bytes, kind: int = CODE_128) -> None:
        """Scan one `code` of a type, in as many packets as it takes."""
        pieces = [code[at : at + MOST] for at in range(0, len(code), MOST)] or [b""]
        for number, piece in enumerate(pieces, 1):
            more = MORE if number < len(pieces) else 0
            data = bytes([kind]) + piece
            self._left.append(packet(DECODED, data, source=SCANNER, status=more))
        if len(self._left) == len(pieces):
            await self.say(self._first())

    def _first(self) -> bytes:
        """Return the packet that is due, marked if it was sent before."""
        if not self._left:
            return b""
        first = self._left[0]
        if self._tries:
            first = packet(DECODED, first[4:-2], source=SCANNER, status=first[3] | AGAIN)
        self._tries += 1
        if self.lossy:
            self.lossy -= 1
            return first[:-1] + bytes([first[-1] ^ 0xFF])
        return first

    async def repeat(self) -> None:
        """Send the packet that waits once more, as after two seconds without an answer."""
        await self.say(self._first())

    def answer(self, data: bytes) -> bytes:
        """Answer each complete packet of the host."""
        self._begun += data
        said = b""
        while self._begun:
            size = self._begun[0] + 2
            if len(self._begun) < size:
                break
            whole, self._begun = self._begun[:size], self._begun[size:]
            if whole[2] == HOST and whole == packet(whole[1], whole[4:-2], status=whole[3]):
                said += self._reply(whole[1], whole[4:-2])
        return said

    def _reply(self, opcode: int, data: bytes) -> bytes:
        if opcode == ACK:
            self.acknowledged += 1
            self._left, self._tries = self._left[1:], 0
            return self._first()
        if opcode == NAK:
            return self._first() if self._tries < TRIES else b""
        if opcode == BEEP:
            self.beeps += data
        if opcode in {BEEP, PARAMETERS}:
            return packet(ACK, source=SCANNER)
        return packet(NAK, b"\x02", source=SCANNER)


Simulator = SsiSimulator
