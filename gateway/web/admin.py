"""The bench page: pick a job, test signals, look for devices and scans. Behind a PIN.

It does what a card does, through the same door: a job is changed by the scan of a mode card.
Without a PIN in `[web]` nobody gets in.
"""

import asyncio
import contextlib
import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from decimal import Decimal
from typing import Annotated, Any, Literal, TypeVar
from uuid import UUID

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from contract.commands import MAX_AGAIN
from contract.identifiers import Rules
from drivers.kit.readings import Scan
from gateway.bench import Bench
from gateway.errors import StoreDamaged
from gateway.health import Health
from gateway.languages import catalogue
from gateway.phrases import Phrase, say
from gateway.signals import Signals
from gateway.stations.job import Signal
from gateway.web import wording
from gateway.web.checks import is_ours
from gateway.web.pin import Door, holds
from gateway.whereabouts import Whereabout, Whereabouts

_COOKIE = "scanpost-bench"
_LOOK_WITHIN = 20.0  # seconds for a look at what is plugged in: a slow hub takes a few
_MOST_FOUND = 256 * 1024  # bytes of what that look may say
_SEARCHED = 2000  # newest rows looked through for a text: some hours of scans
_FOUND = 20  # of them that are shown
_QUANTITIES = (2, 3, 5, 10, 20, 50, 100)
_DEVICE = "bench-page"
_TEST = say("Test of the signals")
_TODO = say("Scan ACK, or press Esc.")

Body = TypeVar("Body", bound=BaseModel)
SendAgain = Callable[[int | None, int | None], tuple[int, int] | None]


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Entering(_Request):
    pin: Annotated[str, Field(max_length=64)]


class _JobPicked(_Request):
    station: str
    job: str


class _SignalTested(_Request):
    station: str
    kind: Literal["ok", "not_ok", "ignored", "attention"]


class _Resending(_Request):
    last: Annotated[int, Field(ge=1, le=MAX_AGAIN)]


class Admin:
    """The routes of the bench page."""

    def __init__(
        self,
        health: Health,
        signals: Signals,
        whereabouts: Whereabouts,
        send_again: SendAgain,
        pin: str | None,
        codes: Rules | None = None,
    ) -> None:
        self._health = health
        self._signals = signals
        self._whereabouts = whereabouts
        self._send_again = send_again
        self._pin = pin
        self._codes = codes or Rules()
        self._door = Door(time.monotonic)
        self._trying = asyncio.Lock()
        self._looking = asyncio.Lock()

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Add the routes."""
        router.add_post("/api/bench/enter", self._enter)
        router.add_post("/api/bench/leave", self._leave)
        router.add_get("/api/bench/state", self._state)
        router.add_get("/api/bench/where", self._where)
        router.add_get("/api/bench/cards", self._cards)
        router.add_post("/api/bench/job", self._job)
        router.add_post("/api/bench/signal", self._signal)
        router.add_post("/api/bench/resend", self._resend)
        router.add_post("/api/bench/look", self._look)

    async def _enter(self, request: web.Request) -> web.Response:
        """Check the PIN, and begin a session."""
        asked = await self._read(request, _Entering)
        if self._pin is None:
            raise web.HTTPForbidden(text="there is no PIN in [web]: `python -m gateway.web.pin`")
        # One at a time: each takes a core for a while.
        async with self._trying:
            if wait := self._door.wait:
                raise web.HTTPTooManyRequests(
                    text=f"too many wrong tries: wait {wait:.0f} s",
                    headers={"Retry-After": f"{wait:.0f}"},
                )
            if not await asyncio.to_thread(holds, asked.pin, self._pin):
                self._door.wrong()
                raise web.HTTPUnauthorized(text="wrong PIN")
            token = self._door.right()
        response = web.json_response({})
        response.set_cookie(
            _COOKIE, token, httponly=True, samesite="Strict", path="/api/bench",
            secure=request.secure,
        )  # fmt: skip
        return response

    async def _leave(self, request: web.Request) -> web.Response:
        is_ours(request)
        self._door.leave(request.cookies.get(_COOKIE))
        return web.json_response({})

    async def _read(self, request: web.Request, model: type[Body]) -> Body:
        is_ours(request)
        try:
            return model.model_validate_json(await request.read())
        except ValidationError as error:
            raise web.HTTPBadRequest(text=error.errors()[0]["msg"]) from None

    def _must_be_in(self, request: web.Request) -> None:
        if not self._door.knows(request.cookies.get(_COOKIE)):
            raise web.HTTPUnauthorized(text="enter the PIN")

    def _bench(self, name: str) -> Bench:
        for bench in self._health.benches:
            if bench.station.name == name:
                return bench
        raise web.HTTPNotFound(text=f"there is no station {name}")

    async def _state(self, request: web.Request) -> web.Response:
        self._must_be_in(request)
        words = self._words(request)
        snapshot = await self._health.snapshot()
        return web.json_response(
            {
                "gateway": snapshot.gateway,
                "site": snapshot.site,
                "version": snapshot.version,
                "waiting": snapshot.waiting,
                "broker": snapshot.broker,
                "devices": [asdict(device) for device in snapshot.devices],
                "stations": [
                    {
                        "station": bench.station.name,
                        "job": bench.session.job,
                        "jobs": [
                            [mode.job, words.get(spoken := mode.job.replace("_", " "), spoken)]
                            for mode in bench.station.modes
                        ],
                    }
                    for bench in self._health.benches
                ],
            }
        )

    def _words(self, request: web.Request) -> wording.Catalogue:
        benches = self._health.benches
        first = benches[0] if benches else None
        return catalogue(wording.language_of(request.query.get("lang"), first))

    async def _job(self, request: web.Request) -> web.Response:
        """Change the job of a station, as its mode card does."""
        self._must_be_in(request)
        picked = await self._read(request, _JobPicked)
        bench = self._bench(picked.station)
        mode = bench.station.mode(bench.session.job)
        if not self._codes.mode or not getattr(mode.settings, "cards", True):
            raise web.HTTPConflict(text="this station does not read mode cards")
        card = f"{self._codes.mode[0]}{picked.job.upper().replace('_', '-')}".encode()
        before = bench.session.job
        await bench.accept(_DEVICE, [Scan(card, card)])
        if bench.session.job not in {picked.job, before}:
            raise web.HTTPConflict(text="the station went on to another job")
        return web.json_response({"job": bench.session.job}, status=202)

    async def _signal(self, request: web.Request) -> web.Response:
        """Give one of the four signals, as a test; never over what somebody has to resolve."""
        self._must_be_in(request)
        asked = await self._read(request, _SignalTested)
        name = self._bench(asked.station).station.name
        latched = self._signals.latched.get(name)
        if latched is not None and not _is_test(latched.signal.text):
            raise web.HTTPConflict(text="something is to be resolved at that station first")
        todo = _TODO if asked.kind in {"not_ok", "attention"} else ""
        self._signals.tell(name, Signal(asked.kind, _TEST, todo))
        return web.json_response({}, status=202)

    async def _resend(self, request: web.Request) -> web.Response:
        self._must_be_in(request)
        asked = await self._read(request, _Resending)
        sent = self._send_again(None, asked.last)
        if sent is None:
            raise web.HTTPConflict(text="no row there is booked, or a conflict stopped the stream")
        return web.json_response({"first": sent[0], "last": sent[1]}, status=202)

    async def _where(self, request: web.Request) -> web.Response:
        """Where is my scan: by id, by seq, or by any text in it."""
        self._must_be_in(request)
        text = request.query.get("text", "").strip()
        if not 1 <= len(text) <= 200:
            raise web.HTTPBadRequest(text="ask for 1 to 200 characters")
        try:
            found = await self._find(text)
        except StoreDamaged as damage:
            raise web.HTTPInternalServerError(text=f"a row is damaged: {damage}") from damage
        words = self._words(request)
        return web.json_response({"found": [wording.row(each, words) for each in found]})

    async def _find(self, text: str) -> list[Whereabout]:
        found: dict[int, Whereabout] = {}
        with contextlib.suppress(ValueError):
            if by_id := await self._whereabouts.by_id(UUID(text)):
                return [by_id]
        if text.isascii() and text.isdigit() and len(text) <= 16:
            by_seq = await self._whereabouts.by_seq(int(text))
            found.update({by_seq.seq: by_seq} if by_seq else {})
        for each in await self._whereabouts.recent(_SEARCHED):
            if len(found) == _FOUND:
                break
            if text.lower() in json.dumps(each.transaction, ensure_ascii=False).lower():
                found[each.seq] = each
        return list(found.values())

    async def _cards(self, request: web.Request) -> web.Response:
        """Return command, mode and quantity cards to print, for the jobs of this gateway."""
        self._must_be_in(request)
        # Imported here: drawing symbols needs what a station can do without.
        from gateway import cards  # noqa: PLC0415

        jobs = {mode.job for bench in self._health.benches for mode in bench.station.modes}
        deck = [
            *cards.command_cards(self._codes),
            *cards.mode_cards(self._codes, sorted(jobs)),
            *cards.quantity_cards(self._codes, [Decimal(value) for value in _QUANTITIES]),
        ]
        try:
            text = await asyncio.to_thread(cards.cards_html, deck)
        except cards.CardsUnavailable as error:
            raise web.HTTPServiceUnavailable(text=str(error)) from error
        return web.Response(text=text, content_type="text/html")

    async def _look(self, request: web.Request) -> web.Response:
        """Say what is plugged in, with the lines to write for it."""
        self._must_be_in(request)
        is_ours(request)
        async with self._looking:
            found = await _plugged()
        return web.json_response({"found": found})


def _is_test(text: str) -> bool:
    return isinstance(text, Phrase) and text.template == _TEST.template


async def _plugged() -> list[dict[str, Any]]:
    """Return what `scanpost detect` finds. A process of its own: it walks slow hubs."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "scanpost.detect", "--json",
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        async with asyncio.timeout(_LOOK_WITHIN):
            said, _ = await process.communicate()
    except TimeoutError:
        raise web.HTTPGatewayTimeout(text="what is plugged in does not answer") from None
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
    found = []
    for line in said[:_MOST_FOUND].splitlines():
        with contextlib.suppress(ValueError):
            found.append(_shown(json.loads(line)))
    return found


def _shown(node: dict[str, Any]) -> dict[str, Any]:
    fits = node.get("fits") or []
    return {
        "name": " ".join(filter(None, (node.get("maker"), node.get("name")))),
        "usb": f"{node.get('vid')}:{node.get('pid')}",
        "node": node.get("node"),
        "url": node.get("url"),
        "driver": fits[0]["driver"] if fits else None,
        "why": fits[0]["why"] if fits else "",
    }
