"""Finale's REST interface: resources by their own address, and collections by columns.

Source: Finale's developer pages on authentication, resource patterns and filtering resources.
"""

import json
from base64 import b64encode
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from bridge.connectors.finale.config import Config
from bridge.http import MAX_TEXT, SETTING_WRONG, Answer, Http, Stopped, read_secret
from bridge.outcome import TryLater, Unknown

Resource = dict[str, Any]


class Rest:
    """One account. Everything that is no success raises `Stopped`."""

    def __init__(self, http: Http, config: Config) -> None:
        self._http = http
        self._config = config

    async def get(self, address: str) -> Resource | None:
        """Return one resource, or None where there is none at its address."""
        answer = await self._call("GET", address, "", writes=False)
        return None if answer.status == 404 else _read(answer, writes=False)

    async def collection(
        self, name: str, wanted: Mapping[str, list[str]] | None = None
    ) -> list[Resource]:
        """Return the resources of a collection whose fields lie in the ranges wanted.

        A filter is a hint here: whoever asks looks at what comes.
        """
        query = [("filter", filter_of(wanted))] if wanted else []
        address = f"{self._config.api}/{name}/"
        answer = await self._call("GET", address, "", query=query, writes=False)
        columns = _read(answer, writes=False)
        lists = {field: rows for field, rows in columns.items() if isinstance(rows, list)}
        if len({len(rows) for rows in lists.values()}) > 1:
            raise Stopped(TryLater(f"Finale's columns of {name} differ in length", SETTING_WRONG))
        rows = zip(*lists.values(), strict=True)
        return [dict(zip(lists, row, strict=True)) for row in rows]

    async def post(self, address: str, said: Mapping[str, Any]) -> Resource:
        """Make or change a resource, and return what it is then."""
        return _read(await self._call("POST", address, body_of(said), writes=True), writes=True)

    async def _call(
        self,
        method: str,
        address: str,
        body: str,
        *,
        query: list[tuple[str, str]] | None = None,
        writes: bool,
    ) -> Answer:
        key = read_secret(self._config.key_file, "Finale's API key")
        secret = read_secret(self._config.secret_file, "the secret of Finale's API key")
        pair = b64encode(f"{key}:{secret}".encode()).decode()
        headers = {"Authorization": f"Basic {pair}"}
        if body:
            headers["Content-Type"] = "application/json"
        return await self._http.call(
            method,
            f"{self._config.url.rstrip('/')}{address}",
            query=query or (),
            headers=headers,
            body=body,
            secrets=[key, secret, pair],
            writes=writes,
        )


def body_of(said: Mapping[str, Any]) -> str:
    """Return the body of a request, the same each time."""
    return json.dumps(said, ensure_ascii=False)


def filter_of(wanted: Mapping[str, list[str]]) -> str:
    """Return the value of a collection's query parameter `filter`.

    >>> filter_of({"productId": ["A", "A"]})
    'eyJwcm9kdWN0SWQiOiBbIkEiLCAiQSJdfQ=='
    """
    return b64encode(json.dumps(wanted).encode()).decode()


def address_of(config: Config, collection: str, name: str) -> str:
    """Return the address of a resource that is named by its id."""
    return f"{config.api}/{collection}/{quote(name, safe='')}"


def _read(answer: Answer, *, writes: bool) -> Resource:
    if answer.status != 200:
        raise Stopped(answer.verdict("Finale", writes=writes))
    try:
        said = answer.json()
    except ValueError:
        said = None
    if isinstance(said, dict):
        return said
    why = f"Finale answered 200 with what is no resource: {answer.text}"[:MAX_TEXT]
    raise Stopped(Unknown(why) if writes else TryLater(why, SETTING_WRONG))
