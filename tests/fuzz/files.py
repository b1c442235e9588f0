"""What people write: configuration files, captures, device addresses; with every kind of slip."""

from collections.abc import Callable
from pathlib import Path, PosixPath
from random import Random

import bridge.config
import bridge.errors
import gateway.config
import gateway.errors
from drivers.kit.captures import Chunk, NotACapture, chunk, said
from tests.fuzz.spoiling import spoilt

CONFIG = Path(__file__).parents[2] / "config"
EXAMPLES = {
    "gateway": sorted([CONFIG / "gateway.toml", *(CONFIG / "gateway").glob("*.toml")]),
    "bridge": sorted(CONFIG.glob("bridge*.toml")),
}
_LOADS: dict[str, tuple[Callable[[Path], object], type[Exception]]] = {
    "gateway": (gateway.config.load, gateway.errors.ConfigError),
    "bridge": (bridge.config.load, bridge.errors.ConfigError),
}
_VALUES = (
    "1", "-1", "0.5", "nan", "inf", "1e400", "true", '""', '"x"', "[]", "{}", "[[1]]", '"\\u0000"',
    "1979-05-27T07:32:00Z", "9223372036854775808", '"usb://?vid=0c2e"', '"serial:///dev/ttyS0?x=1"',
    '"tcp://[::1"', '"(((((("', '"(a+)+"', '["a", 1]', "{ a = 1 }",
)  # fmt: skip


class Written(PosixPath):
    """A file that is not on any disk."""

    content = b""

    def read_text(
        self, encoding: str | None = None, errors: str | None = None, newline: str | None = None
    ) -> str:
        assert encoding == "utf-8"
        return self.content.decode(encoding)


class File:
    """The configuration of one daemon."""

    def __init__(self, daemon: str) -> None:
        self._good = [path.read_text("utf-8") for path in EXAMPLES[daemon]]
        self._load, self._expected = _LOADS[daemon]
        self._path = Written(f"{daemon}.toml")

    def __call__(self, r: Random) -> None:
        self._path.content = self._spoilt(r, r.choice(self._good))
        try:
            self._load(self._path)
        except self._expected as error:
            if not str(error).strip():
                raise AssertionError("a refusal says what is wrong") from error

    def _spoilt(self, r: Random, text: str) -> bytes:
        lines = text.splitlines()
        for _ in range(r.randint(0, 3)):
            at = r.randrange(len(lines)) if lines else 0
            match r.randrange(4):
                case 0:
                    del lines[at : at + 1]
                case 1:
                    lines[at:at] = lines[at : at + r.randint(1, 9)]
                case 2:
                    lines.insert(
                        at, f"{r.choice(('x', 'driver', 'job', 'url'))} = {r.choice(_VALUES)}"
                    )
                case _:
                    name, mark, _ = lines[at].partition("=") if lines else ("", "", "")
                    lines[at : at + 1] = [f"{name}= {r.choice(_VALUES)}"] if mark else []
        data = "\n".join(lines).encode()
        return spoilt(r, data) if r.random() < 0.3 else data


def captures(r: Random) -> None:
    """Lines of captures."""
    line = f"{r.uniform(0, 99):.6f} {r.randbytes(r.randint(0, 20)).hex()}\n".encode()
    line = r.choice((line, b"# driver: mt_sics\n", b"# url: serial:///dev/ttyUSB0\n", line))
    for _ in range(r.randint(0, 2)):
        line = spoilt(r, line)
    said(line)
    try:
        found = chunk(line)
    except NotACapture:
        return
    if found is not None:
        assert isinstance(found, Chunk)
        assert chunk(str(found).encode()) == Chunk(round(found.seconds, 6), found.data)
