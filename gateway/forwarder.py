"""From the outbox to the bridge: sends rows, believes only the bridge's word.

A PUBACK is flow control, not delivery: brokers lose acknowledged messages. A row is done when the
bridge's watermark has passed it. If the watermark stands still for too long, or the connection
was lost, sending starts again behind the watermark; the bridge ignores what it has.
"""

import asyncio
import contextlib
import logging
import random
from collections.abc import Callable, Coroutine

from pydantic import ValidationError

from contract.envelope import MAX_ENVELOPE, MAX_ROWS, Ack, seal
from contract.topics import Topics
from gateway.outbox import Outbox
from runtime.backoff import Backoff
from runtime.cancellation import apart
from runtime.clock import Clock
from runtime.logs import event
from runtime.mqtt import (
    Broker,
    BrokerLost,
    BrokerRefused,
    Connection,
    Message,
    PublishRefused,
    Will,
    connect,
)

log = logging.getLogger(__name__)

_WINDOW_ROWS = 2000  # rows sent ahead of the watermark: some envelopes' worth, a second of work
_ENVELOPES = 20  # envelopes the broker has not acknowledged; mosquitto's own default
_ENVELOPE_OVERHEAD = 1000 + MAX_ROWS * 100  # bytes around the bodies
_STABLE = 10.0  # seconds a connection must last before the back-off starts over
_KEEP_EVERY = 1.0  # seconds between two writes of the watermark: losing it costs a resend only

OnConnected = Callable[[Connection], Coroutine[None, None, None]]


class Forwarder:
    """Keeps the line to the bridge. `run` it as a task; read its attributes for display."""

    def __init__(
        self,
        outbox: Outbox,
        broker: Broker,
        topics: Topics,
        clock: Clock,
        *,
        ring: int = 10_000,
        stall: float = 2.0,
        stall_ceiling: float = 30.0,
    ) -> None:
        """Prepare the line.

        Args:
            outbox: whose rows to send.
            broker: where to.
            topics: of this gateway.
            clock: to measure with.
            ring: confirmed rows to keep for people to look at.
            stall: seconds without progress of the watermark before rows are sent again.
            stall_ceiling: what these grow to while there is no word.
        """
        self._outbox = outbox
        self._broker = broker
        self._topics = topics
        self._clock = clock
        self._ring = ring
        self._stall = stall
        self._stall_ceiling = stall_ceiling
        self._complaint = ""
        self.changed: Callable[[], None] = lambda: None
        """Called when something to display has changed."""
        self.connected = False
        self.refusal: str | None = None
        """What the broker said no to, until it says yes; a person has to act."""
        self.bridge_absent = False
        """The broker said that nobody is subscribed."""
        self.at_broker = outbox.standing.upto
        """The broker acknowledged every row to here; for display only."""
        self.resends = 0
        """How often sending went back to the watermark."""

    async def run(self, birth: str, will: str, serve: OnConnected) -> None:
        """Connect, send, and connect again, until cancelled.

        Args:
            birth: retained on the status topic once connected.
            will: what the status topic says when we are gone.
            serve: runs beside the sending for as long as a connection lasts.
        """
        backoff = Backoff(0.2, 30.0)
        while True:
            started = self._clock.monotonic()
            why = "closed"
            try:
                await apart(self._session(birth, will, serve))
            except* BrokerRefused as refused:
                self.refusal = why = str(refused.exceptions[0])
            except* BrokerLost as lost:
                why = str(lost.exceptions[0])
            self.connected = False
            self.changed()
            if self._clock.monotonic() - started > _STABLE:
                backoff.reset()
            wait = backoff.next()
            event(log, logging.WARNING, "broker lost", why=why, retry_in_s=round(wait, 2))
            await asyncio.sleep(wait)

    async def _session(self, birth: str, will: str, serve: OnConnected) -> None:
        async with connect(
            self._broker,
            client_id=f"scanpost-{self._topics.site}-{self._topics.gateway}",
            will=Will(self._topics.status, will),
        ) as connection:
            await connection.subscribe(self._topics.ack)
            connection.publish(self._topics.status, birth, retain=True)
            self.connected = True
            self.refusal = None
            self.changed()
            event(log, logging.INFO, "broker connected", protocol=connection.protocol)
            try:
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(self._listen(connection), name="listen to the bridge")
                    tasks.create_task(self._keep(), name="keep the watermark")
                    tasks.create_task(serve(connection), name="report state")
                    tasks.create_task(self._send(connection), name="send rows")
            finally:
                with contextlib.suppress(BrokerLost, PublishRefused, TimeoutError):
                    # A clean goodbye: the will is not spoken for who leaves on purpose.
                    async with asyncio.timeout(1):
                        await connection.publish(self._topics.status, will, retain=True)

    async def _send(self, connection: Connection) -> None:
        slots = asyncio.Semaphore(max(1, min(_ENVELOPES, connection.window)))
        stall = Backoff(self._stall, self._stall_ceiling)
        reach = self._stall
        progress = self._clock.monotonic()
        sent = upto = self._outbox.standing.upto
        while True:
            standing = self._outbox.standing
            if standing.conflict is not None:
                await self._wait_for_change(None)
                continue
            if standing.upto != upto or sent <= upto:
                # The bridge has spoken, or there is nothing it could speak of.
                upto = standing.upto
                sent = max(sent, upto)
                progress = self._clock.monotonic()
                stall.reset()
                reach = self._stall
            elif self._clock.monotonic() - progress > reach:
                self.resends += 1
                event(log, logging.WARNING, "no word from the bridge: sending again", upto=upto)
                sent = upto
                progress = self._clock.monotonic()
                reach = self._stall + stall.next()
            room = upto + _WINDOW_ROWS - sent
            if sent < standing.last and room > 0:
                sent = await self._send_some(connection, slots, sent, min(room, MAX_ROWS))
            else:
                await self._wait_for_change(reach if sent > upto else None)

    async def _send_some(
        self, connection: Connection, slots: asyncio.Semaphore, sent: int, limit: int
    ) -> int:
        rows = await self._outbox.after(sent, limit, MAX_ENVELOPE - _ENVELOPE_OVERHEAD)
        if not rows or rows[0].seq != sent + 1:
            raise RuntimeError(f"the outbox has a gap after seq {sent}")
        await slots.acquire()
        if connection.lost:
            raise BrokerLost("the connection ended")
        envelope = seal(
            self._topics.site,
            self._topics.gateway,
            self._outbox.standing.epoch,
            rows[0].seq,
            [row.body for row in rows],
            self._clock.utc(),
        )
        last = rows[-1].seq
        future = connection.publish(self._topics.tx, envelope)
        future.add_done_callback(lambda done: self._acknowledged(done, slots, last))
        return last

    def _acknowledged(
        self, done: asyncio.Future[bool], slots: asyncio.Semaphore, last: int
    ) -> None:
        slots.release()
        if done.cancelled():
            return
        before = (self.refusal, self.bridge_absent)
        error = done.exception()
        if isinstance(error, PublishRefused):
            self.refusal = f"publishing to {self._topics.tx}: {error}"
            event(log, logging.ERROR, "the broker refuses transactions", why=str(error))
        elif error is None:
            self.at_broker = max(self.at_broker, last)
            self.refusal = None
            self.bridge_absent = not done.result()
        if before != (self.refusal, self.bridge_absent):
            self.changed()

    async def _wait_for_change(self, within: float | None) -> None:
        """Wait for a new row or a word of the bridge; at most `within` seconds."""
        changed = self._outbox.changed
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within):
                await changed.wait()
        changed.clear()

    async def _listen(self, connection: Connection) -> None:
        async for message in connection.messages:
            self._hear(message)

    def _hear(self, message: Message) -> None:
        if len(message.payload) > MAX_ENVELOPE:
            self._complain("unreadable word on the ack topic", "too long")
            return
        try:
            ack = Ack.model_validate_json(message.payload)
        except ValidationError as error:
            self._complain("unreadable word on the ack topic", str(error.errors()[0]["msg"]))
            return
        standing = self._outbox.standing
        if ack.epoch != standing.epoch:
            return  # retained word about an earlier outbox file
        if ack.reach > standing.last:
            self._complain("the bridge has rows that this store never had", f"upto {ack.upto}")
        if self._outbox.confirm(ack):
            self.bridge_absent = False
            self.changed()

    def _complain(self, what: str, why: str) -> None:
        """Log once what may come again and again."""
        if (what + why) != self._complaint:
            self._complaint = what + why
            event(log, logging.WARNING, what, why=why)

    async def _keep(self) -> None:
        try:
            while True:
                await asyncio.sleep(_KEEP_EVERY + random.uniform(0, 0.1))  # noqa: S311
                await self._outbox.keep(self._ring)
        finally:
            await self._outbox.keep(self._ring)
