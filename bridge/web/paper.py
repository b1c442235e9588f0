"""What pages are drawn on: the templates, their style and their script."""

import hashlib
import importlib.resources
from importlib.metadata import version
from typing import Any

from aiohttp import web

from bridge import registry
from bridge.web.looks import environment
from bridge.web.routes import MENU
from bridge.web.sessions import Session
from bridge.web.visit import House, Shown

_FILES = {
    "style.css": "text/css",
    "live.js": "text/javascript",
    "icon.svg": "image/svg+xml",
}
_YEAR_S = 31_536_000


class Paper:
    """Of one bridge."""

    def __init__(self, house: House) -> None:
        folder = importlib.resources.files("bridge.web") / "static"
        self._files = {name: (folder / name).read_bytes() for name in _FILES}
        self._templates = environment(house.zone)
        self._always = {
            "MENU": MENU,
            "site": house.config.site,
            "bridge": house.config.name,
            "timezone": house.config.calendar.timezone,
            "version": version("scanpost"),
            "evidence": registry.load(house.config.target.connector).CAPABILITIES.evidence,
            # In the files' addresses: a browser keeps them until they are others.
            "stamp": hashlib.sha256(b"".join(self._files.values())).hexdigest()[:12],
        }

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Add the routes of style and script, which anybody may have."""
        router.add_get("/static/{name}", self._file)

    async def _file(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if name not in self._files:
            raise web.HTTPNotFound
        return web.Response(
            body=self._files[name],
            content_type=_FILES[name],
            charset="utf-8",
            headers={"Cache-Control": f"max-age={_YEAR_S}, immutable"},
        )

    def drawn(
        self, shown: Shown, session: Session | None = None, said: str = "", path: str = ""
    ) -> web.Response:
        """Return a page.

        Args:
            shown: what it shows.
            session: of who looks; None before the login.
            said: what it tells of what was done before.
            path: of the page, for the menu.
        """
        values: dict[str, Any] = {
            "user": None if session is None else session.user,
            "csrf": "" if session is None else session.csrf,
            "said": said,
            "path": path,
        }
        template = self._templates.get_template(shown.template)
        return web.Response(
            text=template.render(self._always | values | dict(shown.values)),
            content_type="text/html",
            status=shown.status,
            headers={"Cache-Control": "no-store"},
        )
