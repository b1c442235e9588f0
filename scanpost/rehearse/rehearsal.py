"""A rehearsal from nothing: start everything, play the shift, wait for the books, compare."""

import asyncio
import contextlib
import json
import random
import sqlite3
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp

from drivers.simulators.cable import Pty
from drivers.simulators.lines import ScannerSimulator
from drivers.simulators.mt_sics import MtSicsSimulator
from scanpost.demo.feed import Feed
from scanpost.demo.network import NetworkCable
from scanpost.demo.processes import Process, broker, free_port
from scanpost.rehearse.acts import Effect
from scanpost.rehearse.player import MAX_MISMATCHES, Played, Player
from scanpost.rehearse.scripts import SCRIPTS
from scanpost.rehearse.world import BOSS, DOCK, QUARANTINE, World, made, written

_STATION = "rehearsal"
_READY_WITHIN = 60.0  # seconds until the gateway has its copy
_DRAIN_WITHIN = 120.0  # seconds until the books have everything
_SCANS_OF_AN_ORDER = 8  # a document takes more: there is always one left

_SETTINGS = {
    "receiving": f'to_location = "{DOCK}"\nquarantine = "{QUARANTINE}"\n',
    "packing": "carton_g = 300\n",
    "putaway": f'from_location = "{DOCK}"\n',
    "transfer": f'from_location = "{DOCK}"\n',
}

_GATEWAY = """\
site = "rehearsal"
gateway = "gateway-1"
supervisors = ["{boss}"]

[store]
path = {store}

[broker]
url = "mqtt://127.0.0.1:{broker}"

[web]
listen = "127.0.0.1:{web}"

[[station]]
name = "{station}"
job = "{job}"
{settings}
[[station.device]]
id = "scanner"
driver = "lines"
url = {scanner}

[[station.device]]
id = "scale"
driver = "mt_sics"
url = {scale}
every = 0.1
"""

_BRIDGE = """\
site = "rehearsal"
name = "books"
ledger = {ledger}

[broker]
url = "mqtt://127.0.0.1:{broker}"

[web]
listen = "127.0.0.1:{web}"

[reference]
source = "files"
folder = {reference}

[target]
connector = "sql"
url = {books}
"""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a rehearsal."""

    played: Played
    booked: int
    truth: int
    mismatches: list[str]

    def as_json(self) -> dict[str, Any]:
        """Return it as the closing line says it."""
        times = sorted(self.played.seconds)
        heard = self.played.heard
        return {
            "scans": self.played.scans,
            "ok": heard.get("ok", 0),
            "refused": heard.get("not_ok", 0),
            "attention": heard.get("attention", 0),
            "ignored": heard.get("ignored", 0),
            "power_cuts": self.played.cuts,
            "outages": self.played.outages,
            "booked": self.booked,
            "truth": self.truth,
            "mismatches": self.mismatches,
            "p50_ms": _at(times, 0.50),
            "p95_ms": _at(times, 0.95),
        }


def _at(times: list[float], share: float) -> float | None:
    return round(times[int((len(times) - 1) * share)] * 1000, 2) if times else None


async def rehearse(
    folder: Path, job: str, seed: int, scans: int, say: Callable[[str], None]
) -> Outcome:
    """Play a shift of `job` and return what came of it.

    Args:
        folder: for configuration, stores, books and logs; empty.
        job: a key of `SCRIPTS`.
        seed: the same seed is the same shift.
        scans: how many.
        say: told how far it is.

    Raises:
        NotUp: a part did not come up.
        TimeoutError: the gateway did not get its copy of the reference data.
    """
    kind, script = SCRIPTS[job]
    world = made(seed, kind, scans // _SCANS_OF_AN_ORDER + 2)
    async with _running(folder, job, world) as (player, network, ports):
        await _ready(ports[0], len(world.things))
        say(f"playing {scans} scans of {job}, seed {seed}")
        dice = random.Random(f"{job} {seed}")  # noqa: S311 - to be played again
        played = await player.play(script(world, dice), scans)
        network.plug()
        say(f"played {played.scans} scans, {played.cuts} power cuts; waiting for the books")
        drained = await _drained(ports[0])
    truth = Counter(effect for group in played.groups for effect in group)
    books, strays = await asyncio.to_thread(_books, folder)
    mismatches = [*played.mismatches]
    if not drained:
        mismatches.append(f"not all was booked within {_DRAIN_WITHIN:g} s")
    mismatches += strays
    mismatches += [f"not in the books: {n} x {effect}" for effect, n in (truth - books).items()]
    mismatches += [f"only in the books: {n} x {effect}" for effect, n in (books - truth).items()]
    return Outcome(played, books.total(), truth.total(), mismatches[: 2 * MAX_MISMATCHES])


@contextlib.asynccontextmanager
async def _running(
    folder: Path, job: str, world: World
) -> AsyncIterator[tuple[Player, NetworkCable, tuple[int, int]]]:
    mqtt, _ = broker(folder)
    written(world, folder / "reference")
    async with contextlib.AsyncExitStack() as parts:
        network = await parts.enter_async_context(NetworkCable(mqtt.port))
        scanner = await parts.enter_async_context(ScannerSimulator(Pty(folder / "scanner")))
        scale = await parts.enter_async_context(MtSicsSimulator(Pty(folder / "scale")))
        gateway_port, bridge_port = free_port(), free_port()
        gateway = _daemon(
            "gateway",
            folder,
            gateway_port,
            _GATEWAY.format(
                boss=BOSS,
                store=json.dumps(str(folder / "outbox.db")),
                broker=network.port,
                web=gateway_port,
                station=_STATION,
                job=job,
                settings=_SETTINGS.get(job, ""),
                scanner=json.dumps(scanner.url),
                scale=json.dumps(scale.url),
            ),
        )
        bridge = _daemon(
            "bridge",
            folder,
            bridge_port,
            _BRIDGE.format(
                ledger=json.dumps(str(folder / "ledger.db")),
                broker=mqtt.port,
                web=bridge_port,
                reference=json.dumps(str(folder / "reference")),
                books=json.dumps(f"sqlite+aiosqlite:///{folder / 'books.db'}"),
            ),
        )
        for process in (mqtt, bridge, gateway):
            parts.push_async_callback(process.stop)
        await mqtt.start()
        await asyncio.gather(bridge.start(), gateway.start())
        feed = Feed(gateway_port)
        listening = asyncio.create_task(feed.run(), name="feed")
        parts.push_async_callback(_end, listening)
        await feed.wait_open(10)
        player = Player(
            _STATION, scanner, scale, feed, gateway, network, lambda: _ready(gateway_port)
        )
        yield player, network, (gateway_port, bridge_port)


def _daemon(name: str, folder: Path, port: int, config: str) -> Process:
    file = folder / f"{name}.toml"
    file.write_text(config)
    command = [sys.executable, "-m", name, "run", "--config", str(file)]
    return Process(name, command, port, folder / f"{name}.log")


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def _ready(port: int, items: int = 0) -> None:
    """Wait until the gateway listens to its devices, and has a copy of so many items."""

    def there(status: dict[str, Any]) -> bool:
        devices = all(device["state"] == "open" for device in status["devices"])
        copy = status["reference"]
        return devices and (
            not items or (copy["items"] >= items and copy["version"] == copy["newest"])
        )

    if not await _until(port, there, _READY_WITHIN):
        raise TimeoutError(f"the gateway was not ready within {_READY_WITHIN:g} s")


async def _drained(port: int) -> bool:
    """Wait until the ERP has everything the gateway has stored."""
    return await _until(
        port, lambda status: bool(status["posted"] >= status["last"]), _DRAIN_WITHIN
    )


async def _until(port: int, test: Callable[[dict[str, Any]], bool], within: float) -> bool:
    timeout = aiohttp.ClientTimeout(total=10)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(within), aiohttp.ClientSession(timeout=timeout) as session:
            while True:
                with contextlib.suppress(aiohttp.ClientError):
                    async with session.get(f"http://127.0.0.1:{port}/api/status") as answer:
                        if test(await answer.json()):
                            return True
                await asyncio.sleep(0.1)
    return False


def _books(folder: Path) -> tuple[Counter[Effect], list[str]]:
    """Return what stands in the books, and what there is that should not be."""
    with contextlib.closing(sqlite3.connect(folder / "ledger.db")) as ledger:
        rows = ledger.execute(
            "SELECT id, body, state, code, text FROM entry ORDER BY number"
        ).fetchall()
    with contextlib.closing(sqlite3.connect(folder / "books.db")) as books:
        posted = Counter(
            str(id_) for (id_,) in books.execute("SELECT transaction_id FROM postings")
        )
    strays = [
        f"the bridge refused {id_}: {code}: {text}"
        for id_, _, state, code, text in rows
        if state == "dead"
    ]
    strays += [f"posted {n} times: {id_}" for id_, n in posted.items() if n > 1]
    known = {id_ for id_, *_ in rows}
    strays += [f"in the books, not in the ledger: {id_}" for id_ in posted if id_ not in known]
    transactions = {id_: json.loads(body) for id_, body, *_ in rows if id_ in posted}
    gone = {
        each["event"]["reverses"]
        for each in transactions.values()
        if each["event"]["type"] == "reversal"
    }
    stand = [
        each["event"]
        for id_, each in transactions.items()
        if id_ not in gone and each["event"]["type"] != "reversal"
    ]
    return Counter(effect for event in stand for effect in _effects(event)), strays


def _effects(event: dict[str, Any]) -> Iterator[Effect]:
    kind = event["type"]
    document = next((each["number"] for each in event.get("documents", ())), "")
    match kind:
        case "shipment":
            yield Effect(kind, "", Decimal(0), document)
        case "weighing":
            grams = Decimal(event["weight"]["value"]).scaleb(3)
            yield Effect(kind, event.get("sscc", ""), grams.quantize(Decimal(1)))
        case "reading":
            yield Effect(kind, event.get("text", ""), Decimal(0))
        case "assembly":
            for name, lines in (("assembly", "produced"), ("assembly-part", "consumed")):
                for line in event[lines]:
                    yield _effect(name, line, document, "")
        case _:
            for line in event["lines"]:
                yield _effect(kind, line, document, _place(event))


def _effect(kind: str, line: dict[str, Any], document: str, place: str) -> Effect:
    item = line["item"]
    return Effect(
        kind,
        item.get("sku") or item.get("gtin") or "",
        Decimal(line["quantity"]["value"]),
        document,
        line.get("lot", ""),
        line.get("serial", ""),
        place,
    )


def _place(event: dict[str, Any]) -> str:
    match event["type"]:
        case "receipt" | "return":
            return f">{event.get('to_location', '')}"
        case "pick":
            return f"{event.get('from_location', '')}>"
        case "putaway" | "transfer":
            return f"{event.get('from_location', '')}>{event.get('to_location', '')}"
        case "count" | "adjustment":
            return str(event.get("location", ""))
        case _:
            return ""
