"""Tryton 8.0 and later, by its own REST interface: receipts against purchase orders.

A receipt becomes one supplier shipment (`stock.shipment.in`) whose reference is the transaction's
id. Tryton has no key that would refuse a second one, so "once" rests on three things: one writer
for each database, a search by that reference before anything is made, and steps that are one
database transaction each, so that a shipment is whole or absent and its state says what is left:

    absent -create-> draft -receive-> received -do-> done

What was found is carried on from where it stands; nothing is made twice. A shipment that Tryton
refuses to receive stays behind as a draft, without effect on stock, for a person to finish or
cancel; whoever sends the transaction again carries that draft on.

Not sent, because Tryton has no place for it on a receipt; the ledger keeps it: serial numbers,
SSCCs, weights, operators, order line numbers.

The API key is a `res.user.application` of kind "rest"; its user needs the groups Purchase and
Stock.

A delivery goes through the files in this order: `arrival` (what is to be booked), `posting` (look
for it, make it, carry it on), `records` (what it needs in Tryton), `allocation` (which open moves
it fills), `rest` (the wire), `verdict` (what an answer means).

Source: Tryton 8.2, `trytond/protocols/rest.py` and modules stock, purchase, stock_lot,
stock_lot_sled; every call here is tested against a running server.
"""

from bridge.connector import Capabilities
from bridge.connectors.tryton.arrival import document
from bridge.connectors.tryton.config import Config
from bridge.connectors.tryton.posting import connect

CAPABILITIES = Capabilities(
    evidence="real",
    key="lookup",
    books=frozenset({"receipt"}),
    limits=(
        "A receipt needs a purchase order of the configured warehouse.",
        "Serial numbers, SSCCs, weights, operators and order line numbers stay in the ledger.",
        "One bridge, and nobody else, writes receipts into the database.",
    ),
)

__all__ = ["CAPABILITIES", "Config", "connect", "document"]
