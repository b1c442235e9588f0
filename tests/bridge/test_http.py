import doctest
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from aiohttp import web
from pydantic import ValidationError

from bridge import http
from bridge.http import (
    Answer,
    HttpSettings,
    Stopped,
    hidden,
    opened,
    read_secret,
    shown_headers,
)
from bridge.outcome import Refused, TryLater, Unknown
from bridge.wire import recording
from tests.fakes.vendor import Faults, Vendor

SECRET = 's3cret/"+ü'


class Anything(Vendor):
    """Answers what it is told to."""

    def __init__(self, faults: Faults | None = None) -> None:
        super().__init__(faults)
        self.booked = 0
        self.answer: Callable[[], web.Response] = lambda: web.Response(text="{}")

    def routes(self) -> list[web.RouteDef]:
        return [web.route("*", "/{way:.*}", self.any)]

    async def any(self, request: web.Request) -> web.StreamResponse:
        self.booked += 1
        return self.answer()


@pytest.fixture
async def vendor() -> AsyncIterator[Anything]:
    async with Anything().serving() as served:
        yield served


USUAL = HttpSettings(timeout=20)


async def test_an_answer_is_whole_and_its_numbers_exact(vendor: Anything) -> None:
    vendor.answer = lambda: web.Response(text='{"n": 1.10}', status=201, headers={"X-Id": "7"})
    async with opened(USUAL, who="it") as session:
        answer = await session.call("GET", vendor.url + "/a", query=[("q", "a b&")], writes=False)
    assert answer.ok
    assert str(answer.json()["n"]) == "1.10"
    assert answer.headers["x-id"] == "7"
    assert vendor.seen[0].path == "/a?q=a%20b%26"


async def test_no_redirect_is_followed(vendor: Anything) -> None:
    vendor.answer = lambda: web.Response(status=302, headers={"Location": "/elsewhere"})
    async with opened(USUAL, who="it") as session:
        answer = await session.call("POST", vendor.url + "/a", writes=True)
    assert len(vendor.seen) == 1
    assert isinstance(answer.verdict("it", writes=True), TryLater)


async def test_an_answer_without_end_is_cut_off(
    vendor: Anything, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "MAX_ANSWER", 1_000)
    vendor.answer = lambda: web.Response(text="x" * 1_001)
    async with opened(USUAL, who="it") as session:
        with pytest.raises(Stopped, match="more than 1000 bytes") as stopped:
            await session.call("POST", vendor.url + "/a", writes=True)
    assert isinstance(stopped.value.outcome, Unknown)


async def test_a_put_is_not_sent_again_behind_the_connector_s_back(vendor: Anything) -> None:
    async with opened(USUAL, who="it") as session:
        await session.call("PUT", vendor.url + "/a", body="first", writes=True)
        vendor.faults.next = ["lost"]
        with pytest.raises(Stopped) as stopped:
            await session.call("PUT", vendor.url + "/a", body="second", writes=True)
    assert isinstance(stopped.value.outcome, Unknown)
    assert [each.body for each in vendor.seen] == [b"first", b"second"]
    assert vendor.seen[0].headers["Content-Length"] == "5"


@pytest.mark.parametrize("fault", ["lost", "slow"])
async def test_no_answer_to_what_writes_leaves_it_unknown(vendor: Anything, fault: str) -> None:
    vendor.faults = Faults(next=[fault, fault])  # type: ignore[list-item]
    within = HttpSettings(timeout=1 if fault == "slow" else 20)
    async with opened(within, who="it") as session:
        with pytest.raises(Stopped) as stopped:
            await session.call("POST", vendor.url + "/a", writes=True)
        assert isinstance(stopped.value.outcome, Unknown)
        with pytest.raises(Stopped) as stopped:
            await session.call("POST", vendor.url + "/a", writes=False)
        assert isinstance(stopped.value.outcome, TryLater)
    assert vendor.booked == 2 or fault == "slow"  # a machine under load may not come so far


@pytest.mark.parametrize("settings", [USUAL, HttpSettings(proxy="http://127.0.0.1:9")])
async def test_nobody_there_means_nothing_was_sent(settings: HttpSettings) -> None:
    url = "http://127.0.0.1:9/" if settings.proxy is None else "https://erp.example/"
    async with opened(settings, who="it") as session:
        with pytest.raises(Stopped) as stopped:
            await session.call("POST", url, writes=True)
    assert isinstance(stopped.value.outcome, TryLater)


async def test_a_proxy_is_gone_through(vendor: Anything) -> None:
    async with opened(HttpSettings(proxy=vendor.url), who="it") as session:
        assert (await session.call("GET", "http://erp.example/a", writes=False)).ok
    assert vendor.seen[0].headers["Host"] == "erp.example"


async def test_what_went_over_the_wire_is_told_without_its_secrets(vendor: Anything) -> None:
    vendor.answer = lambda: web.json_response({"you sent": SECRET}, headers={"Set-Cookie": "a=b"})
    async with opened(USUAL, who="it") as session:
        with recording() as notes:
            await session.call(
                "POST",
                vendor.url + "/a",
                query=[("key", SECRET)],
                headers={"Authorization": "Basic czNjcmV0", "X-Plain": "1"},
                body='{"pin": "s3cret/\\"+\\u00fc"}',
                secrets=[SECRET],
                writes=True,
            )
    texts = "\n".join(note.text for note in notes)
    assert [note.way for note in notes] == ["sent", "heard"]
    assert "s3cret" not in texts
    assert "czNjcmV0" not in texts
    assert "a=b" not in texts
    assert "X-Plain: 1" in texts
    assert texts.count("[secret]") == 5


def test_a_secret_is_hidden_in_every_form() -> None:
    for form in ("s3cret!?", "s3cret%21%3F"):
        assert hidden(f"a{form}b", ["s3cret!?"]) == "a[secret]b"
    assert hidden("one", ["one"]) == "one"  # too short to be told from words
    assert shown_headers(
        {"X-Shopify-Access-Token": "x", "apikey": "y", "Idempotency-Key": "z"}
    ) == {
        "X-Shopify-Access-Token": "[secret]",
        "apikey": "[secret]",
        "Idempotency-Key": "z",
    }


def test_a_secret_is_read_from_its_file_or_a_person_is_told(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text(" s3cret pass \n")
    assert read_secret(path, "the key") == "s3cret pass"
    for wrong in ("", "abc", "two\nlines", "x" * 8_193):
        path.write_text(wrong)
        with pytest.raises(Stopped) as stopped:
            read_secret(path, "the key")
        assert isinstance(stopped.value.outcome, TryLater)
        assert wrong == "" or wrong not in stopped.value.outcome.why
    path.write_bytes(b"\xff\xfe\xfa\xfb")
    for unread in (path, tmp_path / "nothing"):
        with pytest.raises(Stopped, match="cannot be read"):
            read_secret(unread, "the key")


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("7", 7.0),
        ("0.05", 0.05),
        ("999999", 86_400.0),
        ("Mon, 23 Nov 2026 08:00:30 GMT", 30.0),
        ("Mon, 23 Nov 2026 07:00:00 GMT", 0.0),
        ("-1", None),
        ("soon", None),
        ("9" * 400, None),
        ("", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(said: str, seconds: float | None) -> None:
    headers = {"Retry-After": said, "Date": "Mon, 23 Nov 2026 08:00:00 GMT"}
    assert Answer(429, b"", headers).retry_after == seconds


@pytest.mark.parametrize(
    ("status", "writing", "reading"),
    [
        (400, Refused, TryLater),
        (401, TryLater, TryLater),
        (403, TryLater, TryLater),
        (404, TryLater, TryLater),
        (408, Unknown, TryLater),
        (409, Refused, TryLater),
        (422, Refused, TryLater),
        (429, TryLater, TryLater),
        (500, Unknown, TryLater),
        (504, Unknown, TryLater),
    ],
)
def test_an_answer_that_is_no_success_is_sorted_by_who_acts(
    status: int, writing: type, reading: type
) -> None:
    answer = Answer(status, b"<html>no\n  way</html>")
    assert isinstance(answer.verdict("it", writes=True), writing)
    assert isinstance(answer.verdict("it", writes=False), reading)
    assert "no way" in repr(answer.verdict("it", writes=True))


def test_a_503_that_says_when_to_come_back_did_nothing() -> None:
    assert Answer(503, b"", {"Retry-After": "3"}).verdict("it", writes=True) == TryLater(
        "it answered 503: ", 3.0
    )
    assert isinstance(Answer(503, b"").verdict("it", writes=True), Unknown)


def test_settings_that_do_not_fit_are_said(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="cert_file"):
        HttpSettings(key_file=tmp_path)
    with pytest.raises(ValidationError):
        HttpSettings(proxy="http://user:password@proxy.example")
    with pytest.raises(OSError, match="No such file"):
        HttpSettings(ca_file=tmp_path / "nothing").tls()


def test_faults_come_as_often_as_they_were_asked_for() -> None:
    faults = Faults(seed=3, lost=0.1, throttled=0.2)
    drawn = [faults.draw() for _ in range(2_000)]
    assert 150 < drawn.count("lost") < 250
    assert 330 < drawn.count("throttled") < 470
    assert set(drawn) == {"", "lost", "throttled"}
    again = Faults(seed=3, lost=0.1, throttled=0.2)
    assert drawn == [again.draw() for _ in range(2_000)]


async def test_a_doubled_request_is_done_twice(vendor: Anything) -> None:
    vendor.faults = Faults(next=["doubled", ""])
    async with opened(USUAL, who="it") as session:
        await session.call("POST", vendor.url + "/a", writes=True)
        assert vendor.booked == 2
        await session.call("POST", vendor.url + "/a", writes=True)
    assert vendor.booked == 3


def test_what_its_docstring_shows_is_true() -> None:
    assert doctest.testmod(http).failed == 0
