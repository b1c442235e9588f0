"""What the people in the office do and see, by other ways than the bridge's.

They order through Tryton's REST interface with a key of their own, and look at the database file
itself: nothing here shares code with the connector.
"""

import base64
import json
import sqlite3
import urllib.request
from contextlib import closing
from typing import Any

from tests.tryton.server import DATABASE, Server

PRICE = {"__class__": "Decimal", "decimal": "5"}

PAPERS = (
    "stock_shipment_in",
    "stock_shipment_out",
    "stock_shipment_out_return",
    "stock_shipment_internal",
    "production",
)
"""Documents that a bridge makes and that have a reference, by table."""


class Office:
    """Orders, and looks after what was booked."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._seeded: dict[str, Any] = server.built.seeded

    def order(self, reference: str = "", **quantities: float) -> str:
        """Order goods from the supplier, and return the number: `order(widget=100, beans=25.5)`."""
        return self._agree(
            "purchase.purchase",
            quantities,
            party=self._seeded["supplier"],
            reference=reference,
        )

    def sell(self, reference: str = "", **quantities: float) -> str:
        """Take an order of the customer, and return its number: `sell(widget=10)`."""
        customer = self._seeded["customer"]
        address = self._value("SELECT id FROM party_address WHERE party = ?", customer)
        return self._agree(
            "sale.sale",
            quantities,
            party=customer,
            reference=reference,
            shipment_address=address,
            invoice_method="order",
        )

    def _agree(self, model: str, quantities: dict[str, float], **values: Any) -> str:
        rows = [
            {
                "product": self._seeded["products"][name],
                "quantity": quantity,
                "unit": self._unit(name),
                "unit_price": PRICE,
            }
            for name, quantity in quantities.items()
        ]
        address = "SELECT id FROM party_address WHERE party = ?"
        made = self.call(
            model,
            {
                "company": self._seeded["company"],
                "invoice_address": self._value(address, values["party"]),
                "warehouse": self._value("SELECT id FROM stock_location WHERE code = 'WH'"),
                "currency": self._value("SELECT currency FROM company_company"),
                "invoice_method": "fulfillment",
                "lines": [["create", rows]],
            }
            | values,
        )
        self.press(model, made["id"], "quote")
        self.press(model, made["id"], "confirm")
        table = model.replace(".", "_")
        number: str = self._value(f"SELECT number FROM {table} WHERE id = ?", made["id"])
        return number

    def press(self, model: str, number: int, button: str) -> None:
        """Press a button on a record."""
        self.call(f"{model}/{number}/{button}", {})

    def make(self, model: str, **values: Any) -> int:
        """Make a record and return its id."""
        made: int = self.call(model, values)["id"]
        return made

    def put(self, product: str, location: str, quantity: float, lot: str | None = None) -> None:
        """Count so much of a product at a location, whatever was there."""
        line: dict[str, Any] = {"product": self._seeded["products"][product], "quantity": quantity}
        if lot is not None:
            known = "SELECT id FROM stock_lot WHERE product = ? AND number = ?"
            rows = self._rows(known, line["product"], lot)
            line["lot"] = (
                rows[0][0] if rows else self.make("stock.lot", number=lot, product=line["product"])
            )
        count = self.make(
            "stock.inventory",
            company=self._seeded["company"],
            location=self._value("SELECT id FROM stock_location WHERE code = ?", location),
            empty_quantity="keep",
            lines=[["create", [line]]],
        )
        self.press("stock.inventory", count, "confirm")

    def ends(self, source: str, target: str) -> dict[str, int]:
        """What a move from one location to another says of them, and of the company."""
        code = "SELECT id FROM stock_location WHERE code = ?"
        return {
            "company": self._seeded["company"],
            "from_location": self._value(code, source),
            "to_location": self._value(code, target),
        }

    def part(self, product: str, lot: str | None = None) -> dict[str, int]:
        """What a move of a product says of it."""
        number = self._seeded["products"][product]
        what = {"product": number, "unit": self._unit(product)}
        if lot is None:
            return what
        known = "SELECT id FROM stock_lot WHERE product = ? AND number = ?"
        return what | {"lot": self._value(known, number, lot)}

    def relocate(
        self, product: str, quantity: float, source: str, target: str, reference: str, state: str
    ) -> None:
        """Move goods from one location to another, or have it drafted only."""
        ends = self.ends(source, target)
        move = ends | self.part(product) | {"quantity": quantity}
        made = self.make(
            "stock.shipment.internal", **ends, reference=reference, moves=[["create", [move]]]
        )
        for button in ("wait", "assign_try", "do") if state == "done" else ():
            self.press("stock.shipment.internal", made, button)

    def papers(self, reference: object) -> list[tuple[str, int, str]]:
        """Kind, id and state of every document that carries that reference, of whatever kind."""
        found = []
        for kind in PAPERS:
            sql = f"SELECT id, state FROM {kind} WHERE reference LIKE ? ORDER BY id"
            found += [(kind, *row) for row in self._rows(sql, f"%{reference}%")]
        counts = (
            "SELECT DISTINCT i.id, i.state FROM stock_inventory i"
            " JOIN ir_note n ON n.resource = 'stock.inventory,' || i.id WHERE n.message LIKE ?"
        )
        found += [("stock_inventory", *row) for row in self._rows(counts, f"%{reference}%")]
        return found

    def loose(self, known: set[str]) -> int:
        """How many documents there are that none of these references accounts for.

        What Tryton itself opens for an order has no reference, and is not counted.
        """
        number = 0
        for kind in PAPERS:
            references = [row[0] for row in self._rows(f"SELECT reference FROM {kind}")]
            number += sum(bool(each) and known.isdisjoint(each.split()) for each in references)
        notes = "SELECT message FROM ir_note WHERE resource = 'stock.inventory,' || i.id"
        counts = self._rows(f"SELECT ({notes}) FROM stock_inventory i")
        return number + sum(row[0] not in known for row in counts)

    def drafts(self) -> int:
        """How many counts are not booked."""
        number: int = self._value("SELECT count(*) FROM stock_inventory WHERE state = 'draft'")
        return number

    def stock(self) -> dict[tuple[str, str, str | None], float]:
        """What lies where, by product, code of the location and lot; nothing where it is zero."""
        names = {number: name for name, number in self._seeded["products"].items()}
        rows = self._rows(
            """
            SELECT product, code, lot, round(sum(q), 6) FROM (
                SELECT m.product, l.code, t.number AS lot, m.internal_quantity AS q
                FROM stock_move m JOIN stock_location l ON l.id = m.to_location
                LEFT JOIN stock_lot t ON t.id = m.lot
                WHERE m.state = 'done' AND l.type = 'storage'
                UNION ALL
                SELECT m.product, l.code, t.number, -m.internal_quantity
                FROM stock_move m JOIN stock_location l ON l.id = m.from_location
                LEFT JOIN stock_lot t ON t.id = m.lot
                WHERE m.state = 'done' AND l.type = 'storage'
            ) GROUP BY product, code, lot HAVING round(sum(q), 6) != 0"""
        )
        return {(names[product], code, lot): quantity for product, code, lot, quantity in rows}

    def order_state(self, number: str) -> tuple[str, str]:
        """State of the order and of its goods."""
        (row,) = self._rows(
            "SELECT state, shipment_state FROM purchase_purchase WHERE number = ?", number
        )
        return row[0], row[1]

    def sale_state(self, number: str) -> tuple[str, str]:
        """State of a customer's order and of its goods."""
        (row,) = self._rows("SELECT state, shipment_state FROM sale_sale WHERE number = ?", number)
        return row[0], row[1]

    def shipments_of(self, order: str) -> list[int]:
        """Ids of the customer shipments of an order."""
        rows = self._rows(
            "SELECT DISTINCT m.shipment FROM stock_move m"
            " JOIN sale_line l ON m.origin = 'sale.line,' || l.id"
            " JOIN sale_sale s ON s.id = l.sale WHERE s.number = ?",
            order,
        )
        return sorted(int(row[0].partition(",")[2]) for row in rows)

    def cartons(self, reference: object) -> list[tuple[int, str, str]]:
        """Id, number and state of every customer shipment whose reference has that in it."""
        return self._rows(
            "SELECT id, number, state FROM stock_shipment_out WHERE reference LIKE ?",
            f"%{reference}%",
        )

    def sent(self, order: str, state: str = "done") -> dict[tuple[str, str | None], float]:
        """What goes to the customer of an order, by product and lot, by its moves of a state."""
        names = {number: name for name, number in self._seeded["products"].items()}
        rows = self._rows(
            "SELECT m.product, t.number, sum(m.quantity) FROM stock_move m"
            " JOIN sale_line l ON m.origin = 'sale.line,' || l.id"
            " JOIN sale_sale s ON s.id = l.sale LEFT JOIN stock_lot t ON t.id = m.lot"
            " WHERE s.number = ? AND m.state = ? GROUP BY m.product, t.number",
            order,
            state,
        )
        return {(names[product], lot): quantity for product, lot, quantity in rows}

    def shipments(self, reference: object) -> list[tuple[int, str, str]]:
        """Id, number and state of every supplier shipment of that reference."""
        return self._rows(
            "SELECT id, number, state FROM stock_shipment_in WHERE reference = ?", str(reference)
        )

    def on_hand(self, product: str, location: str | None = None) -> float:
        """What lies in all storage, or in one location, by the moves that were done."""
        where = "l.type = 'storage'" + (" AND l.code = :code" if location else "")
        total = f"""
            SELECT coalesce(sum(q), 0) FROM (
                SELECT internal_quantity AS q FROM stock_move m
                JOIN stock_location l ON l.id = m.to_location
                WHERE m.product = :product AND m.state = 'done' AND {where}
                UNION ALL
                SELECT -internal_quantity FROM stock_move m
                JOIN stock_location l ON l.id = m.from_location
                WHERE m.product = :product AND m.state = 'done' AND {where}
            )"""
        product_id = self._seeded["products"][product]
        with closing(self._open()) as database:
            (value,) = database.execute(total, {"product": product_id, "code": location}).fetchone()
        return round(float(value), 6)

    def lots(self, product: str) -> dict[str, tuple[str | None, str | None]]:
        """Expiration and shelf life expiration date of every lot, by number."""
        rows = self._rows(
            "SELECT number, expiration_date, shelf_life_expiration_date FROM stock_lot"
            " WHERE product = ?",
            self._seeded["products"][product],
        )
        assert len({row[0] for row in rows}) == len(rows), f"a lot exists twice: {rows}"
        return {row[0]: (row[1], row[2]) for row in rows}

    def references(self) -> list[str]:
        """Reference of every supplier shipment there is, one for each."""
        return self.references_of("stock_shipment_in")

    def references_of(self, kind: str) -> list[str]:
        """Reference of every document in a table, one for each."""
        return sorted(row[0] or "" for row in self._rows(f"SELECT reference FROM {kind}"))

    def received(self, order: str) -> dict[tuple[str, str | None], float]:
        """What came in of an order, by product and lot, by its moves that were done."""
        names = {number: name for name, number in self._seeded["products"].items()}
        rows = self._rows(
            "SELECT m.product, t.number, sum(m.quantity) FROM stock_move m"
            " JOIN purchase_line l ON m.origin = 'purchase.line,' || l.id"
            " JOIN purchase_purchase p ON p.id = l.purchase LEFT JOIN stock_lot t ON t.id = m.lot"
            " WHERE p.number = ? AND m.state = 'done' GROUP BY m.product, t.number",
            order,
        )
        return {(names[product], lot): quantity for product, lot, quantity in rows}

    def in_lots(self, reference: object) -> list[tuple[str | None, float]]:
        """Lot and quantity of every move that came in with that reference."""
        return self._rows(
            "SELECT t.number, m.quantity FROM stock_move m"
            " JOIN stock_shipment_in s ON m.shipment = 'stock.shipment.in,' || s.id"
            " LEFT JOIN stock_lot t ON t.id = m.lot"
            " WHERE s.reference = ? AND m.to_location = s.warehouse_input ORDER BY t.number",
            str(reference),
        )

    def day_of(self, reference: object) -> str:
        """The day a shipment was booked on."""
        day: str = self._value(
            "SELECT effective_date FROM stock_shipment_in WHERE reference = ?", str(reference)
        )
        return day

    def change(self, sql: str, *values: object) -> None:
        """Change the database behind Tryton's back."""
        with closing(sqlite3.connect(self._server.file, timeout=10)) as database, database:
            database.execute(sql, values)

    def _unit(self, name: str) -> int:
        unit: int = self._value(
            "SELECT t.default_uom FROM product_template t JOIN product_product p"
            " ON p.template = t.id WHERE p.id = ?",
            self._seeded["products"][name],
        )
        return unit

    def _open(self) -> sqlite3.Connection:
        return sqlite3.connect(f"file:{self._server.file}?mode=ro", uri=True, timeout=10)

    def _rows(self, sql: str, *values: object) -> list[Any]:
        with closing(self._open()) as database:
            return database.execute(sql, values).fetchall()

    def _value(self, sql: str, *values: object) -> Any:
        return self._rows(sql, *values)[0][0]

    def call(self, path: str, values: dict[str, Any]) -> Any:
        """Make a record, press a button or call a method, and return the answer."""
        context = json.dumps({"company": self._seeded["company"]}).encode()
        request = urllib.request.Request(
            f"{self._server.url}/{DATABASE}/rest/model/{path}?f=id",
            json.dumps(values).encode(),
            {
                "Authorization": f"bearer {self._seeded['office_key']}",
                "Content-Type": "application/json",
                "X-Tryton-Context": base64.urlsafe_b64encode(context).decode(),
            },
        )
        with urllib.request.urlopen(request, timeout=60) as response:
            return json.load(response)


class Tryton:
    """A running Tryton, the office that works with it, and how a bridge reaches it."""

    def __init__(self, server: Server, mode: str = "native") -> None:
        self.server = server
        self.mode = mode
        self.office = Office(server)

    def settings(self, **changes: Any) -> dict[str, Any]:
        """Return the `[target]` table of a bridge."""
        seeded = self.server.built.seeded
        return {
            "connector": "tryton",
            "url": self.server.url,
            "database": seeded["database"],
            "api_key": seeded["key"],
            "company": seeded["company"],
            "warehouse": seeded["warehouse"],
            "mode": self.mode,
            "lot_expiry_field": "expiration_date",
            "lot_best_before_field": "shelf_life_expiration_date",
        } | changes
