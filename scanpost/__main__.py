"""The command `scanpost`: one door to every room. Each room is imported only when it is entered."""

import importlib
import os
import sys

_ROOMS = {
    "gateway": ("gateway.__main__", "run or check the daemon at the bench"),
    "bridge": ("bridge.__main__", "run or check the daemon that writes to the ERP"),
    "outbox": ("scanpost.outbox", "what lies in a gateway's store, how far it is, and its repair"),
    "demo": ("scanpost.demo.__main__", "the whole way of a scan, on virtual devices"),
    "rehearse": (
        "scanpost.rehearse.__main__",
        "a whole shift before go-live, and whether the books tell it",
    ),
    "devices": ("scanpost.devices", "the scanners and scales that are supported"),
    "detect": ("scanpost.detect", "what is plugged in, and the lines to write for it"),
    "cards": ("scanpost.cards", "a deck to print: commands, modes, reasons, places, badges"),
    "sheet": ("scanpost.sheet", "a page to print: how to set up a scanner"),
    "listen": ("scanpost.listen", "what a device says, decoded while it speaks"),
    "record": ("scanpost.record", "write down the bytes of a device"),
    "replay": ("scanpost.replay", "what a recording means"),
    "decode": ("scanpost.decode", "say what the bytes of a scale or a barcode mean"),
}
_OURS = {"bridge", "contract", "drivers", "gateway", "runtime", "scanpost"}
_EXTRA = {"bridge": "bridge", "cards": "cards", "demo": "demo", "rehearse": "demo"}
"""What to install for a room; all others are of the gateway."""


def main() -> int:
    """Enter the room named by the first argument, and return its exit code."""
    arguments = sys.argv[1:]
    if arguments in (["--version"], ["-V"]):
        from importlib.metadata import version  # noqa: PLC0415 - nothing else here needs it

        print(f"scanpost {version('scanpost')}")
        return 0
    if not arguments or arguments[0] in {"-h", "--help"}:
        print(_usage())
        return 0 if arguments else 2
    name, *rest = arguments
    if name not in _ROOMS:
        print(f"scanpost: there is no command {name!r}\n\n{_usage()}", file=sys.stderr)
        return 2
    try:
        room = importlib.import_module(_ROOMS[name][0])
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] in _OURS:
            raise
        extra = _EXTRA.get(name, "gateway")
        print(
            f"scanpost {name} needs {error.name}: pip install 'scanpost[{extra}]'",
            file=sys.stderr,
        )
        return 2
    try:
        code: int = room.main(rest)
        sys.stdout.flush()
    except BrokenPipeError:
        # Nobody reads on (`| head`). Else the interpreter fails at the same pipe when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return code


def _usage() -> str:
    rows = "\n".join(f"  {name:9}{text}" for name, (_, text) in _ROOMS.items())
    return f"usage: scanpost COMMAND [-h] ...\n\n{rows}\n\n  --version"


if __name__ == "__main__":
    sys.exit(main())
