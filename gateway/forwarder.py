"""From the outbox to the bridge: sends rows, believes only the bridge's word.

A PUBACK is flow control, not delivery: brokers lose acknowledged messages. A row is done when the
bridge's watermark has passed it. If the watermark stands still for too long, or the connection
was lost, sending starts again behind the watermark; the bridge ignores what it has. Rows that were
booked go out once more when a person asks for it: after the bridge's ledger was restored.
"""

import asyncio
import contextlib
import logging
import random
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import NoReturn

from pydantic import ValidationError

from contract.envelope import MAX_ENVELOPE, MAX_ROWS, Ack, seal
from contract.topics import Topics
from gateway.errors import StoreDamaged
from gateway.outbox import Outbox
from gateway.rows import Row
from runtime.backoff import Backoff
from runtime.clock import Clock
from runtime.logs import event
from runtime.manners import Manners, returning
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
_AT_ONCE = 8_000  # bytes that are sent as soon as they are stored; a crowd is packed first
_ENVELOPES = 20  # envelopes the broker has not acknowledged; mosquitto's own default
_ENVELOPE_OVERHEAD = 1000 + MAX_ROWS * 100  # bytes around the bodies
_SAY_AGAIN = 300.0  # seconds until a reason that has not changed is logged again: logs wear cards
_GOODBYE_WITHIN = 0.5  # seconds for the last word: who stops us waits
_KEEP_EVERY = 1.0  # seconds between two writes of the watermark: losing it costs a resend only

MOST_AGAIN = 10_000
"""Booked rows that are sent once more by one order: as many as are kept, if not set otherwise."""

OnConnected = Callable[[Connection], Coroutine[None, None, None]]


class _Line:
    """What is under way over one connection. Times in seconds of the monotonic clock."""

    def __init__(
        self, connection: Connection, upto: int, clock: Clock, stall: Backoff, reach: float
    ) -> None:
        self.connection = connection
        self.sent = upto
        """Every row to here was published."""
        self.upto = upto
        """The watermark when it was looked at last."""
        self.progress = clock.monotonic()
        """When the watermark moved last, or there was nothing it could pass."""
        self.reach = reach
        """Seconds that the bridge may be silent before it is sent the same again."""
        self.words_behind = 0
        """Words of the bridge that the listener has yet to take."""
        self.under_way = 0
        """Envelopes the broker has not acknowledged."""
        self.most = max(1, min(_ENVELOPES, connection.window))
        self._clock = clock
        self._shortest = reach
        self._longer = stall
        self._late: asyncio.TimerHandle | None = None

    def look(self, upto: int, late: Callable[[], None]) -> bool:
        """See how far the bridge is; False if it was silent for too long: then send again.

        Args:
            upto: the watermark.
            late: called when it is time to look again, if the bridge owes a word.
        """
        now = self._clock.monotonic()
        in_time = True
        if upto != self.upto or self.sent <= upto:
            self._move_on(upto, now)
        elif now - self.progress > self.reach:
            in_time = False
            self.sent = upto
            self.progress = now
            self.reach = self._shortest + self._longer.next()
            self.rest()
        self.watch(late)
        return in_time

    def _move_on(self, upto: int, now: float) -> None:
        self.upto = upto
        self.sent = max(self.sent, upto)
        self.progress = now
        if self.sent == upto and self.reach != self._shortest:
            # Not before: a bridge that is slow would get what it has again and again, and become
            # slower by it.
            self._longer.reset()
            self.reach = self._shortest
            self.rest()

    def send(self, last: int, late: Callable[[], None]) -> None:
        """Take note that every row to `last` was published."""
        if self.sent == self.upto:
            self.progress = self._clock.monotonic()
        self.sent = last
        self.watch(late)

    def watch(self, late: Callable[[], None]) -> None:
        """Have `late` called when the bridge may have been silent for too long.

        One timer for many rows: it is not taken back when the bridge speaks in time.
        """
        if self._late is None and self.sent > self.upto:
            wait = max(0.0, self.progress + self.reach - self._clock.monotonic())
            self._late = asyncio.get_running_loop().call_later(wait, self._over, late)

    def _over(self, late: Callable[[], None]) -> None:
        self._late = None
        late()

    def rest(self) -> None:
        """Wake nobody for being late."""
        if self._late is not None:
            self._late.cancel()
            self._late = None


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
        outbox.sent_at_once = self.send_at_once
        self._broker = broker
        self._topics = topics
        self._clock = clock
        self._ring = ring
        self._stall = stall
        self._stall_ceiling = stall_ceiling
        self._complaint = ""
        self._lost_because = ""
        self._said_at = 0.0
        self._again: tuple[int, int] | None = None
        self._line: _Line | None = None
        self._tx, self._ack = topics.tx, topics.ack
        self.changed: Callable[[], None] = lambda: None
        """Called when something to display has changed."""
        self.overhear: Callable[[Message], None] = lambda _: None
        """Called with each message on a topic that is not the forwarder's own."""
        self.manners = Manners(clock.monotonic, broker.fleet)
        """How it comes back; knows whether another one uses its name."""
        self.connected = False
        self.refusal: str | None = None
        """What the broker said no to, until it says yes; a person has to act."""
        self.bridge_absent = False
        """The broker said that nobody is subscribed."""
        self.at_broker = outbox.standing.upto
        """The broker acknowledged every row to here; for display only."""
        self.resends = 0
        """How often sending went back to the watermark."""

    async def run(self, birth: str, will: str, serve: OnConnected) -> NoReturn:
        """Connect, send, and connect again, until cancelled.

        Args:
            birth: retained on the status topic once connected.
            will: what the status topic says when we are gone.
            serve: runs beside the sending for as long as a connection lasts.
        """
        await returning(lambda: self._session(birth, will, serve), self.manners, self._ended)

    def _ended(self, why: Exception, wait: float) -> None:
        said = str(why)
        if isinstance(why, BrokerRefused):
            self.refusal = said
        self.connected = False
        self.changed()
        now = self._clock.monotonic()
        if said != self._lost_because or now - self._said_at > _SAY_AGAIN:
            self._lost_because, self._said_at = said, now
            event(log, logging.WARNING, "broker lost", why=said, retry_in_s=round(wait, 2))
        if self.manners.taken_over:
            todo = "two gateways have one name: rename one of them, or stop it"
            event(log, logging.ERROR, "session taken over", todo=todo, retry_in_s=round(wait))

    def send_again(self, first: int) -> tuple[int, int] | None:
        """Send booked rows once more, as soon as there is a connection.

        The bridge ignores what it has.

        Args:
            first: seq to begin at, and to the watermark; at most `MOST_AGAIN` rows.

        Returns:
            First and last seq that will be sent as far as they are still kept; None if there are
            none, or if the stream is stopped by a conflict.
        """
        upto = self._outbox.standing.upto
        first = max(first, upto - MOST_AGAIN + 1, 1)
        if first > upto or self._outbox.standing.conflict is not None:
            return None
        if self._again is not None:
            first = min(first, self._again[0])
        self._again = (first, upto)
        self._outbox.changed.set()
        event(log, logging.WARNING, "sending booked rows again", first=first, last=upto)
        return self._again

    async def _session(self, birth: str, will: str, serve: OnConnected) -> None:
        async with connect(
            self._broker,
            client_id=f"scanpost-{self._topics.site}-{self._topics.gateway}",
            will=Will(self._topics.status, will),
        ) as connection:
            self.manners.connected()
            line = self._new_line(connection)
            # At QoS 0: each word says all that the ones before it said, and a lost one is asked for
            # by sending again. A PUBACK for each would cost as much as reading the word.
            await connection.subscribe(self._ack, qos=0)
            with contextlib.suppress(BrokerRefused):
                # What another one of our name says there gives it away.
                await connection.subscribe(self._topics.status)
            connection.publish(self._topics.status, birth, retain=True)
            self.connected = True
            self.refusal = None
            self._lost_because = ""
            self.changed()
            event(log, logging.INFO, "broker connected", protocol=connection.protocol)
            try:
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(self._listen(line), name="listen to the bridge")
                    tasks.create_task(self._keep(), name="keep the watermark")
                    tasks.create_task(serve(connection), name="report state")
                    tasks.create_task(self._send(line), name="send rows")
            finally:
                with contextlib.suppress(BrokerLost, PublishRefused, TimeoutError):
                    # A clean goodbye: the will is not spoken for who leaves on purpose.
                    async with asyncio.timeout(_GOODBYE_WITHIN):
                        await connection.publish(self._topics.status, will, retain=True)

    def _new_line(self, connection: Connection) -> _Line:
        stall = Backoff(self._stall, self._stall_ceiling)
        line = _Line(connection, self._outbox.standing.upto, self._clock, stall, self._stall)
        connection.hear_with(partial(self._hear_at_once, line))
        return line

    async def _send(self, line: _Line) -> None:
        self._line = line
        try:
            while True:
                await self._send_what_there_is(line)
        finally:
            self._line = None
            line.rest()

    async def _send_what_there_is(self, line: _Line) -> None:
        """Send one envelope, or wait for something to send or a reason to send again."""
        standing = self._outbox.standing
        if standing.conflict is not None:
            line.rest()
            await self._wait_for_change()
            return
        self._look_at_the_watermark(line)
        room = line.upto + _WINDOW_ROWS - line.sent
        if line.under_way >= line.most:
            await self._wait_for_change()
        elif line.sent < standing.last and room > 0:
            await self._send_some(line, min(room, MAX_ROWS))
        elif self._again is not None:
            await self._send_booked(line, *self._again)
        else:
            await self._wait_for_change()

    def _look_at_the_watermark(self, line: _Line) -> None:
        """See how far the bridge is, and go back to there if it is silent for too long."""
        upto = self._outbox.standing.upto
        if not line.look(upto, self._outbox.changed.set):
            self.resends += 1
            event(log, logging.WARNING, "no word from the bridge: sending again", upto=upto)

    def send_at_once(self, rows: Sequence[Row]) -> bool:
        """Publish rows that were stored just now, if nothing stands before them.

        The task that sends would do the same two turns of the loop later.

        Args:
            rows: the newest of the outbox.

        Returns:
            Whether they are on their way; else the task must be woken.
        """
        line = self._line
        if (
            line is None
            or line.sent + 1 != rows[0].seq
            or line.under_way >= line.most
            or len(rows) > line.upto + _WINDOW_ROWS - line.sent
            or (len(rows) > 1 and _octets_at_most(rows) > _AT_ONCE)
            or self._outbox.standing.conflict is not None
            or line.connection.lost
        ):
            return False
        self._publish(line, rows)
        line.send(rows[-1].seq, self._outbox.changed.set)
        return True

    async def _send_some(self, line: _Line, limit: int) -> None:
        sent = line.sent
        rows = await self._outbox.after(sent, limit, MAX_ENVELOPE - _ENVELOPE_OVERHEAD)
        if not rows or rows[0].seq != sent + 1:
            raise RuntimeError(f"the outbox has a gap after seq {sent}")
        if line.sent == sent:
            self._publish(line, rows)
            line.send(rows[-1].seq, self._outbox.changed.set)

    async def _send_booked(self, line: _Line, first: int, last: int) -> None:
        """Send one envelope of what a person asked for; live rows come between them."""
        limit = min(MAX_ROWS, last - first + 1)
        try:
            rows = await self._outbox.after(first - 1, limit, MAX_ENVELOPE - _ENVELOPE_OVERHEAD)
        except StoreDamaged as damage:
            # The bridge has it undamaged: no reason to stop taking scans.
            event(log, logging.ERROR, "a booked row cannot be sent again", why=str(damage))
            self._again = None
            return
        # Rows that are no longer kept are missing at the front, never in between.
        rows = [row for row in rows if row.seq <= last]
        if rows:
            self._publish(line, rows)
        sent = rows[-1].seq if rows else last
        if self._again == (first, last):  # or else it was asked for more meanwhile
            self._again = (sent + 1, last) if sent < last else None

    def _publish(self, line: _Line, rows: Sequence[Row]) -> None:
        if line.connection.lost:
            raise BrokerLost("the connection ended")
        envelope = seal(
            self._topics.site,
            self._topics.gateway,
            self._outbox.standing.epoch,
            rows[0].seq,
            [row.body for row in rows],
            self._clock.utc(),
            [row.digest for row in rows],
        )
        line.under_way += 1
        told = partial(self._acknowledged, line, rows[-1].seq)
        line.connection.send(self._tx, envelope.encode(), told)

    def _acknowledged(self, line: _Line, last: int, anybody: bool, error: Exception | None) -> None:
        if line.under_way == line.most:
            self._outbox.changed.set()
        line.under_way -= 1
        before = (self.refusal, self.bridge_absent)
        if isinstance(error, PublishRefused):
            self.refusal = f"publishing to {self._tx}: {error}"
            event(log, logging.ERROR, "the broker refuses transactions", why=str(error))
        elif error is None:
            self.at_broker = max(self.at_broker, last)
            self.refusal = None
            self.bridge_absent = not anybody
        if before != (self.refusal, self.bridge_absent):
            self.changed()

    async def _wait_for_change(self) -> None:
        """Wait for a new row, a word of the bridge, room at the broker, or too long a silence."""
        changed = self._outbox.changed
        await changed.wait()
        changed.clear()

    def _hear_at_once(self, line: _Line, message: Message) -> bool:
        """Take the bridge's word while it is read, if that needs no look at the disk.

        Returns:
            Whether it is taken; else the listener takes it.
        """
        if message.topic != self._ack:
            return False
        # In their order: a word that is read later may take back what an earlier one said.
        ack = None if line.words_behind else self._word(message)
        agrees = None if ack is None else self._outbox.agrees_from_memory(ack)
        if ack is None or agrees is None:
            line.words_behind += 1
            return False
        self._take_word(ack, agrees)
        return True

    async def _listen(self, line: _Line) -> None:
        async for message in line.connection.messages:
            if message.topic == self._ack:
                await self._hear(message)
                line.words_behind -= 1
            elif message.topic == self._topics.status:
                self.manners.overhear(message.payload)
            else:
                self.overhear(message)

    async def _hear(self, message: Message) -> None:
        ack = self._word(message)
        if ack is not None:
            self._take_word(ack, await self._outbox.agrees(ack))

    def _word(self, message: Message) -> Ack | None:
        """Return what the bridge says of this stream; None where there is nothing to it."""
        self.manners.share(message.about.get("fleet"))
        if len(message.payload) > MAX_ENVELOPE:
            self._complain("unreadable word on the ack topic", "too long")
            return None
        try:
            ack = Ack.model_validate_json(message.payload)
        except ValidationError as error:
            self._complain("unreadable word on the ack topic", str(error.errors()[0]["msg"]))
            return None
        # Another epoch: a retained word about an earlier outbox file.
        return ack if ack.epoch == self._outbox.standing.epoch else None

    def _take_word(self, ack: Ack, agrees: bool) -> None:
        if ack.reach > self._outbox.standing.last:
            self._complain("the bridge has rows that this store never had", f"upto {ack.upto}")
        if not agrees:
            self._complain("the bridge has another row", f"seq {ack.upto}")
            ack = Ack(epoch=ack.epoch, upto=0, conflict=ack.upto)
        if self._outbox.confirm(ack):
            self.bridge_absent = False
            self._go_on()
            self.changed()

    def _go_on(self) -> None:
        """Do what the bridge's word is a reason for: mostly nothing is left to send."""
        line, standing = self._line, self._outbox.standing
        if line is not None and standing.conflict is None and line.sent == standing.last:
            self._look_at_the_watermark(line)
            if line.sent == standing.last:
                return
        self._outbox.changed.set()

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


def _octets_at_most(rows: Sequence[Row]) -> int:
    """Return the bytes of the bodies, or somewhat more: a character has four at most."""
    return sum(4 * len(row.body) for row in rows)
