"""What travels: envelopes of transactions one way, the bridge's word the other way.

An envelope is a CloudEvents 1.0 structured JSON event, so that any tool can read it. Its rows are
consecutive: row i has seq `first + i`. The bridge reads rows as plain JSON first, so that one row
it cannot understand never holds up the others.

Source: CloudEvents 1.0.2 JSON event format; limits from `MAX_ENVELOPE` below.
"""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AwareDatetime, Field, StringConstraints, TypeAdapter

from contract.canonical import canonical, digest
from contract.transactions import Transaction
from contract.values import Epoch, Frozen, Seq, Slug, Text

EVENT_TYPE: Literal["org.scanpost.transactions.v1"] = "org.scanpost.transactions.v1"
DATA_SCHEMA: Literal["urn:scanpost:schema:transactions:1"] = "urn:scanpost:schema:transactions:1"
MAX_ENVELOPE = 64_000
"""Bytes of an envelope: cloud brokers take 128 kB and less, and 64 kB keeps one out of trouble."""
MAX_ROWS = 100
MAX_ROW = 60_000
"""Bytes of one stored transaction: it must fit an envelope of its own."""

Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class Row(Frozen):
    """One transaction as it was stored, with the digest of its canonical text."""

    digest: Digest
    transaction: dict[str, Any]


class Rows(Frozen):
    """Consecutive rows of one gateway's stream."""

    site: Slug
    gateway: Slug
    epoch: Epoch
    first: Seq
    rows: Annotated[tuple[Row, ...], Field(min_length=1, max_length=MAX_ROWS)]

    @property
    def last(self) -> int:
        """Seq of the last row."""
        return self.first + len(self.rows) - 1


class Envelope(Frozen):
    """A CloudEvents 1.0 event around `Rows`."""

    specversion: Literal["1.0"] = "1.0"
    id: Text
    source: Text
    type: Literal["org.scanpost.transactions.v1"] = EVENT_TYPE
    time: AwareDatetime
    datacontenttype: Literal["application/json"] = "application/json"
    dataschema: Literal["urn:scanpost:schema:transactions:1"] = DATA_SCHEMA
    data: Rows


Reason = Literal[
    "contract",
    "schema_too_new",
    "corrupt",
    "unknown_sku",
    "unknown_document",
    "over_receipt",
    "lot_required",
    "closed_period",
    "forbidden",
    "locked",
    "short_stock",
    "unknown_location",
    "unmapped",
    "unsupported",
    "needs_human",
    "refused",
    "discarded",
]
"""Why a transaction is not booked; a person acts on each, and did so where it is `discarded`."""


class Rejected(Frozen):
    """One transaction that is in the ledger but not in the ERP, and why."""

    seq: Seq
    code: Reason
    text: Annotated[str, Field(max_length=500)]


class Ack(Frozen):
    """The bridge's word to one gateway: cumulative, so losing one loses nothing.

    `upto`: every row to here is in the ledger. `posted`: every row to here is in the ERP, rejected,
    or of a kind that needs no posting. `rejected`: the newest rejections, oldest first.
    `conflict`: this seq came twice with different content (a cloned card, a restored backup); the
    bridge takes nothing more of this epoch until a person has decided. `digest`: of the row `upto`,
    so that a gateway whose store is such a copy does not take another row's word for its own; left
    out where there is no such row, or where a person has decided about it.
    """

    epoch: Epoch
    upto: Annotated[int, Field(ge=0)]
    digest: Digest | None = None
    posted: Annotated[int, Field(ge=0)] = 0
    rejected: Annotated[tuple[Rejected, ...], Field(max_length=50)] = ()
    conflict: Seq | None = None

    @property
    def reach(self) -> int:
        """The largest seq it says anything of, but for a conflict; 0 if none."""
        return max(self.upto, self.posted, *(row.seq for row in self.rejected), 0)


def plain(transaction: Transaction) -> dict[str, Any]:
    """Return a transaction as plain JSON values, without what it does not say."""
    return transaction.model_dump(mode="json", exclude_none=True)


def encode(transaction: Transaction) -> str:
    """Return the canonical JSON text of a transaction: what is stored, digested and sent."""
    return canonical(plain(transaction))


def seal(
    site: str,
    gateway: str,
    epoch: UUID,
    first: int,
    bodies: list[str],
    now: datetime,
    digests: list[str] | None = None,
) -> str:
    """Return an envelope around stored bodies, which are put in as they are.

    Args:
        site: the site's slug.
        gateway: the gateway's slug.
        epoch: of the stream the bodies come from.
        first: seq of the first body; the others follow without a gap.
        bodies: canonical texts as `encode` made them.
        now: aware UTC.
        digests: of the bodies, where they are known already.
    """
    pairs = zip(digests or map(digest, bodies), bodies, strict=True)
    rows = ",".join([f'{{"digest":"{mark}","transaction":{body}}}' for mark, body in pairs])
    # Slugs, ids, numbers and a time: nothing that JSON would have to escape.
    return (
        f'{{"specversion":"1.0","id":"{epoch}/{first}-{first + len(bodies) - 1}",'
        f'"source":"/scanpost/{site}/{gateway}","type":"{EVENT_TYPE}","time":"{now.isoformat()}",'
        f'"datacontenttype":"application/json","dataschema":"{DATA_SCHEMA}",'
        f'"data":{{"site":"{site}","gateway":"{gateway}","epoch":"{epoch}","first":{first},'
        f'"rows":[{rows}]}}}}'
    )


envelope_adapter: TypeAdapter[Envelope] = TypeAdapter(Envelope)
