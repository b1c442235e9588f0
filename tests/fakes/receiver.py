"""Whoever receives webhooks: checks the signature, does once what comes twice, keeps it all.

Its check of the signature is written from the specification Standard Webhooks 1.0.
"""

import base64
import hashlib
import hmac
import json
import time
from collections import Counter
from typing import Any

from aiohttp import web

from tests.fakes.vendor import Faults, Vendor


class Receiver(Vendor):
    """A REST endpoint of somebody's own."""

    def __init__(self, faults: Faults | None = None, secret: str = "", token: str = "") -> None:
        super().__init__(faults)
        self._secret = secret
        self._token = token
        self.kept: dict[str, Any] = {}
        """What was booked, by key, in order."""
        self.effects: Counter[str] = Counter()
        self._bodies: dict[str, bytes] = {}

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/in/{kind}", self.take),
            web.get("/in/{key}", self.look),
            web.post("/say/{status}", self.say),
        ]

    def refused_with_200(self, request: web.Request) -> web.Response:
        return web.json_response({"status": "busy"})

    async def take(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        if request.headers.get("Authorization") != f"Bearer {self._token}":
            return web.json_response({"error": "who are you?"}, status=401)
        if wrong := self._unsigned(request, body):
            self.problems.append(wrong)
            return web.json_response({"error": wrong}, status=400)
        key = request.headers.get("Idempotency-Key", "")
        if key not in self.kept:
            self.kept[key] = json.loads(body)
            self.effects[key] += 1
            self._bodies[key] = body
        elif self._bodies[key] != body:
            self.problems.append(f"the key {key} came with two bodies")
            return web.json_response({"error": "another body"}, status=422)
        return web.json_response({"data": {"number": list(self.kept).index(key) + 1}})

    async def look(self, request: web.Request) -> web.StreamResponse:
        key = request.match_info["key"]
        if key not in self.kept:
            return web.json_response({}, status=404)
        return web.json_response({"data": {"number": list(self.kept).index(key) + 1}})

    async def say(self, request: web.Request) -> web.StreamResponse:
        """Answer with the status asked for, and the body that came."""
        body = await request.read()
        return web.Response(status=int(request.match_info["status"]), body=body)

    def _unsigned(self, request: web.Request, body: bytes) -> str:
        name = request.headers.get("webhook-id", "")
        stamp = request.headers.get("webhook-timestamp", "0")
        key = base64.b64decode(self._secret.removeprefix("whsec_"))
        mac = hmac.new(key, b".".join((name.encode(), stamp.encode(), body)), hashlib.sha256)
        made = "v1," + base64.b64encode(mac.digest()).decode()
        if not hmac.compare_digest(made, request.headers.get("webhook-signature", "")):
            return "the signature is not ours"
        if abs(time.time() - int(stamp)) > 300:
            return "the message is old"
        return "" if name == request.headers.get("Idempotency-Key") else "two ids"
