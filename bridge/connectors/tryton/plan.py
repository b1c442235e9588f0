"""A transaction as Tryton is to read it, before Tryton is asked. Pure."""

from typing import assert_never

from bridge.connectors.tryton.arrival import Arrival, arrival
from bridge.connectors.tryton.config import Config
from bridge.connectors.tryton.departure import Carton, Departure, carton, departure
from bridge.connectors.tryton.homecoming import Homecoming, homecoming
from bridge.connectors.tryton.making import Making, making
from bridge.connectors.tryton.movement import Finding, Relocation, finding, relocation
from bridge.connectors.tryton.undoing import Undoing, undoing
from bridge.outcome import Posted, Refused
from contract.transactions import (
    Adjustment,
    Assembly,
    Count,
    Pack,
    Pick,
    Putaway,
    Reading,
    Receipt,
    Return,
    Reversal,
    Shipment,
    Transaction,
    Transfer,
    Weighing,
)

Plan = Arrival | Carton | Departure | Relocation | Finding | Homecoming | Making | Undoing
"""What Tryton is to book."""


def document(transaction: Transaction, config: Config) -> Plan | Posted | Refused:
    """Return what Tryton is to book for `transaction`.

    `Posted("")` is for what has no meaning in an ERP: a reading or weighing with no job behind it
    moves no stock. Pure.
    """
    event = transaction.event
    match event:
        case Receipt():
            return arrival(transaction, event, config)
        case Pack():
            return carton(transaction, event, config)
        case Shipment():
            return departure(transaction, event, config)
        case Transfer() | Putaway() | Adjustment():
            return relocation(transaction, event, config)
        case Count():
            return finding(transaction, event, config)
        case Reading() | Weighing():
            return Posted("")
        case Pick():
            why = "a pick is not booked in Tryton: packing takes the goods of an order from storage"
            return Refused("unsupported", why)
        case Return():
            return homecoming(transaction, event, config)
        case Assembly():
            return making(transaction, event, config)
        case Reversal():
            return undoing(transaction, event)
        case _:
            assert_never(event)
