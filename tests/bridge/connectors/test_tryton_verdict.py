"""What Tryton's answers mean."""

import pytest

from bridge.connectors.tryton.verdict import judge
from bridge.outcome import Refused, TryLater, Unknown

TRYTON_SAYS = '{"status": 400, "message": "%s", "description": ""}'


def said(message: str) -> bytes:
    return (TRYTON_SAYS % message).encode()


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("The purchase line 'x' is moving 30 u in addition to the 100 u ordered.", "over_receipt"),
        ("To move product '[SER-1]' you must provide a stock lot.", "lot_required"),
        ("To modify stock move '1' you must reopen period '2026'.", "closed_period"),
        ("To continue, you must reopen the period 'P' of company 'C'.", "closed_period"),
        ("To continue, you must create a fiscal year for the date 'D'.", "closed_period"),
        ("You are not allowed to write to records '1' of 'Move' because of", "forbidden"),
        ("Something nobody thought of", "refused"),
    ],
)
def test_trytons_own_word_refuses_one_transaction(message: str, code: str) -> None:
    refused = judge(400, said(message), writes=True)

    assert isinstance(refused, Refused)
    assert refused.code == code
    assert refused.text == message


@pytest.mark.parametrize("status", [301, 401, 403, 404, 405])
@pytest.mark.parametrize("writes", [True, False])
def test_a_wrong_key_or_address_refuses_nothing(status: int, writes: bool) -> None:
    waits = judge(status, b"<h1>no</h1>", writes=writes)

    assert isinstance(waits, TryLater)
    assert waits.after == 60
    assert str(status) in waits.why


def test_a_user_without_rights_refuses_nothing() -> None:
    waits = judge(400, said('You are not allowed to access \\"Move\\".'), writes=True)

    assert isinstance(waits, TryLater)
    assert waits.after == 60


@pytest.mark.parametrize("status", [200, 500, 502, 504])
def test_a_server_that_fails_in_the_middle_may_have_booked(status: int) -> None:
    assert isinstance(judge(status, b"", writes=True), Unknown)
    assert isinstance(judge(status, b"", writes=False), TryLater)


@pytest.mark.parametrize("status", [429, 503])
def test_a_server_that_asks_to_wait_is_obeyed(status: int) -> None:
    assert judge(status, b"busy", writes=True, after=7.0) == TryLater(
        f"Tryton answered {status}: busy", after=7.0
    )


def test_a_shipment_that_moved_on_meanwhile_is_looked_at_again() -> None:
    assert isinstance(judge(400, said("You can not call 'do' on '1'"), writes=True), Unknown)


def test_a_reason_is_never_longer_than_a_person_reads() -> None:
    refused = judge(400, said("x" * 10_000), writes=True)

    assert isinstance(refused, Refused)
    assert len(refused.text) <= 400
