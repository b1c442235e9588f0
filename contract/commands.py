"""What a gateway may be asked over MQTT, and what it answers.

A command goes to `cmd/{command}`, its answer to `rsp/{cid}`, both in the gateway's own branch of
the topics: a gateway never writes anywhere else, whoever asks it to. A command carries all it needs
in its payload, since MQTT 3.1.1 has no place beside it. It has no time of expiry: no session of a
gateway outlives its connection, so that no command waits for it, and a retained one is not obeyed.

>>> command_adapter.validate_json('{"command": "where", "cid": "q-1", "seq": 5}').seq
5
"""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field, RootModel, TypeAdapter, model_validator

from contract.envelope import Reason
from contract.values import Frozen, Seq, Slug

MAX_COMMAND = 4_096
"""Bytes of a command: it names things, and carries none."""
MAX_AGAIN = 10_000
"""Booked rows sent again by one command: as many as a gateway keeps, if not told otherwise."""

State = Literal["saved", "at broker", "booked", "posted", "rejected"]
"""How far a transaction has come: on the gateway's disk, at the broker, in the bridge's ledger, in
the ERP; or in the ledger with a reason why it cannot get into the ERP."""


class _Command(Frozen):
    cid: Slug
    """Chosen by who asks: the last level of the topic of the answer."""
    reply_to: Annotated[str, Field(max_length=200)] | None = None
    """Topic of the answer, if who asks wants to be sure: `rsp/{cid}` of that gateway."""


class Ping(_Command):
    """Asks whether it is there, and how far it is."""

    command: Literal["ping"]


class ResendRecent(_Command):
    """Send booked rows once more: the bridge ignores what it has.

    For a bridge whose ledger was restored from a backup. Rows that are not booked are sent anyway.
    """

    command: Literal["resend-recent"]
    first: Seq | None = None
    """Begin at this seq."""
    last: Annotated[int, Field(ge=1, le=MAX_AGAIN)] | None = None
    """Or send this many of the last ones that are booked."""

    @model_validator(mode="after")
    def _one_of_both(self) -> "ResendRecent":
        if (self.first is None) == (self.last is None):
            raise ValueError("say either first or last")
        return self


class Where(_Command):
    """Asks how far a transaction has come."""

    command: Literal["where"]
    id: UUID | None = None
    """Its id."""
    seq: Seq | None = None
    """Or its place in the gateway's present stream."""

    @model_validator(mode="after")
    def _one_of_both(self) -> "Where":
        if (self.id is None) == (self.seq is None):
            raise ValueError("say either id or seq")
        return self


class Command(RootModel[Annotated[Ping | ResendRecent | Where, Field(discriminator="command")]]):
    """What a gateway may be asked."""


class Pong(Frozen):
    """Here, and so far."""

    version: str
    epoch: UUID
    last: Annotated[int, Field(ge=0)]
    upto: Annotated[int, Field(ge=0)]
    posted: Annotated[int, Field(ge=0)]


class Resending(Frozen):
    """Rows that are sent again, as far as they are still kept."""

    first: Seq
    last: Seq


class Place(Frozen):
    """Where one transaction is."""

    epoch: UUID
    seq: Seq
    state: State
    code: Reason | None = None
    why: Annotated[str, Field(max_length=500)] | None = None
    """Why it was rejected."""


class Response(Frozen):
    """The answer to a command: what was asked for, or why not."""

    cid: Slug
    command: Slug
    error: Annotated[str, Field(max_length=500)] | None = None
    pong: Pong | None = None
    resending: Resending | None = None
    place: Place | None = None


command_adapter: TypeAdapter[Ping | ResendRecent | Where] = TypeAdapter(
    Annotated[Ping | ResendRecent | Where, Field(discriminator="command")]
)
