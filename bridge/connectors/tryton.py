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

Source: Tryton 8.2, `trytond/protocols/rest.py` and modules stock, purchase, stock_lot,
stock_lot_sled; every call here is tested against a running server.
"""

import json
import os
import re
from base64 import urlsafe_b64encode
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, assert_never
from zoneinfo import ZoneInfo

import aiohttp
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    StringConstraints,
    ValidationError,
    model_validator,
)

from bridge.connector import Connector
from bridge.outcome import Outcome, Posted, Refused, TryLater, Unknown
from contract.envelope import Reason
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
from contract.values import Item, Line, Text, UnitCode

MAX_ANSWER = 8_000_000
"""Bytes of an answer: an order of a thousand lines is about one megabyte."""
MAX_ROWS = 20
"""Rows of an answer: every search here is for one record, and two are already too many."""
MAX_TEXT = 400
"""Characters of a reason that are kept."""
CONNECT_WITHIN = 10.0
"""Seconds for a connection to come up: a host that takes longer is down."""
SETTING_WRONG = 60.0
"""Seconds until the next try when a person must first mend a key, a right or a setting."""
ORDER_BUSY = 30.0
"""Seconds until the next try when Tryton has yet to open the rest of an order."""

FieldName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,62}$")]


class Config(BaseModel):
    """The `[target]` table for a Tryton database."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    connector: Literal["tryton"]
    url: Annotated[str, StringConstraints(pattern=r"^https?://[^\s?#]+$")]
    """Where Tryton answers, such as `https://erp.example.com`; without the database."""
    database: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]{1,64}$")]
    api_key_file: Path | None = None
    """File that holds the key and nothing else; read anew for each transaction."""
    api_key_env: str | None = None
    """Environment variable that holds the key."""
    api_key: SecretStr | None = None
    """The key itself: for tests, since a configuration file is not a place for secrets."""
    company: int | Text
    """The company's id in Tryton, or its name."""
    warehouse: Text
    """Code of the warehouse: orders for another one are refused."""
    order_by: Literal["number", "reference"] = "number"
    """What the purchase order on the label is: Tryton's number or the supplier's reference."""
    sku_field: FieldName = "code"
    """Field of `product.product` that holds the SKU."""
    units: dict[UnitCode, Text] = {
        "EA": "Unit",
        "C62": "Unit",
        "KGM": "Kilogram",
        "GRM": "Gram",
        "LBR": "Pound",
        "ONZ": "Ounce",
        "LTR": "Liter",
        "MTR": "Meter",
    }
    """English name or symbol of Tryton's unit for each unit code. Nothing is ever converted. A
    table of one's own replaces this one."""
    lots: bool = True
    """Whether lots go to Tryton; needs its module `stock_lot`. Otherwise the ledger keeps them."""
    lot_expiry_field: FieldName | None = None
    """Field of `stock.lot` for the expiry date of a label (AI 17), such as `expiration_date` of
    the module `stock_lot_sled`; None leaves the date in the ledger."""
    lot_best_before_field: FieldName | None = None
    """The same for the best-before date (AI 15), such as `shelf_life_expiration_date`."""
    time_zone: ZoneInfo | None = None
    """Books a receipt on the day it was scanned, as seen in this zone, where the gateway's clock
    was right; None books it on the day it reaches Tryton."""
    timeout: Annotated[float, Field(ge=1, le=600)] = 30.0
    """Seconds for one request."""
    settle: Annotated[float, Field(ge=0, le=3600)] = 120.0
    """Seconds after which the server itself has given up a request: gunicorn's `--timeout`, or
    uWSGI's `harakiri`."""

    @model_validator(mode="after")
    def _one_key(self) -> "Config":
        if sum(key is not None for key in (self.api_key_file, self.api_key_env, self.api_key)) != 1:
            raise ValueError("give one of api_key_file and api_key_env")
        if (self.lot_expiry_field or self.lot_best_before_field) and not self.lots:
            raise ValueError("dates of lots need lots = true")
        return self

    def key(self) -> str:
        """Return the API key as it is now. Raises OSError, KeyError or ValueError without one."""
        if self.api_key is not None:
            return self.api_key.get_secret_value()
        if self.api_key_file is not None:
            return self.api_key_file.read_text("ascii").strip()
        return os.environ[self.api_key_env or ""]


# What is to be booked


@dataclass(frozen=True, slots=True)
class Goods:
    """One item that came in, all labels of one lot added up. `unit` is Tryton's."""

    item: Item
    quantity: Decimal
    unit: str
    lot: str | None = None
    expiry: date | None = None
    best_before: date | None = None

    def __str__(self) -> str:
        return self.item.sku or f"GTIN {self.item.gtin}"


@dataclass(frozen=True, slots=True)
class Arrival:
    """A receipt as Tryton is to read it: one supplier shipment for one purchase order."""

    reference: str
    order: str
    goods: tuple[Goods, ...]
    location: str | None = None
    """Code of the location the goods are put to; None is the warehouse's storage."""
    day: date | None = None


def document(transaction: Transaction, config: Config) -> Arrival | Posted | Refused:
    """Return what Tryton is to book for `transaction`.

    `Posted("")` is for what has no meaning in an ERP: a reading or weighing with no job behind it
    moves no stock. Pure.
    """
    event = transaction.event
    match event:
        case Receipt():
            return _arrival(transaction, event, config)
        case Reading() | Weighing():
            return Posted("")
        case (
            Putaway()
            | Pick()
            | Pack()
            | Shipment()
            | Transfer()
            | Count()
            | Adjustment()
            | Return()
            | Assembly()
            | Reversal()
        ):
            return Refused("unsupported", f"a {event.type} cannot be posted to Tryton yet")
        case _:
            assert_never(event)


def _arrival(
    transaction: Transaction, receipt: Receipt, config: Config
) -> Arrival | Posted | Refused:
    orders = {each.number for each in receipt.documents if each.kind == "po"}
    if len(orders) != 1:
        named = ", ".join(sorted(orders)) or "none"
        return Refused("unknown_document", f"needs one purchase order; the receipt names {named}")
    goods: dict[Goods, Decimal] = {}
    for line in receipt.lines:
        if line.quantity.unit not in config.units:
            return Refused("unsupported", f"the unit {line.quantity.unit} is not mapped to Tryton")
        key = _goods(line, config)
        goods[key] = goods.get(key, Decimal(0)) + line.quantity.value
    came = tuple(replace(key, quantity=value) for key, value in goods.items() if value)
    if not came:
        return Posted("")  # nothing came: there is no shipment of nothing
    clock = transaction.clock
    dated = config.time_zone is not None and clock.synchronised
    return Arrival(
        reference=str(transaction.id),
        order=orders.pop(),
        goods=came,
        location=receipt.to_location,
        day=clock.wall.astimezone(config.time_zone).date() if dated else None,
    )


def _goods(line: Line, config: Config) -> Goods:
    lot = line.lot if config.lots else None
    return Goods(
        item=line.item,
        quantity=Decimal(0),
        unit=config.units[line.quantity.unit],
        lot=lot,
        expiry=line.expiry if lot and config.lot_expiry_field else None,
        best_before=line.best_before if lot and config.lot_best_before_field else None,
    )


# What Tryton answers


class _Answer(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    id: int


class _Unit(_Answer):
    name: str
    symbol: str
    rounding: Decimal

    def is_(self, name: str) -> bool:
        return name in (self.name, self.symbol)


class _Identifier(_Answer):
    code: str | None = None


class _Product(_Answer):
    model_config = ConfigDict(extra="allow", frozen=True)

    identifiers: tuple[_Identifier, ...] = ()
    lot_required: tuple[str, ...] | None = None

    def is_(self, item: Item, sku_field: str) -> bool:
        """The house's own name decides where a label or a look-up gave one, else the GTIN."""
        if item.sku is not None:
            return (self.model_extra or {}).get(sku_field) == item.sku
        return any(_gtin(each.code or "") == item.gtin for each in self.identifiers)

    @property
    def needs_lot(self) -> bool:
        """Whether a move from a supplier into storage is refused without a lot."""
        return not {"supplier", "storage"}.isdisjoint(self.lot_required or ())


class Move(_Answer):
    """A move of an order's goods, done or still to come."""

    state: str
    quantity: Decimal
    unit: _Unit
    shipment: str | None = None
    from_location: int
    to_location: int
    unit_price: Decimal | None = None
    currency: int | None = None

    @property
    def open(self) -> bool:
        """Whether it still waits for goods, and in nobody's shipment."""
        return self.state == "draft" and self.shipment is None


class OrderLine(_Answer):
    """One product of an order, and every move that was ever made for it."""

    quantity: Decimal | None = None
    product: _Product | None = None
    moves: tuple[Move, ...] = ()
    moves_recreated: tuple[int, ...] = ()

    @property
    def owed(self) -> Decimal:
        """What was ordered and no move stands for yet: Tryton opens it with the next receipt."""
        moved = sum(
            (move.quantity for move in self.moves if move.id not in self.moves_recreated),
            Decimal(0),
        )
        return max(Decimal(0), (self.quantity or Decimal(0)) - moved)


class _Warehouse(_Answer):
    input_location: int
    storage_location: int


class Order(_Answer):
    """A purchase order, with all that is needed to receive it."""

    number: str | None = None
    state: str
    party: int
    warehouse: _Warehouse
    lines: tuple[OrderLine, ...] = ()


class _Field(_Answer):
    model: str
    name: str


class _Lot(_Answer):
    model_config = ConfigDict(extra="allow", frozen=True)

    number: str


class _Incoming(_Answer):
    product: _Product
    unit: _Unit
    quantity: Decimal
    lot: _Lot | None = None


class _Supply(_Answer):
    """A supplier shipment."""

    number: str | None = None
    state: str
    incoming_moves: tuple[_Incoming, ...] = ()

    def __str__(self) -> str:
        return f"shipment {self.number or self.id}"


def _gtin(code: str) -> str | None:
    digits = code.strip()
    return digits.zfill(14) if re.fullmatch(r"[0-9]{8}|[0-9]{12,14}", digits) else None


def _is_whole_steps(quantity: Decimal, step: Decimal) -> bool:
    try:
        return quantity % step == 0
    except ArithmeticError:  # more digits than a Decimal divides, or a step of zero
        return False


def _plain(quantity: Decimal) -> str:
    return f"{quantity.normalize():f}"


# Which open moves of the order the goods belong to


@dataclass(frozen=True, slots=True)
class Take:
    """A part of what came, and the open move of the order it fills."""

    goods: Goods
    quantity: Decimal
    line: int
    product: int
    move: Move


def allocate(
    arrival: Arrival, order: Order, sku_field: str
) -> tuple[Take, ...] | Refused | TryLater:
    """Spread what came over the order's open moves, oldest first. Pure.

    Returns:
        Takes that add up to `arrival.goods` exactly; or why not, for the first goods that do not
        fit: all of a receipt is booked or nothing.
    """
    takes: list[Take] = []
    left = {move.id: move.quantity for line in order.lines for move in line.moves if move.open}
    for goods in arrival.goods:
        lines = _lines_for(goods, order, sku_field)
        if isinstance(lines, Refused):
            return lines
        rest = goods.quantity
        for line, product in lines:
            for move in sorted(line.moves, key=lambda move: move.id):
                part = min(rest, left.get(move.id, Decimal(0)))
                if part > 0:
                    takes.append(Take(goods, part, line.id, product.id, move))
                    left[move.id] -= part
                    rest -= part
        if rest > 0:
            return _too_much(goods, rest, [line for line, _ in lines], order)
    return tuple(takes)


def _lines_for(
    goods: Goods, order: Order, sku_field: str
) -> list[tuple[OrderLine, _Product]] | Refused:
    lines = [
        (line, line.product)
        for line in order.lines
        if line.product is not None and line.product.is_(goods.item, sku_field)
    ]
    if not lines:
        return Refused("unknown_sku", f"order {order.number} has no line for {goods}")
    if len({product.id for _, product in lines}) > 1:
        return Refused("unknown_sku", f"order {order.number} has several products for {goods}")
    if goods.lot is None and lines[0][1].needs_lot:
        return Refused("lot_required", f"Tryton takes {goods} with a lot only")
    for unit in (move.unit for line, _ in lines for move in line.moves if move.open):
        if not unit.is_(goods.unit):
            return Refused(
                "unsupported",
                f"order {order.number} counts {goods} in {unit.name}, the receipt in {goods.unit}",
            )
        if not _is_whole_steps(goods.quantity, unit.rounding) or exact(goods.quantity) is None:
            return Refused(
                "unsupported",
                f"Tryton keeps {unit.name} in steps of {_plain(unit.rounding)}: "
                f"{_plain(goods.quantity)} of {goods} would be rounded",
            )
    return lines


def _too_much(
    goods: Goods, rest: Decimal, lines: Sequence[OrderLine], order: Order
) -> Refused | TryLater:
    if rest <= sum(line.owed for line in lines):
        return TryLater(
            f"order {order.number}: the rest of {goods} is not open yet; "
            "an earlier shipment of this order waits to be received",
            after=ORDER_BUSY,
        )
    return Refused(
        "over_receipt",
        f"order {order.number} has {_plain(goods.quantity - rest)} of {goods} open, "
        f"{_plain(goods.quantity)} {goods.unit} came",
    )


def exact(quantity: Decimal) -> float | None:
    """Return `quantity` as the number JSON carries, or None where that would be another one.

    >>> exact(Decimal("25.50")), exact(Decimal("0.12345678901234567890"))
    (25.5, None)
    """
    number = float(quantity)
    return number if Decimal(repr(number)) == quantity else None


def supply(
    arrival: Arrival,
    order: Order,
    takes: Sequence[Take],
    lots: Mapping[Goods, int],
    *,
    company: int,
    storage: int,
) -> dict[str, Any]:
    """Return the supplier shipment to create: one call, so it is whole or absent. Pure.

    The first take of a move uses that move; a further one (another lot) gets a move of its own
    beside it. What is then left of the order Tryton opens again by itself.
    """
    moves: list[list[Any]] = [["add", list(dict.fromkeys(take.move.id for take in takes))]]
    used: set[int] = set()
    for take in takes:
        values: dict[str, Any] = {"quantity": exact(take.quantity)}
        if take.goods in lots:
            values["lot"] = lots[take.goods]
        if take.move.id in used:
            moves.append(["create", [_beside(take, company) | values]])
        else:
            moves.append(["write", [take.move.id], values])
        used.add(take.move.id)
    return {
        "reference": arrival.reference,
        "company": company,
        "supplier": order.party,
        "warehouse": order.warehouse.id,
        "warehouse_input": order.warehouse.input_location,
        "warehouse_storage": storage,
        "effective_date": arrival.day,
        "incoming_moves": moves,
    }


def _beside(take: Take, company: int) -> dict[str, Any]:
    return {
        "origin": f"purchase.line,{take.line}",
        "product": take.product,
        "unit": take.move.unit.id,
        "company": company,
        "from_location": take.move.from_location,
        "to_location": take.move.to_location,
        "unit_price": take.move.unit_price,
        "currency": take.move.currency,
    }


def _is_whole(found: _Supply, arrival: Arrival, sku_field: str) -> bool:
    """Whether a draft still says what came: a person may have changed it."""
    here: dict[tuple[int, str | None], Decimal] = defaultdict(Decimal)
    came: dict[tuple[int, str | None], Decimal] = defaultdict(Decimal)
    for move in found.incoming_moves:
        here[move.product.id, move.lot.number if move.lot else None] += move.quantity
    for goods in arrival.goods:
        products = {
            move.product.id
            for move in found.incoming_moves
            if move.product.is_(goods.item, sku_field) and move.unit.is_(goods.unit)
        }
        if len(products) != 1:
            return False
        came[products.pop(), goods.lot] += goods.quantity
    return here == came


# What an answer means


class Stopped(Exception):
    """The delivery ends here, with `outcome`."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome)
        self.outcome = outcome


_REFUSALS: tuple[tuple[re.Pattern[str], Reason], ...] = (
    (re.compile(r" is moving .+ in addition to the .+ ordered"), "over_receipt"),
    (re.compile(r"must provide a stock lot"), "lot_required"),
    (re.compile(r"reopen (the )?(period|fiscal year)|in a closed period"), "closed_period"),
    (re.compile(r"must create a (period|fiscal year)"), "closed_period"),
    (re.compile(r"not allowed to \w+( to)? records"), "forbidden"),
)
"""Tryton's English messages; requests ask for English, whatever language its users work in."""
_NO_RIGHT = re.compile(r'^You are not allowed to access "|^Calling button ')
_STATE_MOVED = re.compile(r"^You can not call ")


def judge(status: int, body: bytes, *, writes: bool, after: float | None = None) -> Outcome:
    """Return what an answer that is no success means. Pure.

    Only Tryton's own word on this very document refuses it. A wrong address, key or right would
    refuse every transaction alike, so those wait for a person instead.

    Args:
        status: of the HTTP answer.
        body: of the answer.
        writes: whether the request would have changed something.
        after: what `Retry-After` said, in seconds.
    """
    said = f"Tryton answered {status}: {_message(body)}"[:MAX_TEXT]
    if status == 400 and writes:
        return _refusal(_message(body))
    if status in (413, 414, 431) and writes:
        return Refused("refused", said)
    if status in (429, 503):
        # Tryton's 503 is a conflict that five attempts of its own rolled back; a proxy's means
        # that nobody took the request
        return TryLater(said, after=after)
    if status >= 500 or status < 300:
        return Unknown(said) if writes else TryLater(said)
    return TryLater(said, after=SETTING_WRONG)


def _refusal(message: str) -> Outcome:
    text = message[:MAX_TEXT]
    if _STATE_MOVED.search(message):
        return Unknown(f"somebody else works on it: {text}")
    if _NO_RIGHT.search(message):
        return TryLater(f"the API key's user lacks a right: {text}", after=SETTING_WRONG)
    for pattern, reason in _REFUSALS:
        if pattern.search(message):
            return Refused(reason, text)
    return Refused("refused", text or "Tryton refused it without a reason")


def _message(body: bytes) -> str:
    """Tryton's own words, or the start of the page somebody else answered with."""
    text = body.decode(errors="replace")
    try:
        answer = json.loads(text)
        return f"{answer['message']} {answer['description']}".strip()
    except (ValueError, KeyError, TypeError):
        return " ".join(re.sub(r"<[^>]*>", " ", text).split())[:MAX_TEXT]


# The wire

_A = TypeVar("_A", bound=_Answer)


class _Rest:
    """Tryton's REST interface. Everything that is not a success raises `Stopped`."""

    def __init__(self, session: aiohttp.ClientSession, config: Config) -> None:
        self._session = session
        self._config = config
        self._base = f"{config.url.rstrip('/')}/{config.database}/rest/model"
        self._key = ""
        self.company: int | None = None

    def renew_key(self) -> None:
        """Read the key again: a new one works without a restart."""
        try:
            key = self._config.key()
        except (OSError, KeyError, ValueError) as error:
            raise Stopped(
                TryLater(f"the API key cannot be read: {error!r}", SETTING_WRONG)
            ) from None
        if not re.fullmatch(r"[!-~]{1,1024}", key):
            raise Stopped(TryLater("the API key is empty or no key", SETTING_WRONG))
        self._key = key

    async def find(
        self, model: str, answer: type[_A], domain: list[Any], fields: Iterable[str] = ("id",)
    ) -> list[_A]:
        query = [("d", _base64(domain)), ("s", str(MAX_ROWS)), *(("f", name) for name in fields)]
        rows = await self._call("GET", model, query, writes=False)
        if not isinstance(rows, list):
            raise Stopped(TryLater(f"Tryton answered no list of {model}", SETTING_WRONG))
        return [_read(answer, row, writes=False) for row in rows]

    async def make(
        self, model: str, answer: type[_A], values: dict[str, Any], fields: Iterable[str]
    ) -> _A:
        query = [("f", name) for name in fields]
        return _read(answer, await self._call("POST", model, query, values), writes=True)

    async def change(self, model: str, number: int, values: dict[str, Any]) -> None:
        await self._call("PUT", f"{model}/{number}", [("f", "id")], values)

    async def act(
        self, model: str, number: int, button: str, answer: type[_A], fields: Iterable[str]
    ) -> _A:
        query = [("f", name) for name in fields]
        row = await self._call("POST", f"{model}/{number}/{button}", query, {})
        return _read(answer, row, writes=True)

    async def _call(
        self,
        method: str,
        path: str,
        query: list[tuple[str, str]],
        values: dict[str, Any] | None = None,
        *,
        writes: bool = True,
    ) -> Any:
        headers = {"Authorization": f"bearer {self._key}"}
        if self.company is not None:
            headers["X-Tryton-Context"] = _base64({"company": self.company})
        data = None
        if values is not None:
            headers["Content-Type"] = "application/json"
            data = json.dumps(values, default=_encode).encode()
        try:
            async with self._session.request(
                method,
                f"{self._base}/{path}",
                params=query,
                data=data,
                headers=headers,
                allow_redirects=False,  # a redirected POST would turn into a GET
            ) as response:
                body = await _body(response)
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise Stopped(TryLater(f"Tryton is not reachable: {error}"[:MAX_TEXT])) from error
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            why = f"{method} {path}: no answer: {error!r}"[:MAX_TEXT]
            raise Stopped(Unknown(why) if writes else TryLater(why)) from error
        if response.status == 200 and body is not None:
            try:
                return json.loads(body, parse_float=Decimal, object_hook=_decode)
            except ValueError:
                pass  # a 200 that is not JSON comes from something in between
        after = _seconds(response.headers.get("Retry-After"))
        body = b"too long an answer" if body is None else body
        raise Stopped(judge(response.status, body, writes=writes, after=after))


async def _body(response: aiohttp.ClientResponse) -> bytes | None:
    body = bytearray()
    async for chunk in response.content.iter_chunked(65_536):
        body += chunk
        if len(body) > MAX_ANSWER:
            return None
    return bytes(body)


def _read(answer: type[_A], row: Any, *, writes: bool) -> _A:
    try:
        return answer.model_validate(row)
    except ValidationError as error:
        why = f"Tryton's answer is not as expected: {error}"[:MAX_TEXT]
        raise Stopped(Unknown(why) if writes else TryLater(why, SETTING_WRONG)) from error


def _base64(value: Any) -> str:
    return urlsafe_b64encode(json.dumps(value, default=_encode).encode()).decode()


def _encode(value: object) -> dict[str, Any]:
    match value:
        case Decimal():
            return {"__class__": "Decimal", "decimal": str(value)}
        case date():
            return {
                "__class__": "date",
                "year": value.year,
                "month": value.month,
                "day": value.day,
            }
    raise TypeError(f"{value!r} has no JSON form in Tryton")


def _decode(value: dict[str, Any]) -> Any:
    match value:
        case {"__class__": "Decimal", "decimal": str(number)}:
            return Decimal(number)
        case {"__class__": "date", "year": int(year), "month": int(month), "day": int(day)}:
            return date(year, month, day)
    return value


def _seconds(header: str | None) -> float | None:
    found = re.fullmatch(r"[0-9]{1,4}", header or "")
    return float(found[0]) if found else None


# The connector

_PRODUCT = ("identifiers.code",)
_UNIT = ("name", "symbol", "rounding")
_MOVE = (
    *("state", "quantity", "shipment", "from_location", "to_location", "unit_price", "currency"),
    *(f"unit.{name}" for name in _UNIT),
)
_STEPS = {"draft": "receive", "received": "do"}


class Tryton:
    """One Tryton database, and its only writer of receipts."""

    def __init__(self, session: aiohttp.ClientSession, config: Config) -> None:
        self.settle = config.settle
        self._config = config
        self._rest = _Rest(session, config)

    async def deliver(self, transaction: Transaction, *, again: bool) -> Outcome:
        """Bring `transaction` into Tryton once, however often this is called for its id.

        Looks for it first even when `again` is False: that took 4 of the 314 ms of a receipt. Must
        not run twice at the same time for one database, from wherever.
        """
        arrival = document(transaction, self._config)
        if isinstance(arrival, Posted | Refused):
            return arrival
        try:
            self._rest.renew_key()
            company = await self._company()
            found = await self._find(arrival, company)
            if found is None:
                found = await self._create(arrival, company)
            elif found.state == "draft":
                await self._check(found, arrival)
            return await self._finish(found)
        except Stopped as stopped:
            return stopped.outcome

    async def _company(self) -> int:
        """Return the company's id; the first time, see that the settings fit this Tryton."""
        if self._rest.company is None:
            company = self._config.company
            if isinstance(company, str):
                rows = await self._rest.find(
                    "company.company", _Answer, [["party.name", "=", company]]
                )
                if len(rows) != 1:
                    why = f"Tryton has {len(rows) or 'no'} companies named {company}"
                    raise Stopped(TryLater(why, SETTING_WRONG))
                company = rows[0].id
            await self._check_fields()
            self._rest.company = company
        return self._rest.company

    async def _check_fields(self) -> None:
        config = self._config
        needed = {("product.product", config.sku_field)}
        if config.lots:
            dates = (config.lot_expiry_field, config.lot_best_before_field)
            needed |= {("stock.lot", name) for name in ("number", *dates) if name}
        anyone = [[["model", "=", model], ["name", "=", name]] for model, name in needed]
        rows = await self._rest.find("ir.model.field", _Field, ["OR", *anyone], ("model", "name"))
        if lacks := needed - {(row.model, row.name) for row in rows}:
            names = ", ".join(sorted(f"{model}.{name}" for model, name in lacks))
            why = f"Tryton has no {names}: a setting is wrong, or a module is not activated"
            raise Stopped(TryLater(why, SETTING_WRONG))

    async def _find(self, arrival: Arrival, company: int) -> _Supply | None:
        rows = await self._rest.find(
            "stock.shipment.in",
            _Supply,
            [["reference", "=", arrival.reference], ["company", "=", company]],
            ("number", "state"),
        )
        alive = [each for each in rows if each.state != "cancelled"]
        if len(alive) > 1:
            names = ", ".join(map(str, alive))
            raise Stopped(Refused("refused", f"Tryton has it more than once: {names}"))
        if rows and not alive:
            raise Stopped(Refused("refused", f"{rows[0]} was cancelled in Tryton"))
        return alive[0] if alive else None

    async def _check(self, found: _Supply, arrival: Arrival) -> None:
        fields = [
            "number",
            "state",
            "incoming_moves.quantity",
            *(f"incoming_moves.unit.{name}" for name in _UNIT),
            *(f"incoming_moves.product.{name}" for name in (*_PRODUCT, self._config.sku_field)),
        ]
        if self._config.lots:
            fields.append("incoming_moves.lot.number")
        rows = await self._rest.find("stock.shipment.in", _Supply, [["id", "=", found.id]], fields)
        if not (rows and _is_whole(rows[0], arrival, self._config.sku_field)):
            why = f"{found} is a draft that differs from what came: finish or cancel it in Tryton"
            raise Stopped(Refused("refused", why))

    async def _create(self, arrival: Arrival, company: int) -> _Supply:
        order = await self._order(arrival.order, company)
        takes = allocate(arrival, order, self._config.sku_field)
        if not isinstance(takes, tuple):
            raise Stopped(takes)
        if arrival.day is not None:
            await self._check_period(arrival.day, company)
        storage = order.warehouse.storage_location
        if arrival.location is not None:
            storage = await self._location(arrival.location, order.warehouse.id)
        lots: dict[Goods, int] = {}
        for take in takes:
            if take.goods.lot is not None and take.goods not in lots:
                lots[take.goods] = await self._lot(take.product, take.goods)
        values = supply(arrival, order, takes, lots, company=company, storage=storage)
        return await self._rest.make("stock.shipment.in", _Supply, values, ("number", "state"))

    async def _order(self, name: str, company: int) -> Order:
        product = [*_PRODUCT, self._config.sku_field]
        if self._config.lots:
            product.append("lot_required")
        fields = [
            *("number", "state", "party", "lines.quantity", "lines.moves_recreated"),
            *("warehouse.input_location", "warehouse.storage_location"),
            *(f"lines.product.{name}" for name in product),
            *(f"lines.moves.{name}" for name in _MOVE),
        ]
        domain = [
            [self._config.order_by, "=", name],
            ["warehouse.code", "=", self._config.warehouse],
            ["company", "=", company],
        ]
        rows = await self._rest.find("purchase.purchase", Order, domain, fields)
        if len(rows) != 1:
            found = f"{len(rows) or 'no'} purchase orders {name}"
            why = f"warehouse {self._config.warehouse} has {found}"
            raise Stopped(Refused("unknown_document", why))
        order = rows[0]
        if order.state == "confirmed":
            raise Stopped(TryLater(f"order {name} is about to be processed", ORDER_BUSY))
        if order.state != "processing":
            raise Stopped(Refused("unknown_document", f"order {name} is {order.state}"))
        return order

    async def _check_period(self, day: date, company: int) -> None:
        """Tryton 8.2 itself books into a closed period when only the shipment has the date."""
        closed = [["state", "=", "closed"], ["date", ">=", day], ["company", "=", company]]
        if await self._rest.find("stock.period", _Answer, closed):
            why = f"{day} lies in a closed stock period"
            raise Stopped(Refused("closed_period", why))

    async def _location(self, code: str, warehouse: int) -> int:
        rows = await self._rest.find(
            "stock.location",
            _Answer,
            [
                ["code", "=", code],
                ["type", "=", "storage"],
                ["parent", "child_of", [warehouse], "parent"],
            ],
        )
        if len(rows) != 1:
            why = f"warehouse {self._config.warehouse} has {len(rows) or 'no'} locations {code}"
            raise Stopped(Refused("refused", why))
        return rows[0].id

    async def _lot(self, product: int, goods: Goods) -> int:
        """Return the id of the lot, made or completed as needed. A lot alone is no stock."""
        dates = {
            field: day
            for field, day in (
                (self._config.lot_expiry_field, goods.expiry),
                (self._config.lot_best_before_field, goods.best_before),
            )
            if field is not None and day is not None
        }
        named = {"number": goods.lot, "product": product}
        domain = [[field, "=", value] for field, value in named.items()]
        rows = await self._rest.find("stock.lot", _Lot, domain, ("number", *dates))
        if not rows:
            return (await self._rest.make("stock.lot", _Lot, named | dates, ("number",))).id
        lot = min(rows, key=lambda row: row.id)
        known = lot.model_extra or {}
        for field, day in dates.items():
            if known.get(field) not in (None, day):
                why = f"lot {goods.lot} of {goods}: {field} is {known[field]}, the label says {day}"
                raise Stopped(Refused("refused", why))
        if missing := {field: day for field, day in dates.items() if known.get(field) is None}:
            await self._rest.change("stock.lot", lot.id, missing)
        return lot.id

    async def _finish(self, found: _Supply) -> Posted:
        """Carry a shipment on from the state it is in."""
        try:
            for _ in _STEPS:  # one after the other; a state that does not change ends it too
                if button := _STEPS.get(found.state):
                    found = await self._rest.act(
                        "stock.shipment.in", found.id, button, _Supply, ("number", "state")
                    )
        except Stopped as stopped:
            match stopped.outcome:
                case TryLater(why):
                    raise Stopped(Unknown(f"{found} is {found.state}: {why}")) from stopped
                case Refused(code, text):
                    raise Stopped(
                        Refused(code, f"{found} stays {found.state} in Tryton: {text}")
                    ) from stopped
                case _:
                    raise
        if found.state != "done":
            raise Stopped(Unknown(f"{found} is {found.state}"))
        return Posted(found.number or str(found.id))


@asynccontextmanager
async def connect(config: Config) -> AsyncIterator[Connector]:
    """Yield the connector for `config`. Opens nothing until the first delivery."""
    async with aiohttp.ClientSession(
        headers={"Accept-Language": "en", "Accept": "application/json"},
        timeout=aiohttp.ClientTimeout(total=config.timeout, sock_connect=CONNECT_WITHIN),
        connector=aiohttp.TCPConnector(limit=1),
        cookie_jar=aiohttp.DummyCookieJar(),
    ) as session:
        yield Tryton(session, config)
