import contextlib
import doctest
import json
import random
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from bridge.connectors.webhook import (
    CAPABILITIES,
    Config,
    calls,
    connect,
    document,
    is_genuine,
    signature,
    template,
)
from bridge.connectors.webhook.signature import sign
from bridge.connectors.webhook.template import Form, Missing, Template, TemplateWrong
from bridge.outcome import Outcome, Posted, Refused, TryLater, Unknown
from bridge.wire import recording
from contract.canonical import canonical
from contract.envelope import plain
from contract.transactions import Event, Pick, Transaction
from tests.bridge.connectors.suite import CLOSED, ConnectorSuite, Stage
from tests.bridge.goods import clerk, event_of
from tests.bridge.streams import lines, receipt, transaction
from tests.bridge.transactions import EVERY_TYPE
from tests.fakes.receiver import Receiver
from tests.fakes.vendor import Faults

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
TOKEN = "t0ken-of-the/receiver+1"


def secret_files(folder: Path) -> dict[str, Any]:
    found = {"secret_file": folder / "secret", "token_file": folder / "token"}
    if folder.exists():
        found["secret_file"].write_text(SECRET + "\n")
        found["token_file"].write_text(TOKEN + "\n")
    return found


def config_of(url: str, **more: Any) -> Config:
    return Config.model_validate({"connector": "webhook", "url": url, **more})


class TestOfWebhook(ConnectorSuite):
    name = "webhook"
    secrets = (SECRET, TOKEN)

    def config(self, url: str, folder: Path) -> Config:
        return config_of(
            url + "/in/${event.type}",
            document="data.number",
            rules=[{"status": "200", "field": "status", "equals": "busy", "means": "later"}],
            http={"timeout": 20, "settle": 0.1},
            **secret_files(folder),
        )

    @contextlib.asynccontextmanager
    async def serving(self, folder: Path, faults: Faults) -> AsyncIterator[Stage]:
        async with Receiver(faults, SECRET, TOKEN).serving() as vendor:

            def totals() -> Mapping[str, Any]:
                return clerk(Transaction.model_validate(each) for each in vendor.kept.values())

            config = self.config(vendor.url, folder)
            yield Stage(config, lambda: vendor.effects, totals, vendor)

    def event(self, kind: str, rng: random.Random) -> Event:
        return event_of(kind, rng)

    def expected(self, given: Sequence[Transaction]) -> Mapping[str, Any]:
        return clerk(given)


def test_it_sends_every_type_there_is() -> None:
    assert CAPABILITIES.books == EVERY_TYPE


# --- What is sent ---


async def deliver(config: Config, value: Transaction, *, again: bool = False) -> Outcome:
    async with connect(config) as connector:
        return await connector.deliver(value, again=again)


async def test_the_body_is_the_transaction_unless_told_otherwise(tmp_path: Path) -> None:
    async with Receiver(secret=SECRET, token=TOKEN).serving() as vendor:
        config = config_of(vendor.url + "/in/x", **secret_files(tmp_path))
        assert await deliver(config, transaction(1)) == Posted("")
        [seen] = vendor.seen
    assert seen.body.decode() == canonical(plain(transaction(1)))
    assert seen.headers["Content-Type"] == "application/json"
    assert seen.headers["Idempotency-Key"] == str(transaction(1).id)


async def test_a_body_of_one_s_own_with_headers_and_an_address(tmp_path: Path) -> None:
    made = config_of(
        "http://127.0.0.1:1/orders/${event.documents.0.number}/${event.type}",
        method="PUT",
        body='{"po": ${!event.documents.0.number}, "rows": [${for line in event.lines:, }'
        '{"sku": ${line.item.sku|line.item.gtin}, "qty": ${line.quantity.value:number}}${end}]}',
        headers={"X-Station": "${station}", "X-Price": "5 $$"},
    )
    value = transaction(1, receipt("PO/7 ü", quantity="2.50"))
    message = document(value, made)
    assert not isinstance(message, Refused)
    assert message.url == "http://127.0.0.1:1/orders/PO%2F7%20%C3%BC/receipt"
    assert json.loads(message.body) == {"po": "PO/7 ü", "rows": [{"sku": "BOLT-8", "qty": 2.5}]}
    assert message.headers["X-Station"] == "bench"
    assert message.headers["X-Price"] == "5 $"
    [call] = calls(value, made)
    assert (call.method, call.target, call.body) == ("PUT", message.url, message.body)


def test_what_a_template_must_have_and_a_transaction_does_not_say_refuses_it() -> None:
    made = config_of("http://x/", body="${!event.documents.0.number}")
    outcome = document(transaction(1), made)
    assert outcome == Refused("contract", "the transaction says no event.documents.0.number")


def test_types_that_are_not_sent_are_refused() -> None:
    made = config_of("http://x/", types=["receipt"])
    assert not isinstance(document(transaction(1), made), Refused)
    outcome = document(transaction(1, Pick(lines=lines())), made)
    assert isinstance(outcome, Refused)
    assert outcome.code == "unsupported"


async def test_an_address_made_of_dots_reaches_the_receiver_as_it_was_written() -> None:
    async with Receiver().serving() as vendor:
        config = config_of(vendor.url + "/in/${event.documents.0.number}/x")
        await deliver(config, transaction(1, receipt("..")))
        assert [seen.path for seen in vendor.seen] == ["/in/%2E%2E/x"]


# --- Templates ---


@pytest.mark.parametrize(
    ("form", "value", "written"),
    [
        ("json", 'a"b\n', '"a\\"b\\n"'),
        ("json", None, "null"),
        ("json", ["x", 1], '["x",1]'),
        ("form", "a&b=c d", "a%26b%3Dc%20d"),
        ("url", "../?#", "..%2F%3F%23"),
        ("url", "..", "%2E%2E"),
        ("xml", "<a b='\"&\x00", "&lt;a b=&apos;&quot;&amp; "),
        ("header", "a\r\nX: 1", "aX: 1"),
        ("header", "ü%", "%C3%BC%25"),
        ("text", "=1+1", "=1+1"),
        ("text", {"a": None}, '{"a":null}'),
    ],
)
def test_a_value_is_written_as_its_place_wants_it(form: Form, value: Any, written: str) -> None:
    assert Template("[${v}]", form).fill({"v": value}) == f"[{written}]"


@given(st.text())
def test_no_text_breaks_out_of_json(text: str) -> None:
    assert json.loads(Template('{"a": ${v}}').fill({"v": text})) == {"a": text}


@pytest.mark.parametrize(
    ("template", "problem"),
    [
        ("${a", "not understood"),
        ("${a.__class__ }", "not understood"),
        ("$x", r"a dollar sign is \$\$"),
        ("${end}", "without a"),
        ("${for a in b}x", "has no"),
        ("${for a in b}" * 5 + "${end}" * 5, "loops inside"),
        ("x" * 20_001, "characters"),
    ],
)
def test_a_template_that_cannot_be_read_says_where(template: str, problem: str) -> None:
    with pytest.raises(TemplateWrong, match=problem):
        Template(template)
    with pytest.raises(ValidationError, match=problem):
        config_of("http://x/", body=template)


def test_a_number_is_bare_and_exact_and_nothing_else() -> None:
    assert Template("${n:number}").fill({"n": "2.500"}) == "2.500"
    assert Template("${n:number}").fill({"n": "1E+3"}) == "1000"
    with pytest.raises(Missing, match="no number"):
        Template("${n:number}").fill({"n": "1, 2"})


@pytest.mark.parametrize(
    "wrong",
    [
        {"url": "http://${station}/"},
        {"url": "http://u:p@x/"},
        {"url": "ftp://x/"},
        {"url": "http://x/", "encoding": "xml"},
        {"url": "http://x/", "headers": {"A b": "1"}},
        {"url": "http://x/", "rules": [{"status": "200", "field": "a", "means": "posted"}]},
    ],
)
def test_a_setting_that_would_do_harm_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Config.model_validate({"connector": "webhook", **wrong})


# --- The signature ---


def test_the_signature_is_the_one_of_the_specification() -> None:
    """The example of the reference implementations of Standard Webhooks."""
    headers = sign(
        SECRET,
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        datetime.fromtimestamp(1_614_265_330, UTC),
        b'{"test": 2432232314}',
    )
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_receiver_finds_out_who_lies() -> None:
    now = datetime(2026, 11, 23, tzinfo=UTC)
    headers = {name.title(): value for name, value in sign("s3cret", "7", now, b"{}").items()}
    assert is_genuine("s3cret", headers, b"{}", now + timedelta(seconds=299))
    assert not is_genuine("s3cret", headers, b"{} ", now)
    assert not is_genuine("other", headers, b"{}", now)
    assert not is_genuine("s3cret", headers | {"Webhook-Id": "8"}, b"{}", now)
    for off in (-301, 301):
        assert not is_genuine("s3cret", headers, b"{}", now + timedelta(seconds=off))
    assert not is_genuine("s3cret", headers | {"Webhook-Timestamp": "²"}, b"{}", now)
    assert not is_genuine("s3cret", {}, b"{}", now)
    both = headers | {"Webhook-Signature": "v1,old " + headers["Webhook-Signature"]}
    assert is_genuine("s3cret", both, b"{}", now)


async def test_each_attempt_is_signed_anew_and_has_the_same_id(tmp_path: Path) -> None:
    async with Receiver(Faults(next=["throttled"]), SECRET, TOKEN).serving() as vendor:
        config = config_of(vendor.url + "/in/x", **secret_files(tmp_path))
        await deliver(config, transaction(1))
        await deliver(config, transaction(1))
        ids = {seen.headers["webhook-id"] for seen in vendor.seen}
        assert len(vendor.seen) == 2
        assert ids == {str(transaction(1).id)}
        assert not vendor.problems


async def test_a_new_secret_counts_without_a_restart(tmp_path: Path) -> None:
    async with Receiver(secret=SECRET, token=TOKEN).serving() as vendor:
        config = config_of(vendor.url + "/in/x", **secret_files(tmp_path))
        (tmp_path / "token").unlink()
        async with connect(config) as connector:
            outcome = await connector.deliver(transaction(1), again=False)
            assert isinstance(outcome, TryLater)
            assert "token" in outcome.why
            (tmp_path / "token").write_text("wrong-token")
            outcome = await connector.deliver(transaction(1), again=False)
            assert isinstance(outcome, TryLater)
            assert "401" in outcome.why
            (tmp_path / "token").write_text(TOKEN)
            assert await connector.deliver(transaction(1), again=False) == Posted("")


# --- What an answer means ---

RULES = [
    {"status": "409", "contains": "already", "means": "posted"},
    {
        "status": "2xx",
        "field": "result.ok",
        "equals": "false",
        "means": "refused",
        "code": "unknown_sku",
    },
    {"status": "200", "field": "result.state", "equals": "busy", "means": "later"},
    {"status": "418", "means": "unknown"},
]


@pytest.mark.parametrize(
    ("status", "kind", "more"),
    [
        (200, Posted, ""),
        (201, Posted, ""),
        (302, TryLater, ""),
        (400, Refused, ""),
        (401, TryLater, ""),
        (404, TryLater, ""),
        (408, Unknown, ""),
        (422, Refused, ""),
        (429, TryLater, ""),
        (500, Unknown, ""),
        (502, Unknown, ""),
        (503, Unknown, ""),
    ],
)
async def test_an_answer_means_what_is_usual(status: int, kind: type, more: str) -> None:
    async with Receiver().serving() as vendor:
        assert isinstance(
            await deliver(config_of(f"{vendor.url}/say/{status}"), transaction(1)), kind
        )


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (409, "it was already there", Posted("")),
        (200, '{"result": {"ok": false}}', Refused),
        (201, '{"result": {"ok": false}}', Refused),
        (200, '{"result": {"ok": true}}', Posted("")),
        (200, '{"result": {"state": "busy"}}', TryLater),
        (200, '{"id": 7}', Posted("7")),
        (200, '{"id": {"a": "é"}}', Posted('{"a": "\\u00e9"}')),
        (200, "<html>", Posted("")),
        (418, "", Unknown),
    ],
)
async def test_rules_count_before_what_is_usual(status: int, body: str, expected: Any) -> None:
    async with Receiver().serving() as vendor:
        config = config_of(
            f"{vendor.url}/say/{status}",
            encoding="text",
            body=body.replace("$", "$$"),
            rules=RULES,
            document="id",
        )
        outcome = await deliver(config, transaction(1))
    if isinstance(expected, Posted):
        assert outcome == expected
    else:
        assert isinstance(outcome, expected)
    if isinstance(outcome, Refused):
        assert outcome.code == "unknown_sku"


async def test_a_receiver_without_keys_is_asked_before_it_is_sent_twice(tmp_path: Path) -> None:
    async with Receiver(secret=SECRET, token=TOKEN).serving() as vendor:
        config = config_of(
            vendor.url + "/in/x",
            look_up=vendor.url + "/in/${id}",
            document="data.number",
            **secret_files(tmp_path),
        )
        assert await deliver(config, transaction(1), again=True) == Posted("1")
        assert [seen.method for seen in vendor.seen] == ["GET", "POST"]
        assert await deliver(config, transaction(1), again=True) == Posted("1")
        assert [seen.method for seen in vendor.seen] == ["GET", "POST", "GET"]


async def test_a_look_up_that_fails_leaves_it_unknown(tmp_path: Path) -> None:
    async with Receiver().serving() as vendor:
        config = config_of(vendor.url + "/in/x", look_up=vendor.url + "/nothing/of/the/kind/${id}")
        await deliver(config, transaction(1), again=True)  # 404: not there
        assert [seen.method for seen in vendor.seen] == ["GET", "POST"]
    config = config_of(CLOSED, look_up=CLOSED + "/${id}")
    with recording() as notes:
        assert isinstance(await deliver(config, transaction(1), again=True), TryLater | Unknown)
    assert [note.way for note in notes] == ["sent", "heard"]


@pytest.mark.parametrize("module", [template, signature], ids=["template", "signature"])
def test_what_the_docstrings_show_is_true(module: ModuleType) -> None:
    done = doctest.testmod(module)
    assert done.attempted
    assert not done.failed
