"""Answers what is asked over MQTT: one after the other, about this gateway only.

A command changes nothing that is stored. The worst that a stranger who may write to `cmd/` can do
is to have rows sent that the bridge then ignores.
"""

import asyncio
import contextlib
import logging
from typing import NoReturn, assert_never

from pydantic import ValidationError

from contract.commands import (
    MAX_COMMAND,
    Ping,
    Place,
    Pong,
    Resending,
    ResendRecent,
    Response,
    Where,
    command_adapter,
)
from contract.topics import Topics
from gateway.errors import StoreDamaged
from gateway.forwarder import Forwarder
from gateway.outbox import Outbox
from gateway.whereabouts import REACH, Whereabout, Whereabouts
from runtime.logs import event
from runtime.mqtt import BrokerRefused, Connection, Message

log = logging.getLogger(__name__)

_WAITING = 8  # commands that wait for the one before: a person asks one at a time
_RESPONSE_EXPIRY = 60  # seconds: who asked has given up by then

Asked = Ping | ResendRecent | Where


class Commands:
    """Hears commands and answers them. `serve` runs for as long as a connection lasts."""

    def __init__(
        self,
        topics: Topics,
        version: str,
        outbox: Outbox,
        forwarder: Forwarder,
        whereabouts: Whereabouts,
    ) -> None:
        self._topics = topics
        self._version = version
        self._outbox = outbox
        self._forwarder = forwarder
        self._whereabouts = whereabouts
        self._waiting: asyncio.Queue[tuple[Asked, bytes | None]] = asyncio.Queue(_WAITING)
        self._complaint = ""

    def hear(self, message: Message) -> None:
        """Take what came in on a topic; what is no command for us is dropped, and said."""
        asked = self._read(message)
        if isinstance(asked, str):
            self._complain(message.topic, asked)
            return
        try:
            self._waiting.put_nowait((asked, message.correlation))
        except asyncio.QueueFull:
            self._complain(message.topic, "too many at once")

    def _complain(self, topic: str, why: str) -> None:
        """Log once what a stranger may send for ever."""
        if why != self._complaint:
            self._complaint = why
            event(log, logging.WARNING, "a command is dropped", topic=topic, why=why)

    def _read(self, message: Message) -> Asked | str:
        """Return the command, or why it is none."""
        if message.retain:
            return "it is retained, and would come again at each connection"
        if len(message.payload) > MAX_COMMAND:
            return "it is too long"
        try:
            asked = command_adapter.validate_json(message.payload)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"[:200]
        if message.topic != self._topics.command(asked.command):
            return "it says another command than its topic"
        allowed = {None, self._topics.response(asked.cid)}
        if not {asked.reply_to, message.reply_to} <= allowed:
            return "its answer would go elsewhere than to rsp/ and its cid in our own topics"
        return asked

    async def serve(self, connection: Connection) -> NoReturn:
        """Subscribe and answer."""
        with contextlib.suppress(BrokerRefused):
            # Without: everything else works.
            await connection.subscribe(self._topics.command("+"))
        while True:
            asked, correlation = await self._waiting.get()
            response = await self._answer(asked)
            connection.publish(
                self._topics.response(asked.cid),
                response.model_dump_json(exclude_none=True),
                expiry=_RESPONSE_EXPIRY,
                correlation=correlation,
            )

    async def _answer(self, asked: Asked) -> Response:
        event(log, logging.INFO, "command", command=asked.command, cid=asked.cid)
        match asked:
            case Ping():
                return self._response(asked, pong=self._pong())
            case ResendRecent():
                return self._send_again(asked)
            case Where():
                return await self._where(asked)
            case _:
                assert_never(asked)

    def _response(
        self,
        asked: Asked,
        *,
        error: str | None = None,
        pong: Pong | None = None,
        resending: Resending | None = None,
        place: Place | None = None,
    ) -> Response:
        return Response(
            cid=asked.cid,
            command=asked.command,
            error=error,
            pong=pong,
            resending=resending,
            place=place,
        )

    def _pong(self) -> Pong:
        now = self._outbox.standing
        return Pong(
            version=self._version, epoch=now.epoch, last=now.last, upto=now.upto, posted=now.posted
        )

    def _send_again(self, asked: ResendRecent) -> Response:
        first = asked.first or self._outbox.standing.upto - (asked.last or 0) + 1
        sent = self._forwarder.send_again(first)
        if sent is None:
            why = "no row there is booked, or a conflict has stopped the stream"
            return self._response(asked, error=why)
        return self._response(asked, resending=Resending(first=sent[0], last=sent[1]))

    async def _where(self, asked: Where) -> Response:
        try:
            found = await self._find(asked)
        except StoreDamaged as damage:
            return self._response(asked, error=f"a row on the way there is damaged: {damage}")
        if found is None:
            why = f"it is not among the newest {REACH} rows that are kept here"
            return self._response(asked, error=why)
        place = Place.model_validate(
            {
                "epoch": self._outbox.standing.epoch,
                "seq": found.seq,
                "state": found.state,
                "code": found.code,
                "why": found.why,
            }
        )
        return self._response(asked, place=place)

    async def _find(self, asked: Where) -> Whereabout | None:
        if asked.id is not None:
            return await self._whereabouts.by_id(asked.id)
        return await self._whereabouts.by_seq(asked.seq or 0)
