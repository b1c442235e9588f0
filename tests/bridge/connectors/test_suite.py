"""The suite finds connectors that do not keep the contract."""

import contextlib
import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bridge.connectors import webhook
from bridge.connectors.webhook import target
from bridge.outcome import Outcome, Posted, Refused, TryLater, Unknown
from contract.transactions import Transaction
from tests.bridge.connectors import test_webhook

Bad = Callable[[Any, Transaction, bool], Any]


class Spoilt(test_webhook.TestOfWebhook):
    """The webhook with its `deliver` or another part replaced."""

    def __init__(self, deliver: Bad | None = None, **parts: Any) -> None:
        self._deliver = deliver
        self._parts = parts

    @property
    def module(self) -> Any:
        names = ("Config", "CAPABILITIES", "document", "calls")
        whole = {name: getattr(webhook, name) for name in names}
        return SimpleNamespace(**whole | {"connect": self._connect} | self._parts)

    @contextlib.asynccontextmanager
    async def _connect(self, config: Any) -> AsyncIterator[Any]:
        bad = self._deliver
        async with webhook.connect(config) as inner:

            async def deliver(value: Transaction, *, again: bool) -> Outcome:
                if bad is None:
                    return await inner.deliver(value, again=again)
                outcome: Outcome = await bad(inner, value, again)
                return outcome

            yield SimpleNamespace(deliver=deliver, settle=0.0)


Spoilt.__test__ = False  # type: ignore[attr-defined]


async def says_posted_whatever_happens(inner: Any, value: Transaction, again: bool) -> Outcome:
    outcome: Outcome = await inner.deliver(value, again=again)
    return Posted("1") if isinstance(outcome, Unknown | TryLater) else outcome


async def says_later_where_nobody_knows(inner: Any, value: Transaction, again: bool) -> Outcome:
    outcome: Outcome = await inner.deliver(value, again=again)
    return TryLater(outcome.why) if isinstance(outcome, Unknown) else outcome


async def gives_up(inner: Any, value: Transaction, again: bool) -> Outcome:
    outcome: Outcome = await inner.deliver(value, again=again)
    return Refused("refused", outcome.why) if isinstance(outcome, Unknown) else outcome


async def shows_its_token(inner: Any, value: Transaction, again: bool) -> Outcome:
    outcome: Outcome = await inner.deliver(value, again=again)
    return (
        TryLater(f"{outcome.why} {test_webhook.TOKEN}")
        if isinstance(outcome, TryLater)
        else outcome
    )


async def drops_counts(inner: Any, value: Transaction, again: bool) -> Outcome:
    if value.event.type == "count":
        return Posted("")
    outcome: Outcome = await inner.deliver(value, again=again)
    return outcome


async def test_a_connector_as_it_should_be_passes(tmp_path: Path) -> None:
    await Spoilt().test_each_type_is_booked_once_however_often_it_is_sent(tmp_path)


async def test_a_new_key_for_each_attempt_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = target.document

    def forgetful(value: Transaction, config: Any) -> Any:
        message = whole(value, config)
        assert not isinstance(message, Refused)
        key = str(uuid.uuid4())
        headers = message.headers | {"Idempotency-Key": key}
        return replace(message, name=key, headers=headers)

    monkeypatch.setattr(target, "document", forgetful)
    with pytest.raises(AssertionError):
        await Spoilt().test_each_type_is_booked_once_however_often_it_is_sent(tmp_path)
    with pytest.raises(AssertionError):
        await Spoilt().test_what_was_booked_and_never_answered_is_booked_once(tmp_path)


@pytest.mark.parametrize(
    "bad", [says_posted_whatever_happens, says_later_where_nobody_knows, gives_up]
)
async def test_a_wrong_word_for_no_answer_is_found(tmp_path: Path, bad: Bad) -> None:
    with pytest.raises(AssertionError):
        await Spoilt(bad).test_what_was_booked_and_never_answered_is_booked_once(tmp_path)


async def test_a_loss_without_a_word_is_found(tmp_path: Path) -> None:
    with pytest.raises(AssertionError):
        await Spoilt(drops_counts).test_each_type_is_booked_once_however_often_it_is_sent(tmp_path)


async def test_a_secret_in_a_reason_is_found(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    await Spoilt().test_no_secret_is_shown_whatever_happens(tmp_path, caplog)
    with pytest.raises(AssertionError, match="is shown"):
        await Spoilt(shows_its_token).test_no_secret_is_shown_whatever_happens(tmp_path, caplog)


async def test_a_type_that_is_dropped_instead_of_refused_is_found(tmp_path: Path) -> None:
    can = replace(webhook.CAPABILITIES, books=frozenset({"receipt"}))
    with pytest.raises(AssertionError):
        await Spoilt(CAPABILITIES=can).test_what_it_does_not_book_is_refused_and_nothing_is_sent(
            tmp_path
        )


async def test_planning_something_else_than_is_sent_is_found(tmp_path: Path) -> None:
    def other(value: Transaction, config: Any) -> Any:
        return [replace(call, body=call.body + " ") for call in webhook.calls(value, config)]

    with pytest.raises(AssertionError):
        await Spoilt(calls=other).test_it_sends_what_it_said_it_would(tmp_path)
