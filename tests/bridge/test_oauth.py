import asyncio
import contextlib
import json
import logging
import os
import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from bridge import oauth, tokens
from bridge.http import Http, HttpSettings, Stopped, opened
from bridge.oauth import App, ClientCredentials, Login, Refreshed, ask
from bridge.outcome import Outcome, TryLater, Unknown
from bridge.tokens import TokenFile, Tokens
from bridge.wire import recording
from tests.fakes.authorization import Authorization
from tests.fakes.vendor import Faults, Vendor

SECRET = "s3cret/with+odd=letters"
FIRST = f"refresh-first-{'f' * 30}"
ROOT = Path(__file__).parents[2]


class Api(Vendor):
    """A target behind an authorization server."""

    def __init__(self, faults: Faults | None = None) -> None:
        super().__init__(faults)
        self.server = Authorization("app one", SECRET, FIRST)

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/token", self.server.token),
            web.post("/things", self.thing),
        ]

    def writes(self, request: web.Request, body: bytes) -> bool:
        return request.path == "/things"

    async def thing(self, request: web.Request) -> web.StreamResponse:
        if not self.server.check(request):
            return web.json_response({"error": "token?"}, status=401)
        return web.json_response({"id": 7}, status=201)


@dataclass
class Stage:
    api: Api
    http: Http
    app: App
    tokens: Path

    def refreshed(self) -> Refreshed:
        return Refreshed(self.http, self.app, self.tokens)

    def kept(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.tokens.read_text())
        return found

    async def post(self, login: Login) -> int:
        answer = await login.call("POST", f"{self.api.url}/things", body="{}", writes=True)
        return answer.status


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    secret, tokens = tmp_path / "secret", tmp_path / "tokens.json"
    secret.write_text(f"{SECRET}\n")
    tokens.write_text(json.dumps({"refresh_token": FIRST}))
    settings = HttpSettings(timeout=20)
    async with Api().serving() as api, opened(settings, who="the API", in_flight=9) as http:
        app = App("the API", f"{api.url}/token", "app one", secret, scope="a b")
        yield Stage(api, http, app, tokens)


async def stopped(login: Login, stage: Stage) -> Outcome:
    with pytest.raises(Stopped) as ended:
        await stage.post(login)
    return ended.value.outcome


# --- As itself ---


@pytest.mark.parametrize("style", ["basic", "body"])
async def test_the_app_s_own_secret_gives_a_token_that_is_kept(stage: Stage, style: Any) -> None:
    app = App("x", stage.app.token_url, "app one", stage.app.secret_file, style, "a b")
    login = ClientCredentials(stage.http, app)
    assert [await stage.post(login) for _ in range(3)] == [201, 201, 201]
    [asked] = stage.api.server.asked
    assert asked["scope"] == "a b"
    assert ("client_secret" in asked) is (style == "body")


async def test_a_signed_assertion_stands_in_for_a_secret(stage: Stage) -> None:
    made = iter(("one.jwt.x", "two.jwt.x"))
    app = App(
        "x", stage.app.token_url, "app one", assertion=lambda: next(made), more=(("audience", "y"),)
    )
    stage.api.server.client = stage.api.server.secret = ""
    login = ClientCredentials(stage.http, app)
    assert await stage.post(login) == 201
    stage.api.server.revoke()
    assert isinstance(await stopped(login, stage), TryLater)
    assert await stage.post(login) == 201
    assert [each["client_assertion"] for each in stage.api.server.asked] == [
        "one.jwt.x",
        "two.jwt.x",
    ]
    assert stage.api.server.asked[0]["audience"] == "y"
    assert stage.api.server.asked[0]["client_assertion_type"].endswith("jwt-bearer")


async def test_many_at_once_ask_for_one_token(stage: Stage) -> None:
    login = ClientCredentials(stage.http, stage.app)
    assert set(await asyncio.gather(*(stage.post(login) for _ in range(8)))) == {201}
    assert stage.api.server.grants == {"client_credentials": 1}


async def test_a_token_is_replaced_before_it_ends(stage: Stage) -> None:
    stage.api.server.lifetime = 59  # within the minute before its end from the beginning
    login = ClientCredentials(stage.http, stage.app)
    for _ in range(2):
        assert await stage.post(login) == 201
    assert stage.api.server.grants == {"client_credentials": 2}


async def test_a_wrong_secret_waits_for_a_login(stage: Stage) -> None:
    stage.api.server.secret = "another"
    outcome = await stopped(ClientCredentials(stage.http, stage.app), stage)
    assert isinstance(outcome, TryLater)
    assert outcome.needs == "login"
    assert "invalid_client" in outcome.why


async def test_a_missing_secret_is_said_and_nothing_is_asked(stage: Stage) -> None:
    assert stage.app.secret_file is not None
    stage.app.secret_file.unlink()
    outcome = await stopped(ClientCredentials(stage.http, stage.app), stage)
    assert isinstance(outcome, TryLater)
    assert "client secret" in outcome.why
    assert not stage.api.server.asked


@pytest.mark.parametrize(
    ("answer", "needs", "after"),
    [
        ((400, {"error": "invalid_scope"}), "person", 60.0),
        ((400, {"error": "invalid_grant"}), "login", 60.0),
        ((403, None), "login", 60.0),
        ((200, {"access_token": 7}), "time", None),
        ((200, {"access_token": "two words"}), "time", None),
        ((200, ["no object"]), "time", None),
        ((500, None), "time", None),
        ((429, None), "time", 12.0),
    ],
)
async def test_an_answer_without_a_token_is_sorted_by_who_acts(
    answer: tuple[int, Any], needs: str, after: float | None, tmp_path: Path
) -> None:
    status, said = answer

    class Odd(Vendor):
        def routes(self) -> list[web.RouteDef]:
            return [web.post("/token", self.token)]

        def writes(self, request: web.Request, body: bytes) -> bool:
            return False

        async def token(self, request: web.Request) -> web.StreamResponse:
            text = "<html>" if said is None else json.dumps(said)
            return web.Response(status=status, text=text, headers={"Retry-After": "12"}
                                if status == 429 else {})  # fmt: skip

    async with Odd().serving() as odd, opened(HttpSettings(), who="x") as http:
        with pytest.raises(Stopped) as ended:
            await ask(http, App("x", f"{odd.url}/token", "app"), {"grant_type": "none"})
    assert isinstance(ended.value.outcome, TryLater)
    assert (ended.value.outcome.needs, ended.value.outcome.after) == (needs, after)


@pytest.mark.parametrize(
    ("said", "seconds"), [(1800, 1800), ("3600", 3600), (None, 600), (-1, 600), (10**9, 86_400)]
)
def test_a_lifetime_is_read_as_vendors_write_it(said: Any, seconds: float) -> None:
    assert min(oauth._seconds(said), 86_400.0) == seconds


# --- A 401 of the target ---


async def test_a_token_that_was_taken_back_is_replaced_next_time(stage: Stage) -> None:
    login = stage.refreshed()
    assert await stage.post(login) == 201
    stage.api.server.revoke()
    first = await stopped(login, stage)
    assert isinstance(first, TryLater)
    assert first.needs == "time"
    assert await stage.post(login) == 201
    stage.api.server.revoke()
    second = await stopped(login, stage)
    assert isinstance(second, TryLater)
    assert second.needs == "time", "it was taken in between"


async def test_a_fresh_token_that_is_not_taken_either_needs_a_login(stage: Stage) -> None:
    login = stage.refreshed()
    stage.api.faults.next = ["expired", "expired"]
    needs = [getattr(await stopped(login, stage), "needs", None) for _ in range(2)]
    assert needs == ["time", "login"]
    assert await stage.post(login) == 201
    assert stage.api.server.grants == {"refresh_token": 3}


# --- For a person ---


async def test_the_refresh_token_that_came_last_is_the_one_kept(stage: Stage) -> None:
    assert await stage.post(stage.refreshed()) == 201
    kept = stage.kept()
    assert kept["refresh_token"] != FIRST
    assert stage.tokens.stat().st_mode & 0o777 == 0o600
    left = {path.name for path in stage.tokens.parent.iterdir()}
    assert left == {"secret", "tokens.json", ".tokens.json.lock"}


async def test_after_a_restart_the_access_token_still_serves(stage: Stage) -> None:
    for _ in range(3):
        assert await stage.post(stage.refreshed()) == 201
    assert stage.api.server.grants == {"refresh_token": 1}


async def test_a_vendor_that_does_not_change_the_token_keeps_it(stage: Stage) -> None:
    stage.api.server.rotates = False
    assert await stage.post(stage.refreshed()) == 201
    assert stage.kept()["refresh_token"] == FIRST


async def test_several_processes_refresh_once_between_them(stage: Stage) -> None:
    logins = [stage.refreshed() for _ in range(6)]  # a lock of its own for each, as processes have
    assert set(await asyncio.gather(*map(stage.post, logins))) == {201}
    assert stage.api.server.grants == {"refresh_token": 1}


async def test_a_lost_answer_is_made_good_within_the_grace(stage: Stage) -> None:
    login = stage.refreshed()
    stage.api.server.next = ["lost"]
    assert isinstance(await stopped(login, stage), TryLater)
    assert stage.kept()["refresh_token"] == FIRST
    stage.api.server.now += 1_799
    assert await stage.post(login) == 201


async def test_after_the_grace_a_person_logs_in_and_it_goes_on(stage: Stage) -> None:
    login = stage.refreshed()
    stage.api.server.next = ["lost"]
    assert isinstance(await stopped(login, stage), TryLater)
    stage.api.server.now += 1_801
    outcome = await stopped(login, stage)
    assert isinstance(outcome, TryLater)
    assert outcome.needs == "login"
    assert "scanpost bridge login" in outcome.why
    asked = len(stage.api.server.asked)
    assert isinstance(await stopped(login, stage), TryLater)
    assert len(stage.api.server.asked) == asked, "what was refused is not asked for again"
    stage.tokens.write_text(json.dumps({"refresh_token": stage.api.server._new_refresh()}))
    assert await stage.post(login) == 201


async def test_a_disk_that_takes_nothing_shows_before_the_token_is_used_up(stage: Stage) -> None:
    (stage.tokens.parent / f".tokens.json.{os.getpid()}").mkdir()  # in the way of the new file
    outcome = await stopped(stage.refreshed(), stage)
    assert isinstance(outcome, TryLater)
    assert outcome.needs == "person"
    assert not stage.api.server.asked


async def test_a_server_that_is_away_is_tried_later(stage: Stage) -> None:
    stage.api.server.next = ["unavailable", "broken"]
    login = stage.refreshed()
    first, second = await stopped(login, stage), await stopped(login, stage)
    assert isinstance(first, TryLater)
    assert (first.needs, first.after) == ("time", 3.0)
    assert isinstance(second, TryLater)
    assert second.needs == "time"
    assert await stage.post(login) == 201


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "{}", '{"refresh_token": 7}', '{"refresh_token": "a b"}',
     '{"refresh_token": "abcd", "until": "yesterday"}',
     '{"refresh_token": "abcd", "until": "2026-01-01T00:00:00"}'],
)  # fmt: skip
async def test_a_file_that_holds_no_token_says_how_to_get_one(stage: Stage, text: str) -> None:
    stage.tokens.write_text(text)
    outcome = await stopped(stage.refreshed(), stage)
    assert isinstance(outcome, TryLater)
    assert outcome.needs == "login"
    assert "scanpost bridge login" in outcome.why


async def test_a_folder_that_is_not_there_needs_a_person(stage: Stage, tmp_path: Path) -> None:
    login = Refreshed(stage.http, stage.app, tmp_path / "nowhere" / "tokens.json")
    outcome = await stopped(login, stage)
    assert isinstance(outcome, TryLater)
    assert outcome.needs == "person"


async def test_a_process_that_hangs_with_the_lock_is_waited_for_only_so_long(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokens, "LOCK_WITHIN", 0.2)
    async with TokenFile(stage.tokens, "x").held():
        outcome = await stopped(stage.refreshed(), stage)
    assert isinstance(outcome, TryLater)
    assert "another process" in outcome.why
    assert await stage.post(stage.refreshed()) == 201


async def test_a_write_that_gets_no_answer_is_still_unknown(stage: Stage) -> None:
    stage.api.faults.next = ["lost"]
    assert isinstance(await stopped(stage.refreshed(), stage), Unknown)


async def test_no_secret_is_written_down(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    login = stage.refreshed()
    said = [repr(login), repr(stage.app)]
    with recording() as notes:
        stage.api.server.next = ["lost"]
        with contextlib.suppress(Stopped):
            await stage.post(login)
        assert await stage.post(login) == 201
        stage.api.server.revoke()
        said.append(repr(await stopped(login, stage)))
        said.append(repr(login._tokens))
    kept = stage.kept()
    said += [note.text for note in notes]
    assert any("grant_type=refresh_token" in text for text in said)
    assert any("200 access_token" in text for text in said)
    shown = "\n".join([*said, caplog.text])
    for secret in (SECRET, FIRST, kept["refresh_token"], kept["access_token"]):
        assert secret not in shown


def test_tokens_that_end_within_a_minute_are_not_fresh() -> None:
    now = datetime.now(UTC)
    assert Tokens("a", now + timedelta(seconds=61)).is_fresh(now)
    assert not Tokens("a", now + timedelta(seconds=60)).is_fresh(now)
    assert not Tokens("", now + timedelta(days=1)).is_fresh(now)


def test_a_killed_writer_leaves_one_whole_file(tmp_path: Path) -> None:
    """SIGKILL while it writes over and over: what is there is old or new, and never half."""
    path = tmp_path / "tokens.json"
    writer = textwrap.dedent(
        f"""
        from datetime import UTC, datetime
        from pathlib import Path
        from bridge.tokens import TokenFile, Tokens
        file = TokenFile(Path({str(path)!r}), "x")
        number = 0
        while True:
            number += 1
            file.write(Tokens("a" * 3000, datetime.now(UTC), f"refresh-{{number}}"))
            print(number, flush=True)
        """
    )
    process = subprocess.Popen(
        [sys.executable, "-c", writer], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    said = 0
    try:
        for _ in range(5):
            said = int(process.stdout.readline())
    finally:
        process.kill()
    rest = process.stdout.read().split()
    process.wait(60)
    process.stdout.close()
    kept = TokenFile(path, "x").read()
    last = max([said, *map(int, (each for each in rest if each.isdigit()))])
    assert kept.refresh in {f"refresh-{number}" for number in range(last - 1, last + 3)}
