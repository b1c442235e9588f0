"""Goods-in inspection: what an arriving message and each of its rows turn out to be. Pure.

Everything here came over a wire, so nothing here raises: a bad envelope is a `Poison`, a bad row an
`Inspected` with a reason.
"""

import json
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from pydantic import ValidationError

from contract.canonical import canonical, digest
from contract.envelope import (
    MAX_ENVELOPE,
    Reason,
    Row,
    Rows,
    envelope_adapter,
)
from contract.topics import owner
from contract.transactions import Transaction

MAX_PAYLOAD = 2 * MAX_ENVELOPE
"""Bytes of a message that are read: twice the contract's bound, as a miscount is not an attack."""
MAX_TEXT = 500
"""Characters of a reason, as in `contract.envelope.Rejected`."""
_MAX_DIGITS = 16  # 2^53, the largest integer of the contract, has 16
_UNKNOWN_HERE = {
    "extra_forbidden",
    "union_tag_invalid",
}  # pydantic's words for what a newer one says


@dataclass(frozen=True, slots=True)
class Poison:
    """A message that can never become readable, and why."""

    reason: str


@dataclass(frozen=True, slots=True)
class Inspected:
    """One row. `transaction` is None exactly where `code` says why it cannot be booked."""

    seq: int
    digest: str
    """As the gateway claims it."""
    body: str
    """Canonical text, or the nearest to it that can be stored."""
    transaction: Transaction | None
    code: Reason | None = None
    text: str = ""


def unpack(topic: str, payload: bytes) -> Rows | Poison:
    """Read one message.

    Args:
        topic: where it came in; its site and gateway must be those of the envelope.
        payload: a CloudEvents JSON event, see `contract.envelope`.
    """
    if len(payload) > MAX_PAYLOAD:
        return Poison(f"too large: {len(payload)} bytes, {MAX_PAYLOAD} are read")
    try:
        value = _loads(payload.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        return Poison(f"not JSON: {error}"[:MAX_TEXT])
    try:
        rows = envelope_adapter.validate_python(value).data
    except ValidationError as error:
        return Poison(f"not an envelope: {_summary(error)}"[:MAX_TEXT])
    if owner(topic) != (rows.site, rows.gateway):
        return Poison(f"forged: it says {rows.site}/{rows.gateway}, the topic does not")
    return rows


def inspect(gateway: str, epoch: UUID, seq: int, row: Row) -> Inspected:
    """Say what one row is: a transaction, or why it is none.

    Args:
        gateway: of the envelope.
        epoch: of the envelope.
        seq: the place the envelope gives this row.
        row: as it came.
    """
    try:
        body = canonical(row.transaction)
        body.encode("utf-8")
    except (ValueError, RecursionError) as error:
        said = f"not storable as it is: {error}"
        return Inspected(
            seq, row.digest, _escaped(row.transaction), None, "contract", said[:MAX_TEXT]
        )
    if digest(body) != row.digest:
        return Inspected(
            seq, row.digest, body, None, "corrupt", "the content does not match its digest"
        )
    try:
        transaction = Transaction.model_validate_json(body)
    except ValidationError as error:
        return Inspected(seq, row.digest, body, None, _violation(error), _summary(error))
    if (transaction.gateway, transaction.epoch, transaction.seq) != (gateway, epoch, seq):
        claim = f"it says it is {transaction.gateway}/{transaction.epoch}/{transaction.seq}"
        return Inspected(seq, row.digest, body, None, "contract", claim)
    return Inspected(seq, row.digest, body, transaction)


def inspect_again(gateway: str, epoch: UUID, seq: int, claimed: str, body: str) -> Inspected:
    """Say what a stored row is now: after an upgrade it may be understood."""
    try:
        value = _loads(body)
        row = Row(digest=claimed, transaction=value)
    except (ValueError, RecursionError) as error:
        return Inspected(seq, claimed, body, None, "corrupt", str(error)[:MAX_TEXT])
    return inspect(gateway, epoch, seq, row)


def _loads(text: str) -> Any:
    """Parse JSON whose numbers are integers below 2^53; other numbers become texts.

    As a text such a number fits nowhere in the contract, and its row alone is refused: NaN and
    1e999 have no canonical form, and a long run of digits is slow to turn into an integer.
    """
    return json.loads(text, parse_constant=str, parse_float=str, parse_int=_integer)


def _integer(digits: str) -> int | str:
    return int(digits) if len(digits) <= _MAX_DIGITS else digits


def _escaped(value: Any) -> str:
    try:
        return json.dumps(value, ensure_ascii=True, sort_keys=True, separators=(",", ":"))
    except (ValueError, RecursionError):
        return "null"


def _violation(error: ValidationError) -> Reason:
    kinds = {problem["type"] for problem in error.errors(include_url=False, include_input=False)}
    return "schema_too_new" if kinds <= _UNKNOWN_HERE else "contract"


def _summary(error: ValidationError) -> str:
    """Return the first problems with their places, without the input: it may be anything."""
    problems = error.errors(include_url=False, include_input=False, include_context=False)
    said = "; ".join(
        f"{'.'.join(str(part) for part in problem['loc'])}: {problem['msg']}"
        for problem in problems[:5]
    )
    return storable(said)[:MAX_TEXT]


def storable(text: str) -> str:
    """Return `text` so that every database takes it: no NUL, no half of a surrogate pair."""
    return text.replace("\0", "\u2400").encode("utf-8", "replace").decode("utf-8")
