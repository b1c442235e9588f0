"""Signals, the live weight and signs of life, as server-sent events."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

from aiohttp import web

from gateway.bench import Bench
from gateway.shut import Refusal
from gateway.signals import Fallen, Signals, Told
from gateway.web import wording

_PING = 15.0  # seconds between two signs of life on a stream that nobody looks at
_HERE = 1.0  # seconds between them on a station's screen: it tells within three that we are gone
_WEIGHT = 0.2  # seconds between two live weights: faster figures cannot be read


async def pump(
    response: web.StreamResponse,
    signals: Signals,
    bench: Bench | Refusal | None,
    words: Callable[[str], wording.Catalogue],
) -> None:
    """Write to `response` until its reader is gone or too slow: the last signals, then each.

    Args:
        response: prepared already.
        signals: of all stations.
        bench: whose live weight to tell as well; a reader that names no station gets signals only.
        words: the catalogue for a station's name.
    """
    with signals.subscribe() as coming, contextlib.suppress(Fallen, ConnectionError):
        for each in list(signals.history):
            await response.write(_message(wording.told(each, words(each.station)), past=True))
        await _follow(response, coming, _Screen(bench), words)


class _Screen:
    """What one station's screen was told of its scale and of us."""

    def __init__(self, bench: Bench | Refusal | None) -> None:
        self._bench = bench
        self._weight: dict[str, Any] | None = None
        self._quiet = 0.0

    @property
    def every(self) -> float:
        return _PING if self._bench is None else _WEIGHT

    def news(self) -> bytes:
        """Return what to write when no signal came for `every` seconds; it may be nothing."""
        if self._bench is None:
            return b": here\n\n"
        self._quiet += _WEIGHT
        weight = wording.live_weight(self._bench)
        if weight != self._weight:
            self._weight = weight
            return f"event: weight\ndata: {json.dumps(weight)}\n\n".encode()
        if self._quiet < _HERE:
            return b""
        self._quiet = 0.0
        return b"event: here\ndata: {}\n\n"


async def _follow(
    response: web.StreamResponse,
    coming: AsyncIterator[Told],
    screen: _Screen,
    words: Callable[[str], wording.Catalogue],
) -> None:
    pending = asyncio.ensure_future(anext(coming))
    try:
        while True:
            await asyncio.wait([pending], timeout=screen.every)
            if not pending.done():
                if news := screen.news():
                    await response.write(news)
                continue
            each = pending.result()
            await response.write(_message(wording.told(each, words(each.station)), past=False))
            pending = asyncio.ensure_future(anext(coming))
    finally:
        pending.cancel()
        with contextlib.suppress(asyncio.CancelledError, Fallen):
            await pending


def _message(told: dict[str, Any], *, past: bool) -> bytes:
    return f"data: {json.dumps({**told, 'past': past})}\n\n".encode()
