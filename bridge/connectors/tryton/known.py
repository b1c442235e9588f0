"""Products and locations of one Tryton by the names on labels, asked for once a minute."""

import time
from collections.abc import Collection, Sequence

from bridge.connectors.tryton.answers import (
    PRODUCT_FIELDS,
    UNIT_FIELDS,
    Article,
    Bin,
    spellings,
)
from bridge.connectors.tryton.config import Config
from bridge.connectors.tryton.goods import Goods, misfit
from bridge.connectors.tryton.rest import Rest
from bridge.connectors.tryton.verdict import Stopped
from bridge.outcome import Refused
from contract.values import Item

KEPT_S = 60.0
"""Seconds for which products and locations are taken for what they were."""
MOST_KEPT = 10_000
"""Products and locations that are kept: some 20 MB."""


class Known:
    """What labels name. Every method raises `Stopped` where it is not there, or not as needed."""

    def __init__(self, rest: Rest, config: Config) -> None:
        self._rest = rest
        self._config = config
        self._articles: dict[Item, list[Article]] = {}
        self._places: dict[str, int] = {}
        self._learned = 0.0

    async def locations(self, codes: Collection[str], warehouse: int) -> dict[str, int]:
        """Return the ids of the storage locations with these codes in the warehouse."""
        self._forget()
        new = sorted(set(codes) - self._places.keys())
        if new:
            domain = [
                ["code", "in", new],
                ["type", "=", "storage"],
                ["parent", "child_of", [warehouse], "parent"],
            ]
            rows = await self._rest.find("stock.location", Bin, domain, ("code",))
            for code in new:
                found = [row.id for row in rows if row.code == code]
                if len(found) != 1:
                    here = f"{len(found) or 'no'} locations {code}"
                    why = f"warehouse {self._config.warehouse} has {here}"
                    raise Stopped(Refused("unknown_location", why))
                self._places[code] = found[0]
        return {code: self._places[code] for code in codes}

    async def articles(self, goods: Sequence[Goods], *places: str) -> dict[Goods, Article]:
        """Return the product each of `goods` is.

        Raises:
            Stopped: there is not just one; it is counted in another unit, or in larger steps; or
                Tryton wants a lot where it moves between `places`, by their types.
        """
        self._forget()
        new = {each.item for each in goods} - self._articles.keys()
        if new:
            await self._learn(new)
        return {each: _article(each, self._articles.get(each.item, ()), places) for each in goods}

    async def _learn(self, items: Collection[Item]) -> None:
        config = self._config
        fields = [config.sku_field, "rec_name", *PRODUCT_FIELDS]
        fields += [f"default_uom.{name}" for name in UNIT_FIELDS]
        if config.lots:
            fields.append("lot_required")
        skus = sorted({each.sku for each in items if each.sku is not None})
        trades = {each.gtin for each in items if each.sku is None}
        codes = sorted({code for trade in trades if trade for code in spellings(trade)})
        known = ["OR", [config.sku_field, "in", skus], ["identifiers.code", "in", codes]]
        domain = [["type", "=", "goods"], known]
        pages = self._rest.pages("product.product", Article, domain, fields)
        rows = [row async for row in pages]
        for item in items:
            found = [row for row in rows if row.is_(item, config.sku_field)]
            if found:  # what is not there may be made at any time
                self._articles[item] = found

    def _forget(self) -> None:
        now = time.monotonic()
        if now - self._learned > KEPT_S or len(self._articles) + len(self._places) > MOST_KEPT:
            self._articles, self._places, self._learned = {}, {}, now


def _article(goods: Goods, found: Sequence[Article], places: Collection[str]) -> Article:
    if len(found) != 1:
        why = f"Tryton has {len(found) or 'no'} products {goods}"
        raise Stopped(Refused("unknown_sku", why))
    if refused := misfit(goods, found[0].default_uom, "Tryton", "scan"):
        raise Stopped(refused)
    if goods.lot is None and found[0].needs_lot(*places):
        raise Stopped(Refused("lot_required", f"Tryton takes {goods} with a lot only"))
    return found[0]
