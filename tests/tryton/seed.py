"""Fill a fresh Tryton database with one small company, as a person at a keyboard would.

Run by the server's own Python: `seed.py CONFIG OUT`. Writes what tests need to know to OUT.
"""

import datetime
import json
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

from proteus import Model, config  # type: ignore[import-not-found]
from trytond.modules.account.tests.tools import (  # type: ignore[import-not-found]
    create_chart,
    create_fiscalyear,
    get_accounts,
)
from trytond.modules.account_invoice.tests.tools import (  # type: ignore[import-not-found]
    set_fiscalyear_invoice_sequences,
)
from trytond.modules.company.tests.tools import (  # type: ignore[import-not-found]
    create_company,
    get_company,
)

DATABASE = "depot"
BRIDGE_GROUPS = ("Production", "Purchase", "Sales", "Stock", "Stock Cancellation")
"""All that the bridge's user may do."""
OFFICE_GROUPS = (
    *BRIDGE_GROUPS,
    "Party Administration",
    "Product Administration",
    "Purchase Administrator",
    "Sales Administrator",
    "Stock Administration",
)


def main(settings: str, out: Path) -> None:
    """Seed the database of `settings` and write what was made to `out`."""
    config.set_trytond(database=DATABASE, user="admin", config_file=settings)
    create_company()
    create_chart()
    company = get_company()
    year = create_fiscalyear(today=datetime.date.today())  # noqa: DTZ011 - Tryton's own day
    set_fiscalyear_invoice_sequences(year).click("create_period")
    category = _category()
    products = {
        "widget": _product("Widget", "WID-1", category, gtin="4006381333931"),
        "serum": _product("Serum", "SER-1", category, gtin="5901234123457", lots=True),
        "beans": _product("Coffee beans", "BEAN-1", category, unit="Kilogram"),
        "gadget": _product("Gadget", "GAD-1", category, made=True),
        "coffee": _product("Bag of coffee", "BAG-1", category, gtin="9506000134352"),
        "vaccine": _product("Vaccine", "VAC-1", category, gtin="012345678905"),
    }
    supplier = _partner("Acme Supply", "1 Dock Road")
    customer = _partner("Corner Shop", "2 High Street")
    store = _only("stock.location", ("code", "=", "STO"))
    for code in ("A-01-01", "A-01-02", "DOCK-1"):
        Model.get("stock.location")(name=code, code=code, type="storage", parent=store).save()
    seeded = {
        "database": DATABASE,
        "company": company.id,
        "company_name": company.party.name,
        "warehouse": "WH",
        "supplier": supplier.id,
        "customer": customer.id,
        "products": {name: product.id for name, product in products.items()},
        "key": _key("bridge", BRIDGE_GROUPS, company),
        "office_key": _key("office", OFFICE_GROUPS, company),
        "orders": [_order(supplier, products, f"ACME-{day}") for day in (1, 2, 3)],
    }
    out.write_text(json.dumps(seeded, indent=1))


def _only(model: str, *domain: Any) -> Any:
    (found,) = Model.get(model).find(list(domain))
    return found


def _category() -> Any:
    accounts = get_accounts()
    category = Model.get("product.category")(name="Goods", accounting=True)
    category.account_expense = accounts["expense"]
    category.account_revenue = accounts["revenue"]
    category.save()
    return category


def _product(
    name: str,
    code: str,
    category: Any,
    *,
    gtin: str | None = None,
    unit: str = "Unit",
    lots: bool = False,
    made: bool = False,
) -> Any:
    template = Model.get("product.template")(name=name, type="goods")
    template.purchasable = template.salable = True
    template.producible = made
    template.default_uom = _only("product.uom", ("name", "=", unit))
    template.account_category = category
    template.list_price = Decimal(10)
    if lots:
        template.lot_required = ["supplier", "storage", "customer"]
        template.shelf_life_state = template.expiration_state = "optional"
    (product,) = template.products
    product.suffix_code = code
    product.cost_price = Decimal(5)
    if gtin:
        identifier = product.identifiers.new()
        identifier.type, identifier.code = "ean", gtin
    template.save()
    return template.products[0]


def _partner(name: str, street: str) -> Any:
    party = Model.get("party.party")(name=name)
    party.addresses.new(street=street)
    party.save()
    return party


def _order(supplier: Any, products: dict[str, Any], reference: str) -> str:
    order = Model.get("purchase.purchase")(party=supplier, reference=reference)
    order.invoice_method = "fulfillment"
    for name, quantity in (("widget", 100), ("serum", 40), ("beans", 25.5)):
        line = order.lines.new()
        line.product, line.quantity, line.unit_price = products[name], quantity, Decimal(5)
    for button in ("quote", "confirm"):
        order.click(button)
    if order.state == "confirmed":
        order.click("process")
    return str(order.number)


def _key(login: str, groups: tuple[str, ...], company: Any) -> str:
    party = Model.get("party.party")(name=f"User {login}")
    party.save()
    employee = Model.get("company.employee")(party=party)
    employee.save()
    user = Model.get("res.user")(name=login, login=login)
    # proteus lets a record stand in one list only: each list gets a copy of its own
    user.companies.append(Model.get("company.company")(company.id))
    user.company = company
    user.employees.append(Model.get("company.employee")(employee.id))
    user.employee = Model.get("company.employee")(employee.id)
    for name in groups:
        user.groups.append(_only("res.group", ("name", "=", name)))
    user.save()
    application = Model.get("res.user.application")(user=user, application="rest")
    application.save()
    return str(application.key)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
