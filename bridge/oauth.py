"""OAuth 2.0 for connectors: access tokens that are fresh, refresh tokens that are not lost.

A connector opens a `Login` beside its `Http` and makes its calls by `Login.call`, which puts the
token in and sorts out an answer 401:

    login = ClientCredentials(http, App("NetSuite", token_url, client_id, secret_file))
    answer = await login.call("GET", url, writes=False)

`ClientCredentials` asks for a token with the app's own secret, or with a signed assertion, and
keeps it in memory. `Refreshed` acts for a person who once agreed: it keeps their tokens in a file,
one refresh at a time, whichever process of the bridge makes it.

Where a vendor changes the refresh token with each use, the new one is lost when its answer is, or
when the machine dies before it is on disk. The file keeps the old token until the new one is
durable, and whoever comes next tries the old one again. That works for as long as the vendor still
takes it: Xero for 30 minutes; Intuit changes it about once a day, as its users report, and names no
time for the one before. After that a person logs in again: `scanpost bridge login`.

Source: RFC 6749 2.3.1, 4.4, 5, 6; RFC 7523 2.2; Xero's staff on its forum for the 30 minutes.
"""

import asyncio
import logging
import re
from abc import ABC, abstractmethod
from base64 import b64encode
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote_plus, urlencode

from bridge import wire
from bridge.http import MAX_TEXT, SETTING_WRONG, Answer, Http, Stopped, read_secret
from bridge.outcome import TryLater
from bridge.tokens import TokenFile, Tokens, is_token
from runtime import logs

log = logging.getLogger(__name__)

LIFETIME = 600.0
"""Seconds a token counts for where the vendor does not say; RFC 6749 5.1 only recommends it."""

_JWT_BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


@dataclass(frozen=True, slots=True)
class App:
    """The bridge as a vendor's authorization server knows it."""

    who: str
    """The vendor, in words."""
    token_url: str
    client_id: str
    secret_file: Path | None = None
    """File with the client secret; None for an app that has none, or that signs."""
    style: Literal["basic", "body"] = "basic"
    """Where the client id and secret stand: RFC 6749 2.3.1 prefers the header."""
    scope: str = ""
    """What is asked for, separated by spaces."""
    assertion: Callable[[], str] | None = field(default=None, repr=False)
    """Makes a signed JWT that stands in for the secret, a new one for each request (RFC 7523)."""
    more: tuple[tuple[str, str], ...] = ()
    """Further fields of the token request, such as `resource` or `audience`."""

    def request(self, fields: Mapping[str, str]) -> tuple[dict[str, str], str, list[str]]:
        """Return headers, body and secrets of a token request. Raises Stopped without a secret."""
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        body = {**fields, **dict(self.more)}
        secrets: list[str] = []
        if self.assertion is not None:
            signed = self.assertion()
            body |= {"client_assertion_type": _JWT_BEARER, "client_assertion": signed}
            secrets.append(signed)
        elif self.secret_file is None:
            body["client_id"] = self.client_id
        else:
            secret = read_secret(self.secret_file, f"the client secret of {self.who}")
            secrets.append(secret)
            if self.style == "body":
                body |= {"client_id": self.client_id, "client_secret": secret}
            else:
                pair = f"{quote_plus(self.client_id)}:{quote_plus(secret)}"
                headers["Authorization"] = f"Basic {b64encode(pair.encode()).decode()}"
        return headers, urlencode(body), secrets


@dataclass(frozen=True, slots=True)
class Consent:
    """What a person is asked for, once, by `bridge.login`. A connector's `consent(config)`."""

    app: App
    authorize_url: str
    """Where the vendor asks."""
    scope: str
    tokens_file: Path
    tell: "Callable[[Login, Mapping[str, str]], Awaitable[list[str]]]"
    """Says what the person must know for the configuration, from what the vendor sent back."""


async def ask(http: Http, app: App, fields: Mapping[str, str]) -> Tokens:
    """Ask the authorization server for tokens: one request, of which no secret is written down.

    Args:
        http: an open session.
        app: who asks.
        fields: `grant_type` and what belongs to it.

    Raises:
        Stopped: no token; `TryLater(needs="login")` where asking again cannot help. A token request
            books nothing, so it is never `Unknown`.
    """
    headers, body, secrets = app.request(fields)
    asked = datetime.now(UTC)
    wire.sent(f"POST {app.token_url}", f"grant_type={fields['grant_type']} [the rest is secret]")
    with wire.recording():  # the answer is nothing but secrets, which nobody can know before
        answer = await http.call(
            "POST", app.token_url, headers=headers, body=body, secrets=secrets, writes=False
        )
    said = _read(answer)
    wire.heard(f"{answer.status} {', '.join(sorted(said)) or 'no JSON object'}")
    access, seconds, refresh = (
        said.get(name) for name in ("access_token", "expires_in", "refresh_token")
    )
    if not answer.ok or not is_token(access):
        raise Stopped(_declined(app, answer, said))
    lifetime = timedelta(seconds=min(_seconds(seconds), 86_400.0))
    return Tokens(str(access), asked + lifetime, str(refresh) if is_token(refresh) else None)


def _read(answer: Answer) -> dict[str, Any]:
    try:
        said = answer.json()
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}


def _seconds(value: object) -> float:
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return float(value)
    if isinstance(value, str) and re.fullmatch(r"[1-9][0-9]{0,8}", value):
        return float(value)  # NetSuite writes it as text
    return LIFETIME


def _declined(app: App, answer: Answer, said: Mapping[str, Any]) -> TryLater:
    """Sort an answer that gave no token. Its words are shown; a server repeats no secret in them.

    Source: RFC 6749 5.2.
    """
    code = str(said.get("error", ""))[:MAX_TEXT]
    words = " ".join(str(said.get("error_description", "")).split())
    why = f"{app.who} gives no token: {answer.status} {code} {words}".strip()[:MAX_TEXT]
    if code in {"invalid_grant", "invalid_client", "unauthorized_client", "access_denied"}:
        return TryLater(why, SETTING_WRONG, "login")
    if code in {"invalid_scope", "invalid_request", "unsupported_grant_type"}:
        return TryLater(why, SETTING_WRONG, "person")
    if answer.status in (401, 403):
        return TryLater(why, SETTING_WRONG, "login")
    return TryLater(why, answer.retry_after)


class Login(ABC):
    """Access to one target, with a token that is renewed in time. Several tasks may share it."""

    def __init__(self, http: Http, app: App) -> None:
        self._http = http
        self._app = app
        self._tokens: Tokens | None = None
        self._turn = asyncio.Lock()
        self._doubted = False

    async def token(self) -> str:
        """Return an access token that holds for another minute.

        Raises:
            Stopped: there is none; `TryLater` says what for.
        """
        async with self._turn:
            if self._tokens is None or not self._tokens.is_fresh(datetime.now(UTC)):
                self._tokens = await self._renewed()
            return self._tokens.access

    async def call(
        self,
        method: str,
        url: str,
        *,
        query: Sequence[tuple[str, str]] = (),
        headers: Mapping[str, str] | None = None,
        body: str | bytes = b"",
        writes: bool,
    ) -> Answer:
        """Make one request with the token; as `Http.call` otherwise.

        Raises:
            Stopped: no token, no answer, or 401. The first 401 in a row is `TryLater`, and a new
                token is asked for next time; if that one is not taken either, it needs a login.
        """
        token = await self.token()
        answer = await self._http.call(
            method,
            url,
            query=query,
            headers={**(headers or {}), "Authorization": f"Bearer {token}"},
            body=body,
            secrets=[token],
            writes=writes,
        )
        if answer.status != 401:
            self._doubted = False
            return answer
        raise Stopped(self._rejected(token, answer))

    def _rejected(self, token: str, answer: Answer) -> TryLater:
        why = f"{self._app.who} does not take the token: {' '.join(answer.text.split())}"[:MAX_TEXT]
        again, self._doubted = self._doubted, True
        if self._tokens is not None and self._tokens.access == token:
            self._forget(token)
            self._tokens = None
        return TryLater(why, SETTING_WRONG, "login") if again else TryLater(why)

    @abstractmethod
    async def _renewed(self) -> Tokens:
        """Return tokens that are fresh."""

    def _forget(self, token: str) -> None:  # noqa: B027 - what is kept nowhere needs no more
        """Take note that an access token is not to be used any more."""


class ClientCredentials(Login):
    """The bridge as itself: a token for the app's own secret or signature (RFC 6749 4.4)."""

    async def _renewed(self) -> Tokens:
        fields = {"grant_type": "client_credentials"}
        if self._app.scope:
            fields["scope"] = self._app.scope
        return await ask(self._http, self._app, fields)


class Refreshed(Login):
    """The bridge for a person who agreed: a refresh token that may change with each use."""

    def __init__(self, http: Http, app: App, path: Path) -> None:
        """Take the file that `scanpost bridge login` writes and this keeps up to date."""
        super().__init__(http, app)
        self._file = TokenFile(path, app.who)
        self._not_taken = ""
        self._refused = ""

    async def _renewed(self) -> Tokens:
        async with self._file.held():
            kept = self._file.read()
            if kept.is_fresh(datetime.now(UTC)) and kept.access != self._not_taken:
                return kept  # another process was faster, or this one was started again
            if kept.refresh == self._refused:
                raise Stopped(self._expired("refused before"))
            self._keep(kept)  # a disk that takes nothing must show before the token is used up
            return await self._exchanged(kept)

    async def _exchanged(self, kept: Tokens) -> Tokens:
        refresh = kept.refresh or ""
        fields = {"grant_type": "refresh_token", "refresh_token": refresh}
        try:
            got = await ask(self._http, self._app, fields)
        except Stopped as stopped:
            match stopped.outcome:
                case TryLater(why=why, needs="login") if "invalid_grant" in why:
                    self._refused = refresh
                    raise Stopped(self._expired(why)) from None
            raise
        got = Tokens(got.access, got.until, got.refresh or refresh)
        self._keep(got)
        return got

    def _keep(self, tokens: Tokens) -> None:
        try:
            self._file.write(tokens)
        except OSError as error:
            why = f"the tokens for {self._app.who} cannot be kept: {error}"[:MAX_TEXT]
            logs.event(log, logging.ERROR, "tokens are not kept", who=self._app.who, why=str(error))
            raise Stopped(TryLater(why, SETTING_WRONG, "person")) from None

    def _forget(self, token: str) -> None:
        self._not_taken = token

    def _expired(self, why: str) -> TryLater:
        text = f"the login for {self._app.who} is over ({why}): run scanpost bridge login"
        return TryLater(text[:MAX_TEXT], SETTING_WRONG, "login")
