"""A store of known rows, and what is left of it after somebody flipped bits in its files."""

import asyncio
import json
import random
import shutil
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contract.canonical import canonical
from contract.envelope import Ack
from gateway.group import Write
from gateway.outbox import Outbox, open_outbox

FILES = ("o.db", "o.db-wal", "o.db-shm")


def transaction(number: int, dice: random.Random) -> dict[str, Any]:
    """Return something like a receipt; its place in the stream is still to be filled in."""
    return {
        "id": str(uuid.UUID(int=(0x019000000000 + number << 80) | (7 << 76) | (1 << 63))),
        "gateway": "dock-1",
        "station": "door-1",
        "clock": {"monotonic": f"{dice.random() * 1e5:.6f}", "synchronised": True},
        "event": {
            "type": "receipt",
            "lines": [
                {"item": {"gtin": f"{dice.randrange(10**14):014}"}, "lot": f"L{number:05}"},
            ],
            "text": "x" * dice.choice((0, 30, 300, 300, 2500)),
        },
        "evidence": [{"kind": "scan", "raw": dice.randbytes(30).hex()}],
    }


def write_of(value: dict[str, Any]) -> Write:
    return lambda epoch, seq: canonical(value | {"epoch": str(epoch), "seq": seq})


@dataclass(frozen=True)
class Truth:
    """What was stored, and the files as they were at a moment."""

    bodies: dict[str, dict[str, Any]]
    """By transaction id, without epoch and seq; those that were never confirmed."""
    folder: Path

    def copy(self, to: Path) -> Path:
        """Copy the files, and return the path of the store."""
        to.mkdir(exist_ok=True)
        for old in to.iterdir():
            old.unlink()
        for name in FILES:
            if (self.folder / name).exists():
                shutil.copy(self.folder / name, to / name)
        return to / "o.db"


async def build(folder: Path, *, rows: int, confirmed: int, killed: bool) -> Truth:
    """Make a store; `killed` leaves the write-ahead log as a SIGKILL would."""
    dice = random.Random(rows)
    values = [transaction(number, dice) for number in range(1, rows + 1)]
    live, kept = folder / "live", folder / "kept"
    live.mkdir(parents=True)
    kept.mkdir()
    async with open_outbox(live / "o.db") as outbox:
        writer = asyncio.create_task(outbox.write())
        for start in range(0, rows, 7):
            await outbox.put(
                [write_of(value) for value in values[start : start + 7]], [("door-1", str(start))]
            )
        outbox.confirm(Ack(epoch=outbox.standing.epoch, upto=confirmed))
        await outbox.keep(ring=confirmed)
        if killed:
            for name in FILES:
                shutil.copy(live / name, kept / name)
        writer.cancel()
        await asyncio.gather(writer, return_exceptions=True)
    if not killed:
        for name in FILES:
            if (live / name).exists():
                shutil.copy(live / name, kept / name)
    return Truth({value["id"]: value for value in values[confirmed:]}, kept)


def flip(path: Path, dice: random.Random, bits: int = 1) -> list[int]:
    """Flip bits of a file, and return where."""
    data = bytearray(path.read_bytes())
    places = [dice.randrange(len(data) * 8) for _ in range(bits)]
    for place in places:
        data[place // 8] ^= 1 << place % 8
    path.write_bytes(data)
    return places


async def given_out(outbox: Outbox) -> list[dict[str, Any]]:
    """Return everything a forwarder would send, parsed, in order."""
    found: list[dict[str, Any]] = []
    seq = outbox.standing.upto
    while seq < outbox.standing.last:
        rows = await outbox.after(seq, 100, 1_000_000)
        found += [json.loads(row.body) for row in rows]
        seq = rows[-1].seq
    return found


def without_place(value: dict[str, Any]) -> dict[str, Any]:
    return {name: each for name, each in value.items() if name not in {"epoch", "seq"}}
