"""An MQTT broker in memory that forgets, repeats and reorders, and the lines to it.

It stands behind the port the daemons use: `connect` and `Connection` of `runtime.mqtt`. What is
PUBACKed is in its memory and nowhere else, as with mosquitto's defaults.
"""

import asyncio
import contextlib
import contextvars
import random
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from runtime.mqtt import BrokerLost, Message, Told, Will
from tests.worlds.loop import HERE, Loop

KEEPALIVE = 30.0  # seconds until a silent line counts as dead: one and a half times the setting
_CONNECT_WITHIN = 10.0
_OUTSIDE = contextvars.Context()
"""The world's own context: what is on the wire goes on when its sender dies."""


@dataclass(eq=False)
class Line:
    """The network between one machine and the broker."""

    name: str
    delay: tuple[float, float] = (0.001, 0.03)
    cut: bool = False
    """Nothing passes, and nobody is told."""
    stuck: list[Callable[[], None]] = field(default_factory=list)

    def mend(self) -> None:
        """Let through what waited, as TCP does when it sends again."""
        self.cut = False
        stuck, self.stuck = self.stuck, []
        for arrive in stuck:
            arrive()


class _Way:
    """One direction of one connection: in order, some time later."""

    def __init__(self, loop: Loop, line: Line, dice: random.Random) -> None:
        self._loop, self._line, self._dice = loop, line, dice
        self._last = 0.0
        self.closed = False

    def send(self, arrive: Callable[[], None]) -> None:
        self._last = max(self._last, self._loop.time() + self._dice.uniform(*self._line.delay))
        self._loop.call_at(self._last, self._pass, arrive, context=_OUTSIDE)

    def _pass(self, arrive: Callable[[], None]) -> None:
        if self.closed:
            return
        if self._line.cut or self._line.stuck:
            self._line.stuck.append(lambda: None if self.closed else arrive())
        else:
            arrive()


class Connection:
    """One connection, as a daemon sees it."""

    protocol: Literal["5", "3.1.1"] = "5"

    def __init__(
        self, broker: "Broker", line: Line, client_id: str, will: Will | None, options: Any
    ) -> None:
        self._broker = broker
        self.client_id = client_id
        self.line = line
        self.will = will
        self.manual: bool = options.get("manual_ack", False)
        self.window = 20
        self.lost = False
        self.up = _Way(broker.loop, line, broker.dice)
        self.down = _Way(broker.loop, line, broker.dice)
        self.filters: list[str] = []
        self.queue: deque[tuple[str, bytes, bool]] = deque()
        self.unacknowledged: set[int] = set()
        self.most: int = options.get("receive_maximum", 20)
        self._mid = 0
        self._arrived: deque[Message] = deque()
        self._bell = asyncio.Event()
        self._confirmations: dict[int, asyncio.Future[bool]] = {}
        self._published = 0
        self._hear: Callable[[Message], bool] = lambda _: False

    def publish(
        self,
        topic: str,
        payload: str | bytes,
        *,
        qos: int = 1,
        retain: bool = False,
        expiry: int | None = None,
        **_: Any,
    ) -> asyncio.Future[bool]:
        """Send, and return what the broker will say."""
        del expiry
        future: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        if self.lost:
            future.set_exception(BrokerLost("not connected"))
            future.exception()
            return future
        data = payload.encode() if isinstance(payload, str) else payload
        self._published += 1
        number = self._published
        if qos:
            self._confirmations[number] = future
            future.add_done_callback(lambda done: None if done.cancelled() else done.exception())
        else:
            future.set_result(True)
        self.up.send(lambda: self._broker.take(self, number, topic, data, retain=retain))
        return future

    def send(self, topic: str, payload: bytes, told: Told) -> None:
        """Send, and call `told` with what the broker says."""

        def done(future: asyncio.Future[bool]) -> None:
            error = future.exception()
            told(error is None and future.result(), error if isinstance(error, Exception) else None)

        if not self.lost:
            self.publish(topic, payload).add_done_callback(done)

    def hear_with(self, hear: Callable[[Message], bool]) -> None:
        """Have `hear` called with each message as it arrives."""
        self._hear = hear

    def confirmed(self, number: int, anybody: bool) -> None:
        """Hear the broker's PUBACK."""
        future = self._confirmations.pop(number, None)
        if future is not None and not future.done():
            future.set_result(anybody)

    async def subscribe(self, topic: str, qos: int = 1) -> None:
        """Subscribe; retained messages follow."""
        del qos
        if self.lost:
            raise BrokerLost("not connected")
        done: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._confirmations[-len(self.filters) - 1] = done

        def there() -> None:
            self.filters.append(topic)
            self.down.send(lambda: None if done.done() else done.set_result(True))
            self._broker.remind(self, topic)

        self.up.send(there)
        await done

    def deliver(self, topic: str, payload: bytes, retain: bool) -> None:
        """Put a message into the queue to this client."""
        self.queue.append((topic, payload, retain))
        self.pump()

    def pump(self) -> None:
        """Send what the client's window has room for."""
        while self.queue and len(self.unacknowledged) < self.most and not self.lost:
            topic, payload, retain = self.queue.popleft()
            self._mid += 1
            self.unacknowledged.add(self._mid)
            message = Message(topic, payload, 1, retain, self._mid)
            self.down.send(lambda message=message: self._arrive(message))  # type: ignore[misc]

    def _arrive(self, message: Message) -> None:
        if self.lost:
            return
        if not self._hear(message):
            self._arrived.append(message)
            self._bell.set()
        if not self.manual:
            self.ack(message)

    async def receive(self) -> list[Message]:
        """Wait for messages, and return all there are."""
        while not self._arrived:
            if self.lost:
                raise BrokerLost("the connection ended")
            self._bell.clear()
            await self._bell.wait()
        messages = list(self._arrived)
        self._arrived.clear()
        return messages

    @property
    async def messages(self) -> AsyncIterator[Message]:
        """Every message."""
        while True:
            for message in await self.receive():
                yield message

    def ack(self, message: Message) -> None:
        """Say that `message` is safe."""
        if not self.lost:

            def there() -> None:
                self.unacknowledged.discard(message.mid)
                self.pump()

            self.up.send(there)

    def end(self) -> None:
        """Notice, on this side, that the connection is gone."""
        if self.lost:
            return
        self.lost = self.up.closed = self.down.closed = True
        self._bell.set()
        for future in self._confirmations.values():
            if not future.done():
                future.set_exception(BrokerLost("the connection ended"))
                future.exception()
        self._confirmations.clear()


class Broker:
    """The broker."""

    def __init__(self, loop: Loop, seed: int) -> None:
        self.loop = loop
        self.dice = random.Random(f"{seed}/broker")
        self.lines: dict[str, Line] = {}
        self.up = True
        self.twice = 0
        """Messages to come that are delivered a second time, some later."""
        self.shuffled = 0
        """Messages to come that overtake others."""
        self.counts = {"lost": 0, "twice": 0, "overtaken": 0, "forgotten": 0, "taken over": 0}
        self.said: list[Callable[[str, bytes], None]] = []
        """Called with every message a client publishes, when it reaches the broker."""
        self.retained: dict[str, bytes] = {}
        self._clients: dict[str, Connection] = {}

    @contextlib.asynccontextmanager
    async def connect(
        self, _where: object, *, client_id: str, will: Will | None = None, **options: Any
    ) -> AsyncIterator[Connection]:
        """Stand for `runtime.mqtt.connect`."""
        process = HERE.get()
        assert process is not None
        line = self.lines[process.name]
        await asyncio.sleep(self.dice.uniform(*line.delay))
        if line.cut:
            await asyncio.sleep(_CONNECT_WITHIN)
            raise BrokerLost("no answer")
        if not self.up:
            raise BrokerLost("connection refused")
        if before := self._clients.get(client_id):
            self.counts["taken over"] += 1
            self._drop(before)
        connection = Connection(self, line, client_id, will, options)
        self._clients[client_id] = connection
        process.at_death.append(lambda: self._drop(connection))
        try:
            yield connection
        finally:
            connection.will = None if not connection.lost else connection.will
            self._drop(connection)

    def take(
        self, sender: Connection, number: int, topic: str, payload: bytes, *, retain: bool
    ) -> None:
        """Take what a client published, and say so: from here on only memory has it."""
        if not self.up:
            return
        for hear in self.said:
            hear(topic, payload)
        anybody = self._route(topic, payload, retain)
        sender.down.send(lambda: sender.confirmed(number, anybody))

    def stranger(self, topic: str, payload: bytes) -> None:
        """Publish as somebody who is nobody's gateway."""
        self._route(topic, payload, retain=False)

    def _route(self, topic: str, payload: bytes, retain: bool) -> bool:
        if retain:
            self.retained[topic] = payload
        shared: list[Connection] = []
        plain: list[Connection] = []
        for client in self._clients.values():
            if any(_fits(each.partition("/bridge/")[2], topic) for each in client.filters):
                shared.append(client)
            elif any(_fits(each, topic) for each in client.filters):
                plain.append(client)
        for client in [*plain, *([self.dice.choice(shared)] if shared else [])]:
            self._pass_on(client, topic, payload)
        return bool(shared or plain)

    def _pass_on(self, client: Connection, topic: str, payload: bytes) -> None:
        if not topic.endswith("/tx"):
            client.deliver(topic, payload, retain=False)
            return
        if self.twice:
            self.twice -= 1
            self.counts["twice"] += 1
            late = self.dice.uniform(0.0, 5.0)
            self.loop.call_later(late, self._once_more, client, topic, payload, context=_OUTSIDE)
        if self.shuffled:
            self.shuffled -= 1
            self.counts["overtaken"] += 1
            late = self.dice.uniform(0.0, 2.0)
            self.loop.call_later(late, self._once_more, client, topic, payload, context=_OUTSIDE)
            return
        client.deliver(topic, payload, retain=False)

    def _once_more(self, client: Connection, topic: str, payload: bytes) -> None:
        if self._clients.get(client.client_id) is client:
            client.deliver(topic, payload, retain=False)

    def remind(self, client: Connection, topic: str) -> None:
        """Send the retained messages of a new subscription."""
        for known, payload in self.retained.items():
            if payload and _fits(topic, known):
                client.deliver(known, payload, retain=True)

    def _drop(self, client: Connection) -> None:
        """End one connection; what was queued for it is gone with it."""
        if self._clients.get(client.client_id) is client:
            del self._clients[client.client_id]
            self.counts["lost"] += len(client.queue) + len(client.unacknowledged)
            if client.will is not None and self.up:
                self._route(client.will.topic, client.will.payload.encode(), client.will.retain)
        client.end()

    def forget_queues(self) -> None:
        """Lose what was acknowledged and not yet delivered, without a word."""
        for client in self._clients.values():
            self.counts["forgotten"] += len(client.queue)
            client.queue.clear()

    def die(self) -> None:
        """End at once, with every session, queue and retained message."""
        self.up = False
        for client in list(self._clients.values()):
            self.counts["forgotten"] += len(client.queue)
            client.will = None
            self._drop(client)
        self.retained.clear()

    def give_up(self, line: Line) -> None:
        """Find that nothing comes over `line` any more."""
        for client in list(self._clients.values()):
            if client.line is line:
                self._drop(client)


def _fits(pattern: str, topic: str) -> bool:
    wanted, levels = pattern.split("/"), topic.split("/")
    if wanted[-1] == "#":
        return all(
            want in {"+", level} for want, level in zip(wanted[:-1], levels, strict=False)
        ) and len(levels) >= len(wanted)
    return len(wanted) == len(levels) and all(
        want in {"+", level} for want, level in zip(wanted, levels, strict=True)
    )
