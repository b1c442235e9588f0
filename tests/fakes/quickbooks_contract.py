"""Intuit's own XML schema as the judge; what is used of it is in `tests/data/vendors`.

JSON says the same as the XML: an element is a key, one that may come several times a list, and a
reference is an object of `value` and `name`.
"""

import functools
import json
import re
from pathlib import Path
from typing import Any

FILE = Path(__file__).parents[1] / "data" / "vendors" / "quickbooks-v3.json"
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}([+-][0-9]{2}:[0-9]{2}|Z)")


@functools.cache
def _contract() -> dict[str, Any]:
    said: dict[str, Any] = json.loads(FILE.read_text("utf-8"))
    return said


def _fields(name: str) -> dict[str, dict[str, Any]]:
    kind = _contract()["types"][name]
    base = kind.get("base")
    inherited = _fields(base) if base in _contract()["types"] else {}
    return {**inherited, **kind["fields"]}


def wrong_value(name: str, value: Any, where: str = "$") -> list[str]:
    """Return what is wrong with a value of a type of Intuit's, by its name."""
    types, enums = _contract()["types"], _contract()["enums"]
    if name in enums:
        return [] if value in enums[name] else [f"{where}: {value!r} is no {name}"]
    if name not in types:
        return _wrong_scalar(name, value, where)
    if types[name].get("simple"):
        return _wrong_reference(name, value, where)
    if not isinstance(value, dict):
        return [f"{where}: {name} is an object, not {value!r}"]
    fields = _fields(name)
    found = [f"{where}: {name} has no {key}" for key in value if key not in fields]
    found += [
        f"{where}: {name} needs {key}"
        for key, field in fields.items()
        if field.get("required") and key not in value and field["type"] != "id"
    ]
    for key, each in value.items():
        if key not in fields:
            continue
        if fields[key].get("many") != isinstance(each, list) and fields[key].get("many"):
            found.append(f"{where}.{key} is a list")
            continue
        for place, one in enumerate(each if fields[key].get("many") else [each]):
            found += wrong_value(fields[key]["type"], one, f"{where}.{key}[{place}]")
    return found


def _wrong_reference(name: str, value: Any, where: str) -> list[str]:
    allowed = {"value", *_contract()["types"][name]["fields"]}
    if not isinstance(value, dict) or not isinstance(value.get("value"), str):
        return [f"{where}: {name} is an object with a value, not {value!r}"]
    return [f"{where}: {name} has no {key}" for key in value if key not in allowed]


def _wrong_scalar(name: str, value: Any, where: str) -> list[str]:
    match name:
        case "xs:string" | "id":
            good = isinstance(value, str) and 0 < len(value) <= 4_000
        case "xs:decimal" | "xs:int" | "xs:positiveInteger":
            good = isinstance(value, int | float) and not isinstance(value, bool)
        case "xs:date":
            good = isinstance(value, str) and bool(_DATE.fullmatch(value))
        case "xs:dateTime":
            good = isinstance(value, str) and bool(_TIME.fullmatch(value))
        case "xs:boolean":
            good = isinstance(value, bool)
        case _:
            return [f"{where}: {name} is not among what is used"]
    return [] if good else [f"{where}: {value!r} is no {name}"]
