"""Tells gateways what is newest, and sends the pages they ask for, each to its own branch only.

A gateway has one question open at most: a newer one takes the place of an older one. Pages go one
after the other, gateways taking turns, no faster than is set.
"""

import asyncio
import logging
from collections import OrderedDict
from typing import NoReturn

from pydantic import ValidationError

from bridge.errors import LedgerFailed
from bridge.metrics import Metrics
from bridge.reference.booked import Booked
from bridge.reference.copy import Copy, CopyFailed
from contract.reference import Ask, Newest
from contract.topics import ALL_ASKS, SHARED_ASKS, Topics, owner
from runtime.clock import Clock
from runtime.logs import event
from runtime.manners import Manners, returning
from runtime.mqtt import (
    Broker,
    BrokerLost,
    Connection,
    Message,
    PublishRefused,
    connect,
)

log = logging.getLogger(__name__)

MAX_ASK = 1_000
"""Bytes of a question: it is a name and a number."""
MAX_WAITING = 1_000
"""Gateways with a question open; of more the newest wait until they ask again."""
TELL_EVERY = 0.5
"""Seconds between two words on what is newest, at least."""
TOLD_A_SECOND = 100
"""Gateways told in a second: 200 of them are told within two."""
CONFIRM_WITHIN = 30.0
"""Seconds a broker may take to confirm before the connection counts as lost."""


class Server:
    """The bridge at the broker, as far as reference data goes; a connection of its own."""

    def __init__(
        self,
        copy: Copy,
        booked: Booked,
        broker: Broker,
        *,
        client_id: str,
        metrics: Metrics,
        pages_per_second: float = 40.0,
    ) -> None:
        """Take what it works with.

        Args:
            copy: to serve.
            booked: of the ledger, which knows every gateway that ever sent a row.
            broker: where.
            client_id: who it is to the broker.
            metrics: to count in.
            pages_per_second: sent at most, to all gateways together.
        """
        self._copy = copy
        self._booked = booked
        self._broker = broker
        self._client_id = client_id
        self._metrics = metrics
        self._pause = 1.0 / pages_per_second
        self._clock = Clock()
        self._manners = Manners(self._clock.monotonic, broker.fleet)
        self._asked: OrderedDict[tuple[str, str], Ask] = OrderedDict()
        self._question = asyncio.Event()
        self._news = asyncio.Event()
        self._sites: dict[str, str] = {}
        self._told: dict[str, Newest] = {}
        self._said = ""
        self.connected = False
        """Whether the broker is there."""

    def tell(self) -> None:
        """Let gateways know soon that there is something new."""
        self._news.set()

    async def run(self) -> NoReturn:
        """Serve until cancelled; connect again whenever that is needed."""
        expected = (BrokerLost, CopyFailed, LedgerFailed)
        await returning(self._session, self._manners, self._ended, expected)

    def _ended(self, why: Exception, wait: float) -> None:
        if str(why) != self._said:
            self._said = str(why)
            retry = round(wait, 2)
            event(
                log, logging.WARNING, "reference data is not served", why=str(why), retry_in_s=retry
            )

    async def _session(self) -> None:
        async with connect(self._broker, client_id=self._client_id) as connection:
            self._manners.connected()
            await connection.subscribe(SHARED_ASKS if connection.protocol == "5" else ALL_ASKS)
            self._asked.clear()
            self._told.clear()  # the broker may have forgotten
            self._news.set()
            self.connected, self._said = True, ""
            try:
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(self._listen(connection), name="hear what gateways ask")
                    tasks.create_task(self._answer(connection), name="send pages")
                    tasks.create_task(self._announce(connection), name="tell what is newest")
            finally:
                self.connected = False

    async def _listen(self, connection: Connection) -> NoReturn:
        while True:
            for message in await connection.receive():
                self._hear(message)

    def _hear(self, message: Message) -> None:
        whose = owner(message.topic)
        if whose is None or len(message.payload) > MAX_ASK or message.retain:
            return
        try:
            ask = Ask.model_validate_json(message.payload)
        except ValidationError:
            event(log, logging.WARNING, "a question cannot be read", topic=message.topic)
            return
        if whose in self._asked or len(self._asked) < MAX_WAITING:
            self._asked[whose] = ask
            self._question.set()

    async def _answer(self, connection: Connection) -> NoReturn:
        while True:
            await self._question.wait()
            if not self._asked:
                self._question.clear()
                continue
            (site, gateway), ask = self._asked.popitem(last=False)
            began = self._clock.monotonic()
            if self._sites.get(gateway) != site:
                await self._copy.heard(site, gateway)
                self._sites[gateway] = site
                self.tell()
            page = await self._copy.page(gateway, ask)
            await _sent(connection, Topics(site, gateway).page, page)
            self._metrics.count("reference_pages")
            self._metrics.count("reference_bytes", len(page.encode()))
            await asyncio.sleep(max(0.0, self._pause - (self._clock.monotonic() - began)))

    async def _announce(self, connection: Connection) -> NoReturn:
        while True:
            await self._news.wait()
            self._news.clear()
            sites = await self._copy.gateways()
            sites |= {stream.gateway: stream.site for stream in await self._booked.streams()}
            self._sites = sites
            newest = await self._copy.newest(sorted(sites))
            due = [name for name, word in newest.items() if self._told.get(name) != word]
            for start in range(0, len(due), 20):
                some = due[start : start + 20]
                await asyncio.gather(
                    *(
                        _sent(
                            connection,
                            Topics(sites[name], name).newest,
                            newest[name].model_dump_json(exclude_none=True),
                            retain=True,
                        )
                        for name in some
                    )
                )
                self._told |= {name: newest[name] for name in some}
                await asyncio.sleep(len(some) / TOLD_A_SECOND)
            await asyncio.sleep(TELL_EVERY)


async def _sent(connection: Connection, topic: str, text: str, *, retain: bool = False) -> None:
    """Publish, and wait for the broker's word: no more than one page is on its way."""
    try:
        async with asyncio.timeout(CONFIRM_WITHIN):
            await connection.publish(topic, text, retain=retain)
    except TimeoutError:
        raise BrokerLost(f"no confirmation within {CONFIRM_WITHIN:g} s") from None
    except PublishRefused as error:
        event(log, logging.ERROR, "the broker refuses reference data", topic=topic, why=str(error))
