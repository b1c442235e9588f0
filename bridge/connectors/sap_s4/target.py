"""One SAP system as a target, and what it says of itself on the first day."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import assert_never

from bridge.connector import Connector
from bridge.connectors.sap_s4 import counts, deliveries, materials
from bridge.connectors.sap_s4.attempts import Attempts
from bridge.connectors.sap_s4.config import Config
from bridge.connectors.sap_s4.odata import MATERIALS, OData, Service, connected
from bridge.connectors.sap_s4.plan import (
    Cancellation,
    Counted,
    Delivery,
    Postings,
    document,
    posting_day,
)
from bridge.http import Stopped
from bridge.outcome import Outcome, Posted, Refused, TryLater
from contract.transactions import Transaction

_SERVICES: tuple[tuple[Service, str], ...] = (
    (MATERIALS, materials.HEADERS),
    ("API_PURCHASEORDER_PROCESS_SRV", materials.ORDERS),
    ("API_INBOUND_DELIVERY_SRV", "A_InbDeliveryHeader"),
    ("API_OUTBOUND_DELIVERY_SRV", "A_OutbDeliveryHeader"),
    (counts.INVENTORY, counts.HEADERS),
    ("API_PRODUCT_SRV", "A_Product"),
    ("API_MATERIAL_STOCK_SRV", "A_MatlStkInAcctMod"),
)


class SapS4:
    """One system, whose documents with the bridge's references nobody else makes."""

    def __init__(self, sap: OData, config: Config) -> None:
        self.settle = config.http.settle
        self._sap = sap
        self._config = config
        self._attempts = Attempts()

    async def deliver(self, transaction: Transaction, *, again: bool) -> Outcome:
        """Book once. SAP is always asked first for what came of earlier attempts."""
        plan = document(transaction, self._config)
        if isinstance(plan, Posted | Refused):
            return plan
        day = posting_day(transaction, self._config) or datetime.now(UTC).date().isoformat()
        repeatable = self._config.repeatable
        attempt = self._attempts.of(transaction.id, again=again) if repeatable else None
        try:
            match plan:
                case Postings():
                    return await materials.post(self._sap, plan, day, attempt)
                case Delivery():
                    return await deliveries.deliver(self._sap, plan, self._config)
                case Counted():
                    return await counts.count(self._sap, plan, day)
                case Cancellation():
                    return await materials.cancel(self._sap, plan, day, attempt)
                case _:
                    assert_never(plan)
        except Stopped as stopped:
            return stopped.outcome


@asynccontextmanager
async def connect(config: Config) -> AsyncIterator[Connector]:
    """Yield the connector for `config`. Opens nothing until the first delivery."""
    async with connected(config) as sap:
        yield SapS4(sap, config)


async def probe(config: Config) -> list[str]:
    """Return which services can be read, and whether a change could be made; changes nothing.

    Raises:
        Stopped: the service for material documents, or its CSRF token, cannot be had.
    """
    async with connected(config) as sap:
        await sap.token(MATERIALS)
        said = ["a CSRF token is given: changes can be made"]
        for service, entity in _SERVICES:
            try:
                await sap.rows(service, entity, (("$top", "1"),))
                said.append(f"{service} can be read")
            except Stopped as stopped:
                if service == MATERIALS:
                    raise
                why = stopped.outcome
                text = why.why if isinstance(why, TryLater) else str(why)
                said.append(f"{service} cannot be read: {text}")
        return said
