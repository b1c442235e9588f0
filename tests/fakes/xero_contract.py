"""Xero's own OpenAPI as the judge: `tests/data/vendors/xero-accounting.json`, cut to what is used.

Xero's schemas allow any further key, so that a misspelt one passes; here none may be that the file
does not name.
"""

import functools
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

FILE = Path(__file__).parents[1] / "data" / "vendors" / "xero-accounting.json"
EVERYWHERE = frozenset({"accept", "accept-encoding", "authorization", "content-length",
                        "content-type", "host", "user-agent"})  # fmt: skip


@functools.cache
def _contract() -> dict[str, Any]:
    said: dict[str, Any] = json.loads(FILE.read_text("utf-8"))
    said["components"] = {"schemas": _closed(said.pop("schemas"))}
    return said


def _closed(value: Any) -> Any:
    if isinstance(value, list):
        return [_closed(each) for each in value]
    if not isinstance(value, dict):
        return value
    closed = {name: _closed(each) for name, each in value.items()}
    if isinstance(closed.get("properties"), dict) and closed.get("type", "object") == "object":
        closed.setdefault("additionalProperties", False)
    return closed


@functools.cache
def _judge(name: str) -> Draft202012Validator:
    resource = Resource.from_contents(_contract(), default_specification=DRAFT202012)
    registry: Registry[Any] = Registry().with_resource("urn:xero", resource)
    schema = {"$ref": f"urn:xero#/components/schemas/{name}"}
    formats = Draft202012Validator.FORMAT_CHECKER
    return Draft202012Validator(schema, registry=registry, format_checker=formats)


def wrong_value(name: str, value: Any) -> list[str]:
    """Return what is wrong with a value of a schema of Xero's, by its name."""
    found = _judge(name).iter_errors(value)
    return [f"{each.json_path}: {each.message[:200]}" for each in found]


def wrong_request(
    method: str, path: str, query: Iterable[str], headers: Mapping[str, str], body: Any
) -> list[str]:
    """Return what is wrong with a request, whose path is as Xero's file writes it."""
    known = _contract()["paths"].get(path, {}).get(method.lower())
    if known is None:
        return [f"Xero has no {method} {path}"]
    allowed = {(each["in"], each["name"].lower()) for each in known["parameters"]}
    found = [f"no such query: {name}" for name in query if ("query", name.lower()) not in allowed]
    found += [
        f"no such header: {name}"
        for name in headers
        if name.lower() not in EVERYWHERE and ("header", name.lower()) not in allowed
    ]
    if len(headers.get("Idempotency-Key", "")) > 128:
        found.append("the key has more than 128 characters")
    if "body" in known:
        found += wrong_value(known["body"]["$ref"].rpartition("/")[2], body)
    return found
