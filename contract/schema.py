"""The contract in words other programs read: JSON Schema files and an AsyncAPI 3.0 document.

`python -m contract.schema --write` writes `contract/schemas/`; `--check` fails where a file there
is not what the models say today.
"""

import argparse
import inspect
import json
import re
import sys
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from contract.commands import Command, Response
from contract.envelope import DATA_SCHEMA, MAX_ENVELOPE, Ack, Envelope, Rows
from contract.reference import Ask, Newest, Page
from contract.topics import Topics
from contract.transactions import Transaction

SCHEMAS = Path(__file__).parent / "schemas"
DIALECT = "https://json-schema.org/draft/2020-12/schema"

_TO_GATEWAY = frozenset({"ack", "command", "newest", "page"})
"""What a gateway hears; everything else it says."""
_PAYLOADS = {
    "tx": "envelope.json",
    "ack": "ack.json",
    "command": "command.json",
    "response": "response.json",
    "newest": "newest.json",
    "ask": "ask.json",
    "page": "page.json",
}
"""Channels whose payload has a schema of its own."""


def documents() -> dict[str, dict[str, Any]]:
    """Return every generated document by file name."""
    return {
        "transactions.json": _schema(Rows, DATA_SCHEMA),
        "envelope.json": _schema(Envelope, "urn:scanpost:schema:envelope:1"),
        "ack.json": _schema(Ack, "urn:scanpost:schema:ack:1"),
        "command.json": _schema(Command, "urn:scanpost:schema:command:1"),
        "response.json": _schema(Response, "urn:scanpost:schema:response:1"),
        "newest.json": _schema(Newest, "urn:scanpost:schema:newest:1"),
        "ask.json": _schema(Ask, "urn:scanpost:schema:ask:1"),
        "page.json": _schema(Page, "urn:scanpost:schema:page:1"),
        "asyncapi.json": _asyncapi(),
    }


def text_of(document: dict[str, Any]) -> str:
    """Return a document as it is written to its file."""
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def stale(folder: Path = SCHEMAS) -> list[str]:
    """Return the names of files in `folder` that are missing, changed or no longer made."""
    wanted = {name: text_of(document) for name, document in documents().items()}
    found = {path.name: path.read_text("utf-8") for path in folder.glob("*.json")}
    return sorted(
        name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name)
    )


def write(folder: Path = SCHEMAS) -> None:
    """Write every document to `folder`, and nothing else."""
    folder.mkdir(exist_ok=True)
    for name, document in documents().items():
        (folder / name).write_text(text_of(document), "utf-8")


def _schema(model: type[BaseModel], identifier: str) -> dict[str, Any]:
    """Return the schema of a model as it travels: amounts are strings, rows hold transactions."""
    _, merged = models_json_schema([(model, "serialization"), (Transaction, "serialization")])
    definitions: dict[str, Any] = merged["$defs"]
    if "Row" in definitions:
        definitions["Row"]["properties"]["transaction"] = {"$ref": "#/$defs/Transaction"}
    own = definitions.pop(model.__name__)
    kept = _reachable(own, definitions)
    return {"$schema": DIALECT, "$id": identifier, **own, **({"$defs": kept} if kept else {})}


def _reachable(root: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    names: set[str] = set()
    waiting = [root]
    while waiting:
        found = set(re.findall(r'"#/\$defs/(\w+)"', json.dumps(waiting.pop()))) - names
        names |= found
        waiting += [definitions[name] for name in found]
    return {name: definitions[name] for name in sorted(names)}


def _asyncapi() -> dict[str, Any]:
    channels: dict[str, Any] = {}
    operations: dict[str, Any] = {}
    messages: dict[str, Any] = {}
    for name, (address, parameter, words) in _topics().items():
        channels[name] = {
            "address": address,
            "description": words,
            "messages": {name: {"$ref": f"#/components/messages/{name}"}},
            "parameters": {
                key: {"$ref": f"#/components/parameters/{key}"}
                for key in ("site", "gateway", *([parameter] if parameter else ()))
            },
        }
        operations[name] = {
            "action": "receive" if name in _TO_GATEWAY else "send",
            "summary": words.split(". ")[0].rstrip(".") + ".",
            "channel": {"$ref": f"#/channels/{name}"},
            "bindings": {"mqtt": {**_delivery(words), "bindingVersion": "0.2.0"}},
        }
        payload = {"$ref": f"./{_PAYLOADS[name]}"} if name in _PAYLOADS else {"type": "object"}
        messages[name] = {"contentType": "application/json", "payload": payload}
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Scanpost",
            "version": "1",
            "description": "What a gateway says and hears over MQTT 3.1.1 or 5. "
            f"No payload is longer than {MAX_ENVELOPE} bytes.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "channels": channels,
        "operations": operations,
        "components": {"messages": messages, "parameters": _parameters()},
    }


def _topics() -> dict[str, tuple[str, str | None, str]]:
    """Return address, own parameter and description of every topic `Topics` can build."""
    example = Topics("site", "gateway")
    found: dict[str, tuple[str, str | None, str]] = {}
    for name, member in inspect.getmembers_static(Topics):
        if name.startswith("_") or not (isinstance(member, property) or inspect.isfunction(member)):
            continue
        parameter = (
            None if isinstance(member, property) else list(inspect.signature(member).parameters)[1]
        )
        built = getattr(example, name)
        topic: str = built if parameter is None else built("parameter")
        address = topic.replace("/site/gateway/", "/{site}/{gateway}/")
        if parameter:
            address = address.replace("/parameter", f"/{{{parameter}}}")
        found[name] = (address, parameter, " ".join((inspect.getdoc(member) or "").split()))
    return found


def _delivery(words: str) -> dict[str, Any]:
    qos = re.search(r"QoS ([012])", words)
    return {
        "qos": int(qos[1]) if qos else 0,
        "retain": bool(re.search(r"(?<!not )retained", words)),
    }


def _parameters() -> dict[str, Any]:
    own = {parameter for _, parameter, _ in _topics().values() if parameter}
    return {
        name: {"description": f"1 to 32 of a-z 0-9 -: the {name} by its slug."}
        for name in ("site", "gateway", *sorted(own))
    }


def main(arguments: list[str]) -> int:
    """Write the files, or say which of them are stale. Returns 1 for stale ones."""
    parser = argparse.ArgumentParser(prog="python -m contract.schema", description=__doc__)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--check", action="store_true")
    what.add_argument("--write", action="store_true")
    if parser.parse_args(arguments).write:
        write()
    for name in stale():
        sys.stderr.write(f"{name} is not what the models say: python -m contract.schema --write\n")
    return 1 if stale() else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
