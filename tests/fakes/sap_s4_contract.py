"""SAP's own models of its services as the judge: the CSN in the packages of its Cloud SDK.

They say which entities there are, which properties with which types and lengths, and (beside them,
in `function-imports.js`) which functions with which parameters. They are SAP's, under its developer
licence: fetched when a test asks, and never part of this project.
"""

import functools
import json
import re
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from tests.fakes.npm import fetched

VERSION = "2.1.0"
PACKAGES = {
    "API_MATERIAL_DOCUMENT_SRV": "material-document",
    "API_INBOUND_DELIVERY_SRV": "inbound-delivery",
    "API_OUTBOUND_DELIVERY_SRV": "outbound-delivery",
    "API_PHYSICAL_INVENTORY_DOC_SRV": "physical-inventory-doc",
    "API_PURCHASEORDER_PROCESS_SRV": "purchase-order",
    "API_PRODUCT_SRV": "product",
    "API_MATERIAL_STOCK_SRV": "material-stock",
}
FUNCTIONS = frozenset(
    {
        "API_MATERIAL_DOCUMENT_SRV",
        "API_INBOUND_DELIVERY_SRV",
        "API_OUTBOUND_DELIVERY_SRV",
        "API_PHYSICAL_INVENTORY_DOC_SRV",
    }
)
"""Services whose package has functions."""
_PARAMETER = re.compile(r"FunctionImportParameter\('(\w+)', '([\w.]+)'")
_FUNCTION = re.compile(r"FunctionImportRequestBuilder\('post', '[^']*', '(\w+)'")
_LITERALS = {
    "Edm.String": r"'([^']|'')*'",
    "Edm.DateTime": r"datetime'[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+'",
    "Edm.Decimal": r"-?[0-9]+(\.[0-9]+)?[mM]?",
    "Edm.Boolean": r"true|false",
}


@dataclass(frozen=True)
class Model:
    """One service, as SAP describes it."""

    service: str
    entities: dict[str, dict[str, Any]]
    """Elements by entity."""
    functions: dict[str, dict[str, str]]
    """Types of parameters by function."""

    def keys(self, entity: str) -> list[str]:
        return [name for name, each in self.entities[entity].items() if each.get("key")]

    def association(self, entity: str, name: str) -> str | None:
        """Return the entity that an association leads to."""
        each = self.entities.get(entity, {}).get(name, {})
        target = each.get("target")
        return str(target).rpartition(".")[2] if target else None

    def wrong(self, entity: str, body: dict[str, Any]) -> list[str]:
        """Return what is wrong with an entity that is to be created or changed."""
        if entity not in self.entities:
            return [f"{self.service} has no {entity}"]
        found: list[str] = []
        for name, value in body.items():
            element = self.entities[entity].get(name)
            if element is None:
                found.append(f"{entity} has no {name}")
            elif (target := self.association(entity, name)) is not None:
                for row in value["results"] if isinstance(value, dict) else value:
                    found += self.wrong(target, row)
            elif why := _unfit(element, value):
                found.append(f"{entity}.{name}: {why}: {value!r}")
        return found

    def wrong_call(self, function: str, query: dict[str, str]) -> list[str]:
        """Return what is wrong with the call of a function."""
        known = self.functions.get(function)
        if known is None:
            return [f"{self.service} has no function {function}"]
        found = [f"{function} has no {name}" for name in query if name not in known]
        return found + [
            f"{function}: {name}={value} is no {known[name]}"
            for name, value in query.items()
            if name in known and not re.fullmatch(_LITERALS[known[name]], value)
        ]


def _unfit(element: dict[str, Any], value: Any) -> str:
    match element["type"]:
        case "cds.String":
            if not isinstance(value, str):
                return "no string"
            return "too long" if len(value) > element.get("length", 5000) else ""
        case "cds.Boolean":
            return "" if isinstance(value, bool) else "no boolean"
        case "cds.Integer":
            return "" if isinstance(value, int) else "no integer"
        case "cds.Decimal":
            if not isinstance(value, str):
                return "V2 writes decimals as strings"
            try:
                digits = Decimal(value).as_tuple()
            except InvalidOperation:
                return "no decimal"
            scale = -int(digits.exponent)
            whole = len(digits.digits) - scale
            fits = scale <= element["scale"] and whole <= element["precision"] - element["scale"]
            return "" if fits else "too many digits"
        case "cds.Date" | "cds.Timestamp":
            if re.fullmatch(r"/Date\(-?[0-9]+\)/", str(value)):
                return ""
            try:
                datetime.fromisoformat(str(value))
            except ValueError:
                return "no moment"
            return "" if "T" in str(value) else "no moment"
        case other:
            return f"nothing is written into a {other}"


@functools.cache
def model(service: str) -> Model | None:
    """Return SAP's model of a service, None where it cannot be had."""
    name = PACKAGES[service]
    members = [f"{name}-service-csn.json"]
    if service in FUNCTIONS:
        members.append("function-imports.js")
    folder = fetched(f"@sap/cloud-sdk-vdm-{name}-service@{VERSION}", members)
    if folder is None:
        return None
    said = json.loads((folder / members[0]).read_text("utf-8"))
    entities = {
        each.rpartition(".")[2]: definition["elements"]
        for each, definition in said["definitions"].items()
        if definition["kind"] == "entity"
    }
    functions: dict[str, dict[str, str]] = {}
    if service in FUNCTIONS:
        for block in (folder / members[1]).read_text("utf-8").split("\nfunction ")[1:]:
            found = _FUNCTION.search(block)
            if found:
                functions[found[1]] = dict(_PARAMETER.findall(block))
    return Model(service, entities, functions)
