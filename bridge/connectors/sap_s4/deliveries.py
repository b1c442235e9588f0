"""Inbound and outbound deliveries: claimed, made true to what moved, posted.

A delivery is posted once by nature, and its state says what is left to do. First it takes the
transaction's reference into its header, on the condition that nobody changed it meanwhile. Then its
items take the quantities that really moved, which are absolute. Then all is picked (put away, where
it is inbound), and goods issue (or receipt) is posted. Whoever comes again carries on from there.

    absent mark -claim-> mine -quantities-> true -pick-> picked -post-> posted
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from bridge.connectors.sap_s4.changeset import Change
from bridge.connectors.sap_s4.config import Config
from bridge.connectors.sap_s4.goods import Goods, amount, is_material, plain
from bridge.connectors.sap_s4.odata import OData, Service, etag, key, listed, text, written
from bridge.connectors.sap_s4.plan import Delivery
from bridge.outcome import Outcome, Posted, Refused, TryLater, Unknown
from contract.envelope import Reason

ROUNDS = 8
"""Steps of one delivery, at most: claim, quantities, pick, post, and a look in between."""
_DONE = "C"
"""SAP's status for what is completely processed."""
_NOT_RELEVANT = ""
WITH_ITEMS = (("$expand", "to_DeliveryDocumentItem"),)


@dataclass(frozen=True, slots=True)
class Way:
    """What the services for the two kinds of deliveries call the same things."""

    service: Service
    header: str
    item: str
    pick: str
    post: str


WAYS = {
    "inbound": Way(
        "API_INBOUND_DELIVERY_SRV",
        "A_InbDeliveryHeader",
        "A_InbDeliveryItem",
        "PutawayAllItems",
        "PostGoodsReceipt",
    ),
    "outbound": Way(
        "API_OUTBOUND_DELIVERY_SRV",
        "A_OutbDeliveryHeader",
        "A_OutbDeliveryItem",
        "PickAllItems",
        "PostGoodsIssue",
    ),
}


@dataclass(frozen=True, slots=True)
class Act:
    """A function of the service that is to be called for the delivery."""

    function: str
    etag: str


@dataclass(frozen=True, slots=True)
class Alter:
    """Changes to the delivery's header or items."""

    changes: tuple[Change, ...]


async def deliver(sap: OData, plan: Delivery, config: Config) -> Outcome:
    """Carry a delivery on from wherever it stands until it is posted."""
    way = WAYS[plan.way]
    path = key(way.header, DeliveryDocument=plan.number)
    called: set[str] = set()
    for _ in range(ROUNDS):
        said = await sap.read(way.service, path, WITH_ITEMS)
        if said is None:
            return Refused("unknown_document", f"SAP has no {plan.way} delivery {plan.number}")
        step = next_step(plan, said, config)
        match step:
            case Posted() | Refused():
                return step
            case Alter(changes=changes):
                await sap.change(way.service, changes)
            case Act() if step.function in called:
                return Unknown(f"SAP does not show yet what became of delivery {plan.number}")
            case Act():
                called.add(step.function)
                number = (("DeliveryDocument", text(plan.number)),)
                await sap.act(way.service, step.function, number, {"If-Match": step.etag})
    return TryLater(f"delivery {plan.number} is not posted after {ROUNDS} steps")


def next_step(
    plan: Delivery, there: Mapping[str, Any], config: Config
) -> Alter | Act | Posted | Refused:
    """Return what a delivery needs next, as it stands. Pure."""
    way, name = WAYS[plan.way], f"delivery {plan.number}"
    mark = str(there.get(config.delivery_mark) or "").strip()
    gone = there.get("OverallGoodsMovementStatus") == _DONE
    if mark and mark != plan.text:
        said = (
            f"{name} has {mark!r} in {config.delivery_mark}: it is another's, or see delivery_mark"
        )
        return Refused("needs_human", said)
    if gone:
        said = f"{name} was posted already, and not for this transaction"
        return Posted(plan.number) if mark else Refused("refused", said)
    wanted = quantities(plan, listed(there.get("to_DeliveryDocumentItem")))
    if isinstance(wanted, Refused):
        return wanted
    if not mark:
        path = key(way.header, DeliveryDocument=plan.number)
        claim = written({config.delivery_mark: plan.text})
        return Alter((Change(path, claim, etag(there)),))
    if wanted:
        return Alter(wanted)
    if there.get("OverallPickingStatus") not in (_DONE, _NOT_RELEVANT, None):
        return Act(way.pick, etag(there))
    return Act(way.post, etag(there))


def quantities(plan: Delivery, items: list[dict[str, Any]]) -> tuple[Change, ...] | Refused:
    """Return the changes that make the items say what moved; none where they do. Pure."""
    if not plan.goods:
        return ()
    way = WAYS[plan.way]
    left = [row for row in items if not row.get("IsNotGoodsMovementsRelevant")]
    changes: list[Change] = []
    for goods in plan.goods:
        fitting = [row for row in left if _fits(goods, row)]
        exact = [row for row in fitting if goods.batch and _batch(row) == goods.batch]
        chosen = exact or fitting
        if len(chosen) != 1:
            return _none_or_many(plan, goods, chosen)
        [row] = chosen
        left.remove(row)
        change = _change(goods, row, plan)
        if isinstance(change, Refused):
            return change
        if change:
            number = str(row.get("DeliveryDocumentItem"))
            path = key(way.item, DeliveryDocument=plan.number, DeliveryDocumentItem=number)
            changes.append(Change(path, written(change), etag(row)))
    for row in left:
        if _quantity(row):
            item, material = row.get("DeliveryDocumentItem"), row.get("Material")
            said = f"nothing moved of item {item}, {material}: take it out in SAP"
            return Refused("needs_human", f"delivery {plan.number}: {said}")
    return tuple(changes)


def _fits(goods: Goods, row: Mapping[str, Any]) -> bool:
    if goods.item:
        return str(row.get("DeliveryDocumentItem")).lstrip("0") == goods.item
    return is_material(row.get("Material"), goods.material) and _batch(row) in ("", goods.batch)


def _none_or_many(plan: Delivery, goods: Goods, rows: list[dict[str, Any]]) -> Refused:
    name = f"delivery {plan.number}"
    if not rows:
        return Refused("unknown_sku", f"{name} has no item for {goods}")
    numbers = ", ".join(str(row.get("DeliveryDocumentItem")) for row in rows)
    return Refused("needs_human", f"{name} has {goods} as items {numbers}: say which")


def _change(goods: Goods, row: Mapping[str, Any], plan: Delivery) -> dict[str, str] | Refused:
    there, unit = _quantity(row), str(row.get("DeliveryQuantityUnit"))
    if unit != goods.unit:
        said = f"delivery {plan.number} counts {goods} in {unit}, the scan in {goods.unit}"
        return Refused("unsupported", said)
    if goods.quantity > max(there, amount(row.get("OriginalDeliveryQuantity"))):
        code: Reason = "over_receipt" if plan.way == "inbound" else "refused"
        said = f"{plain(goods.quantity)} {unit} of {goods}, and it says {plain(there)}"
        return Refused(code, f"delivery {plan.number}: {said}")
    change: dict[str, str] = {}
    if goods.quantity != there:
        change |= {"ActualDeliveryQuantity": plain(goods.quantity), "DeliveryQuantityUnit": unit}
    if goods.batch and not _batch(row):
        change["Batch"] = goods.batch
    return change


def _batch(row: Mapping[str, Any]) -> str:
    return str(row.get("Batch") or "").upper()


def _quantity(row: Mapping[str, Any]) -> Decimal:
    return amount(row.get("ActualDeliveryQuantity"))
