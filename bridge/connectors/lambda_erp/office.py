"""What only lambda-erp does its way: counts as differences, assemblies in two vouchers, cost."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from bridge.connectors.lambda_erp.forms import IN, OUT
from bridge.http import Stopped
from bridge.outcome import Refused
from bridge.tally import exact
from bridge.vouchers.office import Filled, Office, as_expected
from bridge.vouchers.plan import Assembled, Counted
from bridge.vouchers.rows import Known, Values, meant

PENNY = Decimal("0.01")
"""lambda-erp keeps what a piece is worth to two decimals."""


@dataclass(frozen=True, slots=True)
class Held:
    """What lambda-erp has of an item in a warehouse."""

    warehouse: str
    quantity: Decimal
    rate: Decimal


class LambdaOffice(Office):
    """One lambda-erp."""

    async def count(self, work: Counted) -> Filled:
        """Return the differences to what is on hand now: what is missing, then what is more."""
        missing: list[Values] = []
        more: list[Values] = []
        for known in await self.known(work.goods):
            held = await self.held(known.article.code, work.at)
            differs = known.goods.quantity - sum((each.quantity for each in held), Decimal(0))
            with as_expected(self.forms.who):
                row = {**known.row, "qty": exact(abs(differs))}
            if differs < 0:
                missing.append({**row, "s_warehouse": work.at})
            elif differs > 0:
                more.append({**row, "t_warehouse": work.at})
        filled: Filled = []
        if missing:
            filled.append((OUT, self.stock_entry("Material Issue", missing)))
        if more:
            filled.append((IN, self.stock_entry("Material Receipt", await self.valued(more))))
        return filled

    async def assembly(self, work: Assembled) -> Filled:
        """Return components going out and products coming in, at what the components cost."""
        consumed = await self.known(work.consumed)
        produced = await self.known(work.produced)
        cost = sum([await self._cost(known, work.at) for known in consumed], Decimal(0))
        pieces = sum((known.goods.quantity for known in produced), Decimal(0))
        rate = float((cost / pieces).quantize(PENNY))
        out = [{**known.row, "s_warehouse": work.at} for known in consumed]
        into = [{**known.row, "t_warehouse": work.at, "basic_rate": rate} for known in produced]
        return [
            (OUT, self.stock_entry("Material Issue", out)),
            (IN, self.stock_entry("Material Receipt", into)),
        ]

    async def _cost(self, known: Known, at: str) -> Decimal:
        held = await self.held(known.article.code, at)
        rate = held[0].rate if held else Decimal(0)
        return known.goods.quantity * rate

    async def valued(self, rows: Iterable[Values]) -> list[Values]:
        """Return rows with what a piece on hand is worth: lambda-erp insists on a figure."""
        return [
            {**row, "basic_rate": float(await self._worth(str(row["item_code"])))} for row in rows
        ]

    async def _worth(self, code: str) -> Decimal:
        held = await self.held(code)
        some = [each for each in held if each.quantity > 0 and each.rate > 0]
        pieces = sum((each.quantity for each in some), Decimal(0))
        if pieces:
            return sum((each.quantity * each.rate for each in some), Decimal(0)) / pieces
        rates = [each.rate for each in held if each.rate > 0]
        if rates:
            return rates[0]
        if self.settings.unknown_cost == "zero":
            return Decimal(0)
        text = f"{self.forms.who} knows no cost of {code}: receive it once with an order, or see"
        raise Stopped(Refused("needs_human", f"{text} unknown_cost"))

    async def held(self, code: str | None = None, warehouse: str | None = None) -> list[Held]:
        """Return what is on hand of an item, in one warehouse or in each."""
        query = [("item_code", code), ("warehouse", warehouse)]
        asked = [(name, value) for name, value in query if value is not None]
        answer = await self.ask("/api/reports/stock-balance", asked)
        with as_expected(self.forms.who):
            return [
                Held(
                    str(row["warehouse"]),
                    meant(row["actual_qty"], self.settings.decimals),
                    Decimal(str(row["valuation_rate"] or 0)),
                )
                for row in answer["rows"]
            ]
