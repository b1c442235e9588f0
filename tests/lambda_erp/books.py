"""What lambda-erp's database says a company's vouchers did. Shares no code with the connector."""

import re
from collections.abc import Iterable
from decimal import Decimal

from tests.lambda_erp.house import ITEMS, PLENTY, Company
from tests.lambda_erp.server import Server

SCARCE = "SCREW"
"""In stock at A-01 only, see `house`."""
VOUCHERS = ("Stock Entry", "Purchase Receipt", "Delivery Note")


def postings(server: Server, company: Company) -> dict[str, int]:
    """Return how often each transaction moved stock; what is nobody's goes by its voucher's name.

    Postings are counted for each row of each voucher, and the most of any row is what counts.
    """
    rows = server.query(
        'SELECT voucher_no, COUNT(*) AS n FROM "Stock Ledger Entry" WHERE company = ? '
        "AND voucher_no NOT IN "
        "(SELECT name FROM \"Stock Entry\" WHERE stock_entry_type = 'Opening Stock') "
        "GROUP BY voucher_no, voucher_detail_no, warehouse",
        company.name,
    )
    found: dict[str, int] = {}
    for row in rows:
        name = _named(row["voucher_no"])
        found[name] = max(found.get(name, 0), row["n"])
    return found


def taken_back(server: Server, company: Company) -> set[str]:
    """Return the transactions whose vouchers are cancelled."""
    return {_named(name) for name in _vouchers(server, company, "docstatus = 2")}


def drafts(server: Server, company: Company) -> int:
    """Return how many vouchers were begun and left."""
    where = "docstatus = 0 AND COALESCE(discarded, 0) = 0"
    return len(list(_vouchers(server, company, where)))


def _vouchers(server: Server, company: Company, where: str) -> Iterable[str]:
    for kind in VOUCHERS:
        statement = f'SELECT name FROM "{kind}" WHERE company = ? AND {where}'
        for row in server.query(statement, company.name):
            yield str(row["name"])


def _named(voucher: str) -> str:
    ours = re.fullmatch(r"C[0-9]{3}-([0-9a-f-]{36})(-OUT|-IN)?", voucher)
    return ours[1] if ours else voucher


def on_hand(server: Server, company: Company) -> dict[str, Decimal]:
    """Return what is on hand beyond what was there before, by item and place."""
    hand = {}
    for row in server.query('SELECT item_code, warehouse, actual_qty FROM "Bin"'):
        if not row["warehouse"].startswith(f"{company.name} "):
            continue
        item, place = row["item_code"], row["warehouse"].removeprefix(f"{company.name} ")
        began = PLENTY if item in ITEMS[:3] or (item, place) == (SCARCE, "A-01") else 0
        more = round(Decimal(str(row["actual_qty"])), 6) - began
        if more:
            hand[f"{item} at {place}"] = more
    return hand


def moved(server: Server, company: Company) -> dict[str, Decimal]:
    """Return what orders say came and went, by order and item."""
    found = {}
    for kind, done in (("Purchase Order", "received_qty"), ("Sales Order", "delivered_qty")):
        rows = server.query(
            f'SELECT parent, item_code, {done} AS done FROM "{kind} Item" WHERE {done} != 0'
        )
        found.update({
            f"{row['item_code']} of {row['parent']}": Decimal(str(row["done"]))
            for row in rows
            if row["parent"].startswith(f"{company.name} ")
        })  # fmt: skip
    return found
