"""What the outbox is given to write is the transaction, whatever a label says."""

import uuid
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contract.envelope import MAX_ROW, encode
from contract.transactions import Reading, Transaction
from contract.values import Evidence
from gateway.intake import Draft, Intake, TooLarge
from gateway.outbox import open_outbox
from runtime.clock import Clock

NO_EPOCH = '"epoch":"00000000-0000-0000-0000-000000000000"'


async def written(path: Path, draft: Draft, epoch: uuid.UUID, seq: int) -> str:
    async with open_outbox(path / "outbox.db") as outbox:
        return Intake("dock", outbox, Clock()).prepare("table-1", draft).write(epoch, seq)


@settings(max_examples=20)
@given(text=st.text(max_size=50) | st.sampled_from([NO_EPOCH, '"seq":1', f"{{{NO_EPOCH}", "\\"]))
async def test_a_body_is_canonical_whatever_the_label_says(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    epoch = uuid.uuid4()
    draft = Draft(
        Reading(text=text), (Evidence(kind="scan", device="gun", raw="00"),), operator='"seq":1'
    )
    body = await written(tmp_path_factory.mktemp("intake"), draft, epoch, 4711)
    transaction = Transaction.model_validate_json(body)
    assert (transaction.epoch, transaction.seq, transaction.event) == (epoch, 4711, draft.event)
    assert (transaction.operator, transaction.evidence) == (draft.operator, draft.evidence)
    assert body == encode(transaction)


async def test_what_fits_an_envelope_with_the_largest_seq_is_taken_and_no_more(
    tmp_path: Path,
) -> None:
    proofs = tuple(Evidence(kind="scan", device="gun", raw="00" * 7000) for _ in range(4))
    epoch, seq = uuid.uuid4(), 2**53 - 1

    async def length(letters: int) -> int:
        draft = Draft(Reading(text="x" * letters), proofs)
        return len(await written(tmp_path, draft, epoch, seq))

    room = MAX_ROW - 1 - await length(0)
    assert await length(room) == MAX_ROW - 1
    with pytest.raises(TooLarge):
        await length(room + 1)
