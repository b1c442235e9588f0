"""Broker to ledger and back: an envelope is committed, then acknowledged, then answered.

What the broker holds is never trusted: a gateway sends again whatever the last `Ack` does not
cover, so a lost message, a lost ack and a broker that forgets all heal by themselves.
"""

import asyncio
import contextlib
import logging
from collections import Counter
from importlib.metadata import version
from typing import NoReturn
from uuid import UUID

from bridge.errors import LedgerFailed
from bridge.inspection import Poison, unpack
from bridge.ledger import Ledger
from bridge.metrics import Metrics
from contract.canonical import canonical
from contract.envelope import Rows
from contract.topics import ALL_TRANSACTIONS, SHARED_TRANSACTIONS, Topics
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

SLICE = 8
"""Messages in one ledger transaction: at most 800 rows, whose reading blocks for some 50 ms."""
WINDOW = 20
"""Acks sent before the first is confirmed, where the broker allows as many."""
ANSWERS_APART = 0.25
"""Seconds between two answers to one stream; the first scan after a pause is answered at once. An
answer costs the ledger a look, and a gateway a tenth of what the whole scan costs it."""
ENOUGH = 100
"""Rows since the last answer that are answered at once: a full envelope. A gateway waits for one
when it is 2,000 ahead."""
PROGRESS_EVERY = 0.5
"""Seconds between two acks that only tell of posting."""
CONFIRM_WITHIN = 30.0
"""Seconds a broker may take to confirm an ack before it counts as lost."""
GOODBYE_WITHIN = 0.5
"""Seconds for the last word when stopping."""
SAY_AGAIN = 300.0
"""Seconds until a reason that has not changed is logged again."""


class Consumer:
    """One bridge at the broker."""

    def __init__(
        self, ledger: Ledger, broker: Broker, *, site: str, name: str, metrics: Metrics
    ) -> None:
        """Take what it works with.

        Args:
            ledger: open.
            broker: where.
            site: of this bridge; gateways of every site are served.
            name: of this bridge at its site.
            metrics: to count in.
        """
        self._ledger = ledger
        self._broker = broker
        self._client_id = f"bridge-{site}-{name}"
        self._status = Topics(site, f"bridge-{name}").status
        self._metrics = metrics
        self._clock = Clock()
        self._owed = _Owed(self._clock)
        self._newest: dict[str, UUID] = {}
        """The stream heard last of each gateway."""
        self._gateways: set[str] = set()
        self._lost_because = ""
        self._said_at = 0.0
        self.manners = Manners(self._clock.monotonic, broker.fleet)
        """How it comes back; knows whether another one uses its name."""
        self.connected = False
        """Whether the broker is there."""

    def progress(self, gateway: str, epoch: UUID) -> None:
        """Tell the gateway soon how far its stream is posted.

        A later stream of it may hold the same rows again, and be as far as they are.
        """
        self._owed.soon(gateway, epoch)
        newest = self._newest.get(gateway, epoch)
        if newest != epoch:
            self._owed.soon(gateway, newest)

    async def run(self) -> NoReturn:
        """Consume until cancelled; connect again whenever that is needed."""
        await returning(self._session, self.manners, self._ended, (BrokerLost, LedgerFailed))

    def _ended(self, why: Exception, wait: float) -> None:
        said = str(why)
        if isinstance(why, LedgerFailed):
            # Nothing was acknowledged: it comes again.
            self._metrics.count("ledger_failures")
            event(log, logging.ERROR, "ledger failed", why=said)
            return
        now = self._clock.monotonic()
        if said != self._lost_because or now - self._said_at > SAY_AGAIN:
            self._lost_because, self._said_at = said, now
            event(log, logging.WARNING, "broker lost", why=said, retry_in_s=round(wait, 2))
        if self.manners.taken_over:
            todo = "two bridges have one name: rename one of them, or stop it"
            event(log, logging.ERROR, "session taken over", todo=todo, retry_in_s=round(wait))

    async def _session(self) -> None:
        will = Will(self._status, self._gone)
        async with connect(
            self._broker, client_id=self._client_id, will=will, manual_ack=True
        ) as connection:
            self.manners.connected()
            with contextlib.suppress(BrokerRefused):
                # What another one of our name says there gives it away.
                await connection.subscribe(self._status)
            shared = connection.protocol == "5"
            await connection.subscribe(SHARED_TRANSACTIONS if shared else ALL_TRANSACTIONS)
            for gateway, epoch in await self._ledger.recent_streams():
                self._heard_of(gateway)
                self._newest[gateway] = epoch
                self._owed.now(gateway, epoch)  # the broker may have forgotten what it was told
            birth = {
                "online": True,
                "since": self._clock.utc().isoformat(),
                "version": version("scanpost"),
                "speaker": self.manners.name,
            }
            connection.publish(self._status, canonical(birth), retain=True).add_done_callback(
                self._born
            )
            self._show(True)
            self._lost_because = ""
            event(log, logging.INFO, "connected", broker=self._broker.url, shared=shared)
            try:
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(self._receive(connection), name="receive")
                    tasks.create_task(self._answer(connection), name="answer")
            finally:
                self._show(False)
                await self._say_goodbye(connection)

    def _show(self, connected: bool) -> None:
        self.connected = connected
        self._metrics.set("broker_connected", connected)
        if connected:
            self._metrics.count("broker_connections")

    def _born(self, done: asyncio.Future[bool]) -> None:
        if not done.cancelled() and isinstance(done.exception(), PublishRefused):
            why = "the broker's access rules forbid it; everything else works"
            event(log, logging.WARNING, "own status is not shown", topic=self._status, why=why)

    @property
    def _gone(self) -> str:
        return canonical({"online": False, "speaker": self.manners.name})

    def _heard_of(self, gateway: str) -> None:
        """Count gateways: each is told how many there are, and comes back the slower for it."""
        self._gateways.add(gateway)
        self.manners.share(str(len(self._gateways)))

    async def _say_goodbye(self, connection: Connection) -> None:
        with contextlib.suppress(TimeoutError, BrokerLost, PublishRefused):
            async with asyncio.timeout(GOODBYE_WITHIN):
                await connection.publish(self._status, self._gone, retain=True)

    async def _receive(self, connection: Connection) -> NoReturn:
        while True:
            messages = self._sift(connection, await connection.receive())
            for start in range(0, len(messages), SLICE):
                await self._take(connection, messages[start : start + SLICE])

    def _sift(self, connection: Connection, messages: list[Message]) -> list[Message]:
        """Hear what is said on our own status topic, and return the rest."""
        for message in messages:
            if message.topic == self._status:
                self.manners.overhear(message.payload)
                connection.ack(message)
        return [message for message in messages if message.topic != self._status]

    async def _take(self, connection: Connection, messages: list[Message]) -> None:
        """Commit what these say, then acknowledge them."""
        envelopes: list[Rows] = []
        for message in messages:
            match unpack(message.topic, message.payload):
                case Poison(reason):
                    await self._quarantine(message, reason)
                case rows:
                    envelopes.append(rows)
        if envelopes:
            await self._ledger.apply(*envelopes)
            self._metrics.count("envelopes_received", len(envelopes))
            self._metrics.count("rows_received", sum(len(rows.rows) for rows in envelopes))
        for message in messages:
            connection.ack(message)
        for rows in envelopes:
            self._heard_of(rows.gateway)
            self._newest[rows.gateway] = rows.epoch
            self._owed.heard(rows.gateway, rows.epoch, len(rows.rows))

    async def _quarantine(self, message: Message, reason: str) -> None:
        """Keep what can never be read, and let it pass: nobody could ever acknowledge it."""
        self._metrics.count("messages_poisoned")
        event(
            log,
            logging.ERROR,
            "a message cannot be read",
            topic=message.topic,
            bytes=len(message.payload),
            why=reason,
        )
        await self._ledger.quarantine(message.topic, message.payload, reason)

    async def _answer(self, connection: Connection) -> NoReturn:
        """Publish what is owed; while the broker confirms, newer words replace older ones."""
        while True:
            owed = await self._owed.due(min(WINDOW, connection.window))
            sent = []
            for gateway, epoch in owed:
                word = await self._ledger.word(gateway, epoch)
                topic = Topics(word.site, gateway).ack
                text = word.ack.model_dump_json()
                fleet = {"fleet": str(len(self._gateways))}
                # Another stream's word must not stand where that of the one in use belongs.
                sent.append(connection.publish(topic, text, retain=word.current, about=fleet))
            try:
                async with asyncio.timeout(CONFIRM_WITHIN):
                    results = await asyncio.gather(*sent, return_exceptions=True)
            except TimeoutError:
                raise BrokerLost(f"no confirmation within {CONFIRM_WITHIN:g} s") from None
            self._confirmed(results)

    def _confirmed(self, results: list[bool | BaseException]) -> None:
        for result in results:
            if isinstance(result, PublishRefused):
                event(log, logging.ERROR, "the broker refuses an ack", why=str(result))
            elif isinstance(result, BaseException):
                raise result
            else:
                self._metrics.count("acks_published")


class _Owed:
    """Streams whose gateways are owed a word, and when at the earliest."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._when: dict[tuple[str, UUID], float] = {}
        self._told: dict[tuple[str, UUID], float] = {}
        self._rows: Counter[tuple[str, UUID]] = Counter()
        """How many came since the last word."""
        self._bell = asyncio.Event()

    def now(self, gateway: str, epoch: UUID) -> None:
        """Owe a word at once."""
        self._when[gateway, epoch] = 0.0
        self._bell.set()

    def heard(self, gateway: str, epoch: UUID, rows: int) -> None:
        """Owe a word: the gateway has sent something."""
        stream = (gateway, epoch)
        self._rows[stream] += rows
        if self._rows[stream] >= ENOUGH:
            self.now(gateway, epoch)
            return
        at = self._told.get(stream, 0.0) + ANSWERS_APART
        self._when[stream] = min(at, self._when.get(stream, at))
        self._bell.set()

    def soon(self, gateway: str, epoch: UUID) -> None:
        """Owe a word, but not sooner than `PROGRESS_EVERY` after the last."""
        stream = (gateway, epoch)
        if stream not in self._when:
            self._when[stream] = self._told.get(stream, 0.0) + PROGRESS_EVERY
            self._bell.set()

    async def due(self, limit: int) -> list[tuple[str, UUID]]:
        """Wait for words that are due, and return up to `limit`: gateway and epoch."""
        while True:
            now = self._clock.monotonic()
            self._bell.clear()
            ready = sorted((when, stream) for stream, when in self._when.items() if when <= now)[
                :limit
            ]
            if ready:
                self._told = {
                    stream: told
                    for stream, told in self._told.items()
                    if now - told < PROGRESS_EVERY
                } | {stream: now for _, stream in ready}
                for _, stream in ready:
                    del self._when[stream]
                    del self._rows[stream]
                return [stream for _, stream in ready]
            pause = min(self._when.values(), default=now + 60.0) - now
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._bell.wait()
