"""A house in lambda-erp: a company with warehouses, items, stock and orders, made by its own REST.

Shares no code with the connector.
"""

import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

PASSWORD = "a-password-for-tests"
PLACES = ("DOCK", "A-01", "A-02", "B-01")
DEFAULTS = {
    "warehouse": "STORAGE",
    "receiving": "RECEIVING",
    "staging": "STAGING",
    "returns": "RETURNS",
}
ITEMS = ("BOLT-8", "NUT-8", "WASHER", "SCREW", "KIT")
PLENTY = 100_000
"""Pieces on hand of every moving item in every warehouse, and on every order: none runs short."""
ORDERS = ("1001", "1002", "1003", "1004", "1005")


def call(
    url: str, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None
) -> Any:
    """Return lambda-erp's answer; raise AssertionError with its words where it refused."""
    answer, _ = _call(url, method, path, body, headers or {})
    return answer


def _call(url: str, method: str, path: str, body: Any, headers: Mapping[str, str]) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(
        f"{url}/api{path}",
        method=method,
        data=data,
        headers={"Content-Type": "application/json", **headers},
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.loads(answer.read(), parse_float=Decimal), answer.headers
    except urllib.error.HTTPError as error:
        with error:
            raise AssertionError(f"{method} {path}: {error.code} {error.read()[:500]!r}") from None


def seed(url: str) -> dict[str, str]:
    """Make a fresh database usable, as its first user would.

    Returns:
        Keys: of the office, and of a bridge, which may do no more than it must.
    """
    person = {"email": "office@example.com", "password": PASSWORD, "full_name": "Office"}
    _, headers = _call(url, "POST", "/auth/register", person, {})
    cookie = {"Cookie": str(headers["Set-Cookie"]).partition(";")[0]}
    call(url, "PUT", "/auth/settings", {"rest_api_enabled": "1"}, cookie)
    keys = {
        name: str(
            call(url, "POST", "/auth/api-keys", {"name": name, "role": role}, cookie)["token"]
        )
        for name, role in (("office", "admin"), ("bridge", "manager"))
    }
    office = Setup(url, keys["office"])
    for item in ITEMS:
        office.master("item", name=item, item_name=item.title(), stock_uom="Nos", standard_rate=3)
    office.master("item", name="FLOUR", item_name="Flour", stock_uom="Kg", standard_rate=1)
    office.master("item", name="NEW", item_name="Never bought", stock_uom="Nos")
    office.master("supplier", name="ACME-SUPPLY", supplier_name="Acme Supply")
    office.master("customer", name="CORNER-SHOP", customer_name="Corner Shop")
    return keys


@dataclass(frozen=True)
class Company:
    """A company of its own warehouses and orders, which all begin with its name."""

    office: "Setup"
    name: str

    def of(self, name: str) -> str:
        """Return the name of a warehouse or order of this company."""
        return f"{self.name} {name}"

    @property
    def settings(self) -> dict[str, Any]:
        """What a bridge's `[target]` says of it."""
        places = {place: self.of(place) for place in PLACES}
        defaults = {name: self.of(place) for name, place in DEFAULTS.items()}
        prefix = f"{self.name}-"  # tests give their transactions the same ids
        return {"company": self.name, "prefix": prefix, **defaults, "warehouses": places}

    def order(self, kind: str, number: str, quantity: int = PLENTY, *items: str) -> str:
        """Make and submit an order for so much of each item, and return its name."""
        party = {"supplier": "ACME-SUPPLY"} if kind == "purchase-order" else {}
        party = party or {"customer": "CORNER-SHOP"}
        rows = [
            {"item_code": item, "qty": quantity, "rate": 2, "warehouse": self.of("STORAGE")}
            for item in items or ITEMS
        ]
        name = self.of(number)
        values = {"name": name, "company": self.name, **party, "items": rows}
        self.office.call("POST", f"/documents/{kind}", values)
        self.office.call("POST", f"/documents/{kind}/{name.replace(' ', '%20')}/submit", {})
        return name

    def open_stock(self, quantity: int, *items: str, at: tuple[str, ...]) -> None:
        """Put so much of each item into each warehouse, at 2 a piece."""
        rows = [
            {"item_code": item, "qty": quantity, "t_warehouse": self.of(place), "basic_rate": 2}
            for item in items
            for place in at
        ]
        values = {"company": self.name, "stock_entry_type": "Opening Stock", "items": rows}
        made = self.office.call("POST", "/documents/stock-entry", values)
        self.office.call("POST", f"/documents/stock-entry/{made['name']}/submit", {})


@dataclass(frozen=True)
class Setup:
    """Somebody in the office, with a key."""

    url: str
    key: str

    def call(self, method: str, path: str, body: Any = None) -> Any:
        return call(self.url, method, path, body, {"Authorization": f"Bearer {self.key}"})

    def master(self, kind: str, **values: Any) -> None:
        self.call("POST", f"/masters/{kind}", values)

    def company(self, name: str) -> Company:
        """Make a company that has plenty of everything but SCREW, KIT and FLOUR.

        SCREW is in A-01 only: elsewhere counts alone touch it.
        """
        said = {"company_name": name, "currency": "USD", "country": "United States"}
        self.call("POST", "/setup/company", {"name": name, **said})
        made = Company(self, name)
        for place in (*PLACES, *DEFAULTS.values()):
            self.master(
                "warehouse", name=made.of(place), warehouse_name=place.title(), company=name
            )
        made.open_stock(PLENTY, *ITEMS[:3], at=(*PLACES, *DEFAULTS.values()))
        made.open_stock(PLENTY, "SCREW", at=("A-01",))
        for number in ORDERS:
            made.order("purchase-order", number)
            made.order("sales-order", f"S{number}")
        return made
