"""A scripted session: two operators work while the cable is pulled and every daemon is killed."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from scanpost.demo.audit import Report, audit, drained, read_books
from scanpost.demo.operator import Operator
from scanpost.demo.stack import BENCH, DOCK, Stack

_DRAIN_WITHIN = 60.0  # seconds after the last fault


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that goes wrong at a share of the session's time."""

    at: float
    what: str
    do: Callable[[Stack], Awaitable[None]]


async def _pull(stack: Stack) -> None:
    await stack.network.pull()


async def _plug(stack: Stack) -> None:
    stack.network.plug()


async def _restart_gateway(stack: Stack) -> None:
    await stack.gateway.kill()
    await stack.gateway.start()


async def _restart_bridge(stack: Stack) -> None:
    await stack.bridge.kill()
    await stack.bridge.start()


async def _restart_broker(stack: Stack) -> None:
    await stack.broker.kill()
    await stack.broker.start()


SCRIPT = (
    Fault(0.20, "the network cable is pulled", _pull),
    Fault(0.40, "the network cable is back", _plug),
    Fault(0.50, "the gateway is killed and started again", _restart_gateway),
    Fault(0.65, "the bridge is killed and started again", _restart_bridge),
    Fault(
        0.80,
        "the broker is killed and started again, and has forgotten everything",
        _restart_broker,
    ),
)


async def play(stack: Stack, seconds: float, say: Callable[[str], None]) -> Report:
    """Let two operators work for `seconds` through `SCRIPT`, and audit what came of it."""
    operators = [
        Operator(DOCK, stack.dock_scanner, stack.feed, scale=stack.dock_scale),
        Operator(BENCH, stack.bench_scanner, stack.feed),
    ]
    over = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        await stack.feed.wait_open(10)
        for operator in operators:
            tasks.create_task(operator.work(over), name=f"operator at {operator.station}")
        await _go_wrong(stack, seconds, say)
        over.set()
    say("the operators have stopped; waiting for the backlog")
    await drained(stack, _DRAIN_WITHIN)
    offers = [offer for operator in operators for offer in operator.offers]
    return audit(dict(stack.feed.saved), offers, await asyncio.to_thread(read_books, stack))


async def _go_wrong(stack: Stack, seconds: float, say: Callable[[str], None]) -> None:
    loop = asyncio.get_running_loop()
    start = loop.time()
    for fault in SCRIPT:
        await asyncio.sleep(max(0.0, start + fault.at * seconds - loop.time()))
        say(fault.what)
        await fault.do(stack)
    with contextlib.suppress(TimeoutError):
        await asyncio.sleep(max(0.0, start + seconds - loop.time()))
