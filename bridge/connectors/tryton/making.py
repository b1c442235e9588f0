"""Parts that became something else, as Tryton is to read them. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from bridge.connectors.tryton.answers import Article
from bridge.connectors.tryton.config import Config
from bridge.connectors.tryton.goods import Goods, day_of, gathered
from bridge.outcome import Refused
from bridge.tally import number
from contract.transactions import Assembly, Transaction


@dataclass(frozen=True, slots=True)
class Making:
    """What was used up, and what came of it: one production."""

    reference: str
    consumed: tuple[Goods, ...]
    produced: tuple[Goods, ...]
    location: str | None = None
    """Code of the location of both; None is the warehouse's storage."""
    day: date | None = None


def making(transaction: Transaction, event: Assembly, config: Config) -> Making | Refused:
    """Return what was assembled, or why it cannot be booked. Pure."""
    consumed = gathered(event.consumed, config, dates=False)
    produced = gathered(event.produced, config)
    if isinstance(consumed, Refused):
        return consumed
    if isinstance(produced, Refused):
        return produced
    if not (consumed and produced):
        return Refused("refused", "nothing was used up, or nothing came of it")
    day = day_of(transaction, config)
    return Making(str(transaction.id), consumed, produced, event.location, day)


def production(
    plan: Making,
    articles: Mapping[Goods, Article],
    lots: Mapping[Goods, int],
    *,
    warehouse: int,
    workshop: int,
    storage: int,
    company: int,
    currency: int,
) -> dict[str, Any]:
    """Return the production to create: one call, so it is whole or absent. Pure.

    What came of it is made at no price: Tryton reckons it from what was used up.
    """

    def moves(goods: tuple[Goods, ...], source: int, target: int, **more: Any) -> list[Any]:
        return [
            {
                "product": articles[each].id,
                "unit": articles[each].default_uom.id,
                "quantity": number(each.quantity),
                "company": company,
                "from_location": source,
                "to_location": target,
                **({"lot": lots[each]} if each in lots else {}),
                **more,
            }
            for each in goods
        ]

    priced = {"unit_price": Decimal(0), "currency": currency}
    values: dict[str, Any] = {
        "reference": plan.reference,
        "company": company,
        "warehouse": warehouse,
        "location": workshop,
        "effective_date": plan.day,
        "effective_start_date": plan.day,
        "inputs": [["create", moves(plan.consumed, storage, workshop)]],
        "outputs": [["create", moves(plan.produced, workshop, storage, **priced)]],
    }
    if len({articles[each].id for each in plan.produced}) == 1:
        made = articles[plan.produced[0]]
        total = sum((each.quantity for each in plan.produced), Decimal(0))
        values |= {"product": made.id, "unit": made.default_uom.id, "quantity": number(total)}
    return values
