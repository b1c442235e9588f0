import argparse
import asyncio
import contextlib
import io
import json
import sys
import tomllib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import aiohttp
import pytest
from pydantic import BaseModel

from bridge import login
from bridge.connectors import files, quickbooks, xero
from bridge.http import HttpSettings, Stopped
from bridge.login import REDIRECT, NotAgreed, address, code_of, heard, keep, pasted
from bridge.oauth import App, Consent, Login
from bridge.outcome import TryLater
from tests.fakes.authorization import Authorization
from tests.fakes.quickbooks import COMPANY, Books
from tests.fakes.xero import TENANT, Organisation
from tests.mosquitto import free_port

ROOT = Path(__file__).parents[2]
SECRET = "s3cret-of-the-app"
SETTINGS = HttpSettings(timeout=20)


async def nothing(_login: Login, _reply: object) -> list[str]:
    return []


def consent(url: str, folder: Path) -> Consent:
    secret = folder / "secret"
    secret.write_text(SECRET)
    app = App("the vendor", f"{url}/token", "app", secret)
    return Consent(app, "https://vendor.example/authorize", "a b", folder / "tokens.json", nothing)


@pytest.fixture
def unused_port() -> int:
    return free_port()


@pytest.fixture
async def vendor() -> AsyncIterator[Organisation]:
    async with Organisation(None, Authorization("app", SECRET)).serving() as served:
        yield served


def test_the_address_says_what_is_asked_for(tmp_path: Path) -> None:
    asked = address(consent("https://x.example", tmp_path), REDIRECT, "st&te")
    assert asked.startswith("https://vendor.example/authorize?")
    assert parse_qs(urlsplit(asked).query) == {
        "response_type": ["code"],
        "client_id": ["app"],
        "redirect_uri": [REDIRECT],
        "scope": ["a b"],
        "state": ["st&te"],
    }


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        ({}, "not the answer"),
        ({"code": "c", "state": "other"}, "not the answer"),
        ({"state": "mine"}, "no code"),
        ({"state": "mine", "error": "access_denied"}, "access_denied"),
    ],
)
def test_what_is_no_consent_is_said(reply: dict[str, str], words: str) -> None:
    with pytest.raises(NotAgreed, match=words):
        code_of(reply, "mine")


def test_a_pasted_address_is_read() -> None:
    said = pasted(f" {REDIRECT}?code=c%2F1&state=mine&realmId=7\n")
    assert said == {"code": "c/1", "state": "mine", "realmId": "7"}
    assert not pasted("what?")


async def test_the_browser_is_waited_for_on_loopback(unused_port: int) -> None:
    redirect = f"http://localhost:{unused_port}/back"
    waiting = asyncio.create_task(heard(redirect, "mine"))
    base = f"http://127.0.0.1:{unused_port}/back"
    async with aiohttp.ClientSession() as browser, asyncio.timeout(60):
        while True:
            try:
                async with browser.get(f"{base}?code=stray&state=other") as answer:
                    assert answer.status == 400
                    break
            except aiohttp.ClientConnectorError:
                await asyncio.sleep(0.02)  # it does not listen yet
        async with browser.get(f"{base}?code=c&state=mine") as answer:
            assert "You can close this page" in await answer.text()
        assert await waiting == {"code": "c", "state": "mine"}


async def test_nobody_who_comes_is_waited_for_only_so_long(
    unused_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(login, "WITHIN", 0.1)
    with pytest.raises(NotAgreed, match="nobody came"):
        await heard(f"http://localhost:{unused_port}/back", "mine")


async def test_a_port_that_is_taken_is_said(vendor: Organisation) -> None:
    with pytest.raises(NotAgreed, match="--paste"):
        await heard(f"{vendor.url}/back", "mine")


async def test_a_code_is_good_once(vendor: Organisation, tmp_path: Path) -> None:
    asked = consent(vendor.url, tmp_path)
    vendor.server.codes["c1"] = REDIRECT
    reply = {"code": "c1", "state": "mine"}
    await keep(asked, SETTINGS, reply, state="mine", redirect=REDIRECT)
    kept = json.loads(asked.tokens_file.read_text())
    assert kept["refresh_token"].startswith("refresh-")
    assert asked.tokens_file.stat().st_mode & 0o777 == 0o600
    with pytest.raises(Stopped) as stopped:
        await keep(asked, SETTINGS, reply, state="mine", redirect=REDIRECT)
    assert isinstance(stopped.value.outcome, TryLater)
    assert json.loads(asked.tokens_file.read_text()) == kept


async def test_a_code_for_another_address_is_declined(vendor: Organisation, tmp_path: Path) -> None:
    vendor.server.codes["c1"] = "https://elsewhere.example/"
    with pytest.raises(Stopped):
        await keep(
            consent(vendor.url, tmp_path), SETTINGS, {"code": "c1", "state": "mine"},
            state="mine", redirect=REDIRECT,
        )  # fmt: skip
    assert not (tmp_path / "tokens.json").exists()


# --- The command ---


@dataclass
class Terminal:
    """`scanpost bridge login`, and who sits before it."""

    process: asyncio.subprocess.Process

    async def address(self) -> str:
        assert self.process.stdout is not None
        async with asyncio.timeout(60):
            while line := (await self.process.stdout.readline()).decode():
                if line.startswith("https://"):
                    return line.strip()
        raise AssertionError("it showed no address")

    async def ended(self) -> tuple[int, str]:
        async with asyncio.timeout(60):
            said, _ = await self.process.communicate()
            return await self.process.wait(), said.decode()


def written(folder: Path, target: str) -> Path:
    path = folder / "bridge.toml"
    path.write_text(f'site = "north"\nledger = "{folder}/ledger.db"\n[target]\n{target}\n')
    return path


@contextlib.asynccontextmanager
async def started(folder: Path, target: str, *words: str) -> AsyncIterator[Terminal]:
    """Start it, and leave no process behind however the test ends."""
    path = written(folder, target)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bridge", "login", "--config", str(path), *words),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        yield Terminal(process)
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


def target_of(connector: str, url: str, folder: Path, *more: str) -> str:
    (folder / "secret").write_text(SECRET)
    lines = [
        f'connector = "{connector}"',
        'client_id = "app"',
        f'client_secret_file = "{folder}/secret"',
        f'url = "{url}/api"',
        f'token_url = "{url}/token"',
        *more,
    ]
    return "\n".join(lines)


async def test_a_person_logs_in_to_xero_and_is_told_the_organisation(
    vendor: Organisation, tmp_path: Path, unused_port: int
) -> None:
    redirect = f"http://localhost:{unused_port}/callback"
    words = ("--redirect", redirect)
    target = target_of("xero", vendor.url, tmp_path, *_kept(tmp_path))
    async with started(tmp_path, target, *words) as at:
        query = parse_qs(urlsplit(await at.address()).query)
        assert "offline_access" in query["scope"][0]
        vendor.server.codes["c1"] = query["redirect_uri"][0]
        back = f"http://127.0.0.1:{unused_port}/callback?code=c1&state={query['state'][0]}"
        async with aiohttp.ClientSession() as browser, asyncio.timeout(60):
            while True:
                try:
                    async with browser.get(back) as answer:
                        assert answer.status == 200
                        break
                except aiohttp.ClientConnectorError:
                    await asyncio.sleep(0.02)  # it does not listen yet
        code, said = await at.ended()
    assert code == 0
    assert f'tenant = "{TENANT}"  # Bolts Ltd' in said
    tokens = json.loads((tmp_path / "tokens.json").read_text())
    assert tokens["refresh_token"] not in said
    assert SECRET not in said


async def test_quickbooks_sends_the_company_along(tmp_path: Path) -> None:
    async with Books(None, Authorization("app", SECRET)).serving() as books:
        text = target_of("quickbooks", books.url, tmp_path, *_kept(tmp_path), 'company = "1"')
        consent_ = quickbooks.consent(quickbooks.Config.model_validate(tomllib.loads(text)))
        redirect = "https://bolts.example/thanks"
        books.server.codes["c2"] = redirect
        reply = {"code": "c2", "state": "mine", "realmId": COMPANY}
        said = await keep(consent_, SETTINGS, reply, state="mine", redirect=redirect)
    assert said == [f'company = "{COMPANY}"']
    assert (tmp_path / "tokens.json").exists()


def _kept(folder: Path) -> tuple[str]:
    return (f'tokens_file = "{folder}/tokens.json"',)


def asked(target: BaseModel, *words: str) -> int:
    """What the command does, in this process."""
    parser = argparse.ArgumentParser()
    login.add_commands(parser.add_subparsers())
    options = parser.parse_args(["login", *words])
    code: int = options.first_day(options, target)
    return code


def test_a_refusal_that_is_pasted_is_said_and_nothing_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("secrets.token_urlsafe", lambda _size: "mine")
    back = f"{REDIRECT}?error=access_denied&state=mine\n"
    monkeypatch.setattr(sys, "stdin", io.StringIO(back))
    text = target_of("xero", "https://x.example", tmp_path, *_kept(tmp_path))
    assert asked(xero.Config.model_validate(tomllib.loads(text)), "--paste") == 1
    assert "access_denied" in capsys.readouterr().out
    assert not (tmp_path / "tokens.json").exists()


def test_a_target_that_asks_nobody_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = target_of("xero", "https://x.example", tmp_path)
    for target in (
        xero.Config.model_validate(tomllib.loads(text)),
        files.Config(connector="files", folder=tmp_path),
    ):
        assert asked(target) == 1
        assert f"{target.connector} needs no login" in capsys.readouterr().out
