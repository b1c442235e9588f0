"""An EPCIS 2.0 repository: one event at a time, each id once, each held against GS1's schema.

Written from GS1's REST bindings of EPCIS 2.0: `POST /events` answers 201, `GET /events/{eventID}`
200 or 404, and an id that is there already is refused with 409.
"""

from collections import Counter
from typing import Any

from aiohttp import web

from tests.fakes.epcis_contract import judge
from tests.fakes.vendor import Faults, Vendor


class Repository(Vendor):
    """One repository."""

    def __init__(self, faults: Faults | None = None, token: str = "") -> None:
        super().__init__(faults)
        self._token = token
        self._judge = judge()
        self.kept: dict[str, dict[str, Any]] = {}
        self.effects: Counter[str] = Counter()

    def routes(self) -> list[web.RouteDef]:
        return [web.post("/epcis/events", self.capture), web.get("/epcis/events/{name}", self.look)]

    def _is_stranger(self, request: web.Request) -> bool:
        return request.headers.get("Authorization") != f"Bearer {self._token}"

    async def capture(self, request: web.Request) -> web.StreamResponse:
        if self._is_stranger(request):
            return web.json_response({"type": "epcisException:SecurityException"}, status=401)
        event = await request.json()
        if request.headers.get("GS1-EPCIS-Version") != "2.0.0":
            self.problems.append("no version")
        if self._judge is not None and (wrong := self._judge(event)):
            self.problems += wrong
            return web.json_response(
                {"type": "epcisException:ValidationException", "title": wrong[0]}, status=400
            )
        name = event["eventID"]
        if name in self.kept:
            return web.json_response(
                {"type": "epcisException:ResourceAlreadyExistsException"}, status=409
            )
        self.kept[name] = event
        self.effects[name] += 1
        return web.Response(status=201, headers={"Location": f"/epcis/events/{name}"})

    async def look(self, request: web.Request) -> web.StreamResponse:
        if self._is_stranger(request):
            return web.json_response({}, status=401)
        found = self.kept.get(request.match_info["name"])
        return web.json_response(found or {}, status=200 if found else 404)
