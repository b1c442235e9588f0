"""A scanner in HID POS mode: reports in frames, as `hidraw://` would read them."""

from itertools import count

from drivers.kit import hid
from drivers.scanners.hid_pos import HONEYWELL, PART, USUAL, report
from drivers.simulators.cable import Cable
from drivers.simulators.device import Device


class HidPosSimulator(Device):
    """A HID POS scanner, with the faults real ones have."""

    def __init__(self, cable: Cable | None = None, *, honeywell: bool = False) -> None:
        """Prepare a scanner.

        Args:
            cable: see `Device`. It carries frames: a terminal has no reports.
            honeywell: whether its reports have the two bytes more of that maker.
        """
        super().__init__(cable)
        self._honeywell = honeywell
        self.reports: list[bytes] = []
        """What the host has written."""
        self._frames = hid.Frames()

    def answer(self, data: bytes) -> bytes:
        """Hear written reports; they are not answered."""
        self.reports += [piece.data for piece in self._frames.feed(data)]
        return b""

    async def take(self, text: str) -> None:
        """Scan `text`, as Code 128."""
        await self.send(text.encode(), "]C0")

    async def send(self, code: bytes, symbology: str = "") -> None:
        """Scan one `code` with its AIM identifier, in as many reports as it takes."""
        await self.say(self.described() + b"".join(self.parts(code, symbology)))

    async def cut(self, code: bytes, symbology: str = "", *, after: int) -> None:
        """Send only the first `after` reports of a scan: the host was too slow for the rest."""
        await self.say(self.described() + b"".join(self.parts(code, symbology)[:after]))

    def described(self) -> bytes:
        """Return the descriptor in its frame, since nobody knows who has just come."""
        return hid.frame(hid.DESCRIPTOR, HONEYWELL if self._honeywell else USUAL)

    def parts(self, code: bytes, symbology: str = "") -> list[bytes]:
        """Return the reports of a scan, each in its frame."""
        parts: list[bytes] = []
        for at in count(0, PART):
            more = at + PART < len(code)
            part = report(code[at : at + PART], symbology, continued=more)
            if self._honeywell:
                part = part[:-1] + b"j\0" + part[-1:]
            parts.append(hid.frame(hid.REPORT, part))
            if not more:
                break
        return parts


Simulator = HidPosSimulator
