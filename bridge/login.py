"""The first login to a target that acts for a person: they agree in a browser, tokens are kept.

`scanpost bridge login` prints an address. A person opens it wherever they have a browser, logs in
and agrees; the vendor then sends the browser to the address the app has registered for it. If that
is on this machine's loopback the command listens there. Else, or where the browser is on another
machine, the person pastes the address the browser ended at, which need not have shown anything.

Intuit registers loopback addresses for sandbox apps only: elsewhere, paste.

Source: RFC 6749 4.1; RFC 8252 7.3.
"""

import argparse
import asyncio
import secrets
import sys
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from aiohttp import web

from bridge import registry
from bridge.errors import BridgeError
from bridge.http import HttpSettings, Stopped, opened
from bridge.oauth import Consent, Refreshed, ask
from bridge.outcome import TryLater
from bridge.tokens import TokenFile

REDIRECT = "http://localhost:8910/callback"
WITHIN = 600.0
"""Seconds for a person to agree; vendors give a code some minutes."""
_LOOPBACK = ("localhost", "127.0.0.1")


class NotAgreed(BridgeError):
    """What came back is no consent."""


def address(consent: Consent, redirect: str, state: str) -> str:
    """Return what a person is to open. Pure."""
    query = {
        "response_type": "code",
        "client_id": consent.app.client_id,
        "redirect_uri": redirect,
        "scope": consent.scope,
        "state": state,
    }
    return f"{consent.authorize_url}?{urlencode(query)}"


def code_of(reply: Mapping[str, str], state: str) -> str:
    """Return the code a vendor sent back. Pure.

    Raises:
        NotAgreed: it sent none, or it is the answer to another question.
    """
    if not secrets.compare_digest(reply.get("state", "").encode(), state.encode()):
        raise NotAgreed("that is not the answer to this login: start again")
    if not reply.get("code"):
        raise NotAgreed(f"nobody agreed: {reply.get('error') or 'no code came back'}"[:200])
    return reply["code"]


def pasted(text: str) -> dict[str, str]:
    """Return what an address says after its question mark. Pure."""
    return dict(parse_qsl(urlsplit(text.strip()).query))


async def heard(redirect: str, state: str) -> dict[str, str]:
    """Wait at a loopback address for the browser, and return what it brings.

    Raises:
        NotAgreed: nobody came within `WITHIN`, or somebody else listens there.
    """
    at = urlsplit(redirect)
    came: asyncio.Future[dict[str, str]] = asyncio.get_running_loop().create_future()

    async def answer(request: web.Request) -> web.Response:
        if request.query.get("state") != state:
            return web.Response(status=400, text="That is not the answer to this login.")
        if not came.done():
            came.set_result(dict(request.query))
        return web.Response(text="Scanpost has what it needs. You can close this page.")

    app = web.Application()
    app.router.add_get(at.path or "/", answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", at.port or 80).start()
        async with asyncio.timeout(WITHIN):
            return await came
    except OSError as error:  # a TimeoutError is one
        why = "nobody came" if isinstance(error, TimeoutError) else str(error)
        raise NotAgreed(f"{redirect}: {why}; try --paste") from error
    finally:
        await runner.cleanup()


async def keep(
    consent: Consent, settings: HttpSettings, reply: Mapping[str, str], *, state: str, redirect: str
) -> list[str]:
    """Change the code for tokens, keep them, and return what belongs into the configuration.

    Raises:
        NotAgreed: there is no code, or the vendor gives no refresh token for it.
        Stopped: the vendor cannot be asked, or declines.
        OSError: the tokens cannot be kept.
    """
    fields = {"grant_type": "authorization_code", "redirect_uri": redirect}
    async with opened(settings, who=consent.app.who) as http:
        tokens = await ask(http, consent.app, {**fields, "code": code_of(reply, state)})
        if tokens.refresh is None:
            raise NotAgreed(f"{consent.app.who} gives no refresh token: is the scope allowed?")
        TokenFile(consent.tokens_file, consent.app.who).write(tokens)
        return await consent.tell(Refreshed(http, consent.app, consent.tokens_file), reply)


# --- At the command line ---


def add_commands(actions: Any) -> None:
    """Add `login` to a parser's sub-commands, as `bridge.first_day.add_commands` does its own."""
    parser = actions.add_parser("login", help="let the bridge act for a person at the target")
    parser.add_argument(
        "--redirect", default=REDIRECT, help="the address registered with the app (%(default)s)"
    )
    parser.add_argument("--paste", action="store_true", help="paste what the browser ended at")
    parser.set_defaults(first_day=_login)


def _login(options: argparse.Namespace, target: Any) -> int:
    of = getattr(registry.load(target.connector), "consent", None)
    consent = None if of is None else of(target)
    if consent is None:
        return _say(f"{target.connector} needs no login", code=1)
    state = secrets.token_urlsafe(24)
    _say("Open this address, log in, and agree:", "", address(consent, options.redirect, state), "")
    try:
        lines = asyncio.run(_agreed(consent, target.http, options, state))
    except (BridgeError, OSError) as error:
        return _say(str(error), code=1)
    except Stopped as stopped:
        why = stopped.outcome.why if isinstance(stopped.outcome, TryLater) else stopped.outcome
        return _say(str(why), code=1)
    return _say(f"The login is kept in {consent.tokens_file}. It is for:", *lines)


async def _agreed(
    consent: Consent, settings: HttpSettings, options: argparse.Namespace, state: str
) -> list[str]:
    redirect: str = options.redirect
    if options.paste or urlsplit(redirect).hostname not in _LOOPBACK:
        _say("Then paste the address the browser ended at:")
        reply = pasted(sys.stdin.readline())
    else:
        reply = await heard(redirect, state)
    return await keep(consent, settings, reply, state=state, redirect=redirect)


def _say(*lines: str, code: int = 0) -> int:
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    sys.stdout.flush()
    return code
