"""One open repository, or folder."""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from bridge import wire
from bridge.connector import Call, Connector
from bridge.connectors.epcis.config import Config
from bridge.connectors.epcis.events import context, document, wrapped
from bridge.http import MAX_TEXT, Answer, Http, Stopped, opened, read_secret
from bridge.outcome import Outcome, Posted, Refused, TryLater, Unknown
from contract.transactions import Transaction

VERSIONS = {"GS1-EPCIS-Version": "2.0.0", "GS1-CBV-Version": "2.0.0"}


def calls(transaction: Transaction, config: Config) -> list[Call]:
    """Return the call `deliver` would make. Pure."""
    event = document(transaction, config)
    if isinstance(event, Posted | Refused):
        return []
    if config.url is None:
        target = f"{config.folder}/{transaction.id}.jsonld"
        return [Call("write the document", "WRITE", target, _alone(transaction, event, config))]
    headers = {"Content-Type": "application/ld+json", **VERSIONS}
    return [
        Call("capture the event", "POST", f"{_base(config)}/events", _body(event, config), headers)
    ]


class Repository:
    """An EPCIS 2.0 repository. An event's id is the key there; it is looked for before a second."""

    def __init__(self, http: Http, config: Config) -> None:
        self.settle = config.http.settle
        self._http = http
        self._config = config

    async def deliver(self, transaction: Transaction, *, again: bool) -> Outcome:
        """Capture the event of `transaction` once."""
        event = document(transaction, self._config)
        if isinstance(event, Posted | Refused):
            return event
        try:
            name = str(event["eventID"])
            if again and await self._is_there(name):
                return Posted(name)
            answer = await self._capture(event)
            if answer.status == 409 and await self._is_there(name):
                return Posted(name)  # nobody else makes events of this id
            return self._outcome(answer, name)
        except Stopped as stopped:
            return stopped.outcome

    async def _capture(self, event: dict[str, Any]) -> Answer:
        headers, secrets = self._authorization()
        return await self._http.call(
            "POST",
            f"{_base(self._config)}/events",
            headers={"Content-Type": "application/ld+json", **VERSIONS, **headers},
            body=_body(event, self._config),
            secrets=secrets,
            writes=True,
        )

    async def _is_there(self, name: str) -> bool:
        headers, secrets = self._authorization()
        answer = await self._http.call(
            "GET",
            f"{_base(self._config)}/events/{name}",
            headers={**VERSIONS, **headers},
            secrets=secrets,
            writes=False,
        )
        if answer.status in (200, 404):
            return answer.ok
        raise Stopped(answer.verdict("the EPCIS repository", writes=False))

    def _outcome(self, answer: Answer, name: str) -> Outcome:
        if answer.status == 201:
            return Posted(name)
        if answer.status == 202:
            return Unknown("the repository took it to look at later")
        return answer.verdict("the EPCIS repository", writes=True)

    def _authorization(self) -> tuple[dict[str, str], list[str]]:
        if self._config.token_file is None:
            return {}, []
        token = read_secret(self._config.token_file, "the repository's token")
        return {"Authorization": f"Bearer {token}"}, [token]


class Folder:
    """A folder of documents, each named by its transaction: written once as long as it is there."""

    def __init__(self, config: Config, folder: Path) -> None:
        self.settle = 0.0
        self._config = config
        self._folder = folder

    async def deliver(self, transaction: Transaction, *, again: bool) -> Outcome:
        """Write the document of `transaction`, unless it is there."""
        event = document(transaction, self._config)
        if isinstance(event, Posted | Refused):
            return event
        text = _alone(transaction, event, self._config)
        name = f"{transaction.id}.jsonld"
        wire.sent(f"WRITE {self._folder / name}", text)
        try:
            await asyncio.to_thread(_write, self._folder, name, text)
        except OSError as error:
            return TryLater(f"{type(error).__name__}: {error}"[:MAX_TEXT])
        return Posted(name)


def _write(folder: Path, name: str, text: str) -> None:
    if (folder / name).exists():
        return
    part = folder / f".{name}.part"
    with part.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    part.replace(folder / name)
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _alone(transaction: Transaction, event: dict[str, Any], config: Config) -> str:
    return _json(wrapped([event], transaction.clock.wall, config))


def _body(event: dict[str, Any], config: Config) -> str:
    return _json({"@context": context(config), **event})


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _base(config: Config) -> str:
    return (config.url or "").rstrip("/")


@asynccontextmanager
async def connect(config: Config) -> AsyncIterator[Connector]:
    """Yield the connector for `config`. Opens nothing until the first delivery."""
    if config.folder is not None:
        yield Folder(config, config.folder)
        return
    async with opened(config.http, who="the EPCIS repository") as http:
        yield Repository(http, config)
