"""What only ERPNext does its way: counts as reconciliations, repacking, and batches."""

from collections.abc import Iterable
from decimal import Decimal

from bridge.connectors.erpnext.forms import listed, resource
from bridge.http import Stopped
from bridge.outcome import Refused
from bridge.tally import exact
from bridge.vouchers.forms import Part, Request
from bridge.vouchers.office import Filled, Office, as_expected
from bridge.vouchers.plan import Assembled, Booking, Counted, Goods, Moved, Purchased
from bridge.vouchers.rows import Known, Values, meant


class ErpNextOffice(Office):
    """One ERPNext site."""

    async def fill(self, work: Booking) -> Filled:
        """Return what is to be drafted; the lots of goods that come in are made first."""
        match work:
            case Purchased(goods=goods) | Moved(goods=goods, out_of=None):
                await self._batches(goods)
            case Assembled(produced=goods):
                await self._batches(goods)
        return await super().fill(work)

    async def count(self, work: Counted) -> Filled:
        """Return a reconciliation of what differs: ERPNext refuses one that changes nothing."""
        rows = []
        for known in await self.known(work.goods):
            if known.goods.quantity != await self._held(known.article.code, work.at):
                row: Values = {
                    "item_code": known.article.code,
                    "warehouse": work.at,
                    "qty": exact(known.goods.quantity),
                }
                rows.append(row | self._free)
        if not rows:
            return []
        values = {"company": self.settings.company, "purpose": "Stock Reconciliation"}
        return [(Part("Stock Reconciliation"), {**values, "items": rows})]

    async def assembly(self, work: Assembled) -> Filled:
        """Return one Stock Entry that repacks components; ERPNext works out what they cost."""
        out = [{**known.row, "s_warehouse": work.at} for known in await self.known(work.consumed)]
        into = [
            {**known.row, "t_warehouse": work.at, "is_finished_item": 1}
            for known in await self.known(work.produced)
        ]
        return [(Part("Stock Entry"), self.stock_entry("Repack", [*out, *into]))]

    async def valued(self, rows: Iterable[Values]) -> list[Values]:
        """Return rows as they are: ERPNext knows what a piece is worth, or refuses."""
        return [row | self._free for row in rows]

    @property
    def _free(self) -> Values:
        return {"allow_zero_valuation_rate": 1} if self.settings.unknown_cost == "zero" else {}

    async def _held(self, code: str, warehouse: str) -> Decimal:
        known = [["item_code", "=", code], ["warehouse", "=", warehouse]]
        request = listed("Bin", known, ["actual_qty"], limit=2)
        answer = await self.ask(request.path, request.query)
        with as_expected(self.forms.who):
            held = [meant(row["actual_qty"], self.settings.decimals) for row in answer["data"]]
        return sum(held, Decimal(0))

    async def _batches(self, goods: Iterable[Goods]) -> None:
        """Make the lots that are new. A lot of another item with that name is refused there."""
        for known in await self.known(goods):
            if known.article.lots and not await self._has_batch(known):
                values: Values = {"batch_id": known.goods.lot, "item": known.article.code}
                if known.goods.expiry is not None:
                    values["expiry_date"] = known.goods.expiry.isoformat()
                await self._make_batch(known, values)

    async def _has_batch(self, known: Known) -> bool:
        wanted = [["batch_id", "=", known.goods.lot], ["item", "=", known.article.code]]
        request = listed("Batch", wanted, ["name"], limit=2)
        answer = await self.ask(request.path, request.query)
        with as_expected(self.forms.who):
            return bool(answer["data"])

    async def _make_batch(self, known: Known, values: Values) -> None:
        answer = await self.write(Request("POST", resource("Batch"), values))
        if answer.ok:
            return
        if self.forms.exists(answer):
            text = f"{self.forms.who} has lot {known.goods.lot} of another item than {known.goods}"
            raise Stopped(Refused("lot_required", text))
        raise Stopped(self.forms.judge(answer, writes=True))
