"""An authorization server: gives out access tokens, and changes the refresh token with each use.

Written from RFC 6749 and from what Xero and Intuit say of theirs. Time is a number that the test
moves, so that a grace of 30 minutes is over when the test says so.
"""

import base64
import itertools
from collections import Counter
from urllib.parse import unquote_plus

from aiohttp import web

from tests.fakes.vendor import Fault


class Authorization:
    """One app's. `check` says whether a request to the API itself may pass."""

    def __init__(self, client: str = "app", secret: str = "", refresh: str = "") -> None:
        self.client = client
        self.secret = secret
        self.now = 0.0
        """Seconds of this server's clock."""
        self.grace = 1_800.0
        """Seconds an exchanged refresh token is still taken."""
        self.lifetime = 1_800
        self.rotates = True
        self.grants: Counter[str] = Counter()
        self.codes: dict[str, str] = {}
        """Redirect address by authorization code, once each."""
        self.asked: list[dict[str, str]] = []
        self.next: list[Fault] = []
        """Faults of the next requests, of those that make sense here."""
        self._numbers = itertools.count(1)
        self._access: set[str] = set()
        self._refresh: dict[str, float] = {refresh: float("inf")} if refresh else {}

    def check(self, request: web.Request) -> bool:
        """Say whether a request carries a token that holds."""
        return request.headers.get("Authorization", "").removeprefix("Bearer ") in self._access

    def revoke(self) -> None:
        """Take back all access tokens."""
        self._access.clear()

    async def token(self, request: web.Request) -> web.StreamResponse:
        """Serve the token endpoint."""
        fields = {name: str(value) for name, value in (await request.post()).items()}
        fault = self.next.pop(0) if self.next else None
        if fault == "unavailable":
            return web.Response(status=503, text="<html>", headers={"Retry-After": "3"})
        if fault == "broken":
            return web.Response(status=500, text="<html>oops</html>")
        self.asked.append(fields)
        if self._client(request, fields) != (self.client, self.secret):
            return web.json_response({"error": "invalid_client"}, status=401)
        answer = self._grant(fields)
        if fault == "lost" and request.transport is not None:
            request.transport.abort()
        return answer

    def _client(self, request: web.Request, fields: dict[str, str]) -> tuple[str, str]:
        head = request.headers.get("Authorization", "")
        if not head.startswith("Basic "):
            return fields.get("client_id", ""), fields.get("client_secret", "")
        name, _, secret = base64.b64decode(head.removeprefix("Basic ")).decode().partition(":")
        return unquote_plus(name), unquote_plus(secret)

    def _grant(self, fields: dict[str, str]) -> web.Response:
        kind = fields.get("grant_type", "")
        self.grants[kind] += 1
        given: dict[str, object] = {"token_type": "Bearer", "expires_in": self.lifetime}
        match kind:
            case "client_credentials":
                pass
            case "refresh_token":
                old = fields.get("refresh_token", "")
                if self._refresh.get(old, -1.0) < self.now:
                    return web.json_response({"error": "invalid_grant"}, status=400)
                if self.rotates:
                    self._refresh[old] = min(self._refresh[old], self.now + self.grace)
                    old = self._new_refresh()
                given["refresh_token"] = old
            case "authorization_code":
                if self.codes.pop(fields.get("code", ""), None) != fields.get("redirect_uri"):
                    return web.json_response({"error": "invalid_grant"}, status=400)
                given["refresh_token"] = self._new_refresh()
            case _:
                return web.json_response({"error": "unsupported_grant_type"}, status=400)
        access = f"access-{next(self._numbers):04}-{'a' * 40}"
        self._access.add(access)
        return web.json_response({**given, "access_token": access})

    def _new_refresh(self) -> str:
        made = f"refresh-{next(self._numbers):04}-{'r' * 40}"
        self._refresh[made] = float("inf")
        return made
