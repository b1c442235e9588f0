"""Tryton 8.0 and later, by its own REST interface: goods received, moved, counted, packed, sent.

Tryton has no key that would refuse a second document, so "once" rests on three things: one writer
for each database, a search by reference before anything is made, and steps that are one database
transaction each, so that a document is whole or absent and its state says what is left. What was
found is carried on from where it stands; nothing is made twice.

Where Tryton has this project's module (`mode = "module"`, see `once`), the transaction's id is a
unique key there, in the same database transaction as all its documents: many may write, what is
refused leaves nothing behind, and an order whose receipt or carton is taken back is open again.
What either mode booked, the other knows.

A receipt becomes one supplier shipment (`stock.shipment.in`) whose reference is the transaction's
id:

    absent -create-> draft -receive-> received -do-> done

A `Pack` becomes one customer shipment (`stock.shipment.out`). Tryton itself has opened one for all
that the order owes; that one is made into the carton by a single change (reference, quantities,
lots), upon which Tryton opens another for the rest. Packing moves the goods from storage to where
they leave from:

    open -draft, change-> draft -wait-> waiting -assign_try-> assigned -pick-> picked -pack-> packed

A `Shipment` names packages. Each is looked for among the order's packed cartons, is given the
departure's id into its reference, and is done: only then the goods are the customer's. Thus cartons
of one order leave on several days, and each with one departure. A `Shipment` with lines whose
packages nobody packed goes the whole way at once.

A `Transfer`, a `Putaway` and an `Adjustment` become one internal shipment each, an adjustment to or
from lost and found; a `Count` becomes a count, whose difference Tryton reckons itself (`course` and
`counting` show their ways). A `Return` becomes a customer return whose moves name those to the
customer that they undo; an `Assembly` becomes a production, where Tryton's module for it is active.

A `Reversal` cancels what it reverses, and moves back what a count made of the difference. Cancelled
is cancelled, whoever did it. Of an order Tryton then asks the office whether the rest is still to
come; what has left with a shipment is not cancelled: it comes back as a return.

What Tryton refuses halfway stays where it is, for a person to finish or cancel; whoever sends the
transaction again carries it on.

Not sent, because Tryton has no place for it; the ledger keeps it: serial numbers, weights, tracking
numbers, operators, reasons, order line numbers, SSCCs of receipts and transfers.

The API key is a `res.user.application` of kind "rest"; its user needs the groups Purchase, Sales
and Stock, for assemblies Production, and for reversals Stock Cancellation.

A delivery goes through the files in this order: `plan` (what is to be booked: `arrival`,
`departure`, `movement`, `homecoming`, `making`, their `goods`), `posting`, `sending`, `stockroom`,
`counting` and `undoing` (look for it, make it), `desk` and `course` (carry it on), `records` (what
it needs in Tryton), `allocation` (which open moves a receipt fills), `request` and `rest` (the
wire), `verdict` (what an answer means). `preview` sends it the same way into an `imagined` Tryton,
and shows what that was asked; `effects` says what it adds to stock.

Source: Tryton 8.2, `trytond/protocols/rest.py` and modules stock, purchase, sale, production,
stock_lot, stock_lot_sled; every call here is tested against a running server.
"""

from bridge.connector import Capabilities
from bridge.connectors.tryton.config import Config
from bridge.connectors.tryton.effects import moves
from bridge.connectors.tryton.plan import document
from bridge.connectors.tryton.posting import connect
from bridge.connectors.tryton.preview import calls
from bridge.connectors.tryton.source import read

CAPABILITIES = Capabilities(
    evidence="real",
    key="lookup",
    books=frozenset(
        {
            *("receipt", "putaway", "pack", "shipment", "transfer", "count", "adjustment"),
            *("return", "assembly", "reversal"),
        }
    ),
    reads=frozenset({"items", "documents", "locations", "stock", "booked"}),
    limits=(
        "A receipt needs a purchase order of the warehouse, a pack and a shipment a sales order.",
        "A carton must fit into one of the shipments that Tryton keeps open for its order.",
        "Tryton chooses the bins a carton's goods come from; their lot must have come in before.",
        "Packing and shipping are booked on the day they reach Tryton.",
        "A shipment sends the cartons it names; a package without SSCC is the oldest such parcel.",
        "Goods that leave a location with others in it may be taken from those: stock then drifts.",
        "A putaway that names no source comes from the warehouse's storage.",
        "Tryton has no reference on a count: its note says which transaction it is.",
        "A return needs the sales order it was sent with, and says which lot where one left.",
        "A return's disposition stays in the ledger: its location says what is to become of it.",
        "An assembly needs Tryton's module production, and products that are producible there.",
        "A receipt or carton taken back leaves its order for the office, but with the module.",
        "What has left with a shipment cannot be taken back; it can be returned.",
        "A reversal does not look whether the goods are still where they were put.",
        "What is packed is not followed as stock, nor is what carries no SKU: map GTINs.",
        "Picks stay in the ledger: packing takes the goods from storage.",
        "Serial numbers, weights, tracking numbers, operators and order lines stay in the ledger.",
        "SSCCs of receipts and transfers, and reasons, stay in the ledger.",
        "Of an order whose name a purchase and a sale share, stations know nothing beforehand.",
        "Without the module one bridge, and nobody else, writes receipts and packs orders there.",
    ),
)

__all__ = ["CAPABILITIES", "Config", "calls", "connect", "document", "moves", "read"]
