"""What comes over MQTT: envelopes, the bridge's word, reference data; spoilt on purpose."""

import json
from collections.abc import Callable
from random import Random
from typing import Any

from pydantic import BaseModel, ValidationError

from bridge.inspection import Inspected, Poison, inspect, unpack
from contract.canonical import canonical, digest
from contract.envelope import Ack
from contract.reference import Ask, Newest, Page
from contract.topics import Topics, owner
from tests.drivers.records import FOLDER
from tests.fuzz.spoiling import spoilt

GOLDEN = (FOLDER.parent / "envelope-v1.json").read_bytes()
TOPIC = Topics("north", "dock-1").tx

_LEAVES: tuple[Any, ...] = (
    None, True, 0, -1, 2**53, 2**63, 1e999, 0.1, "", "x" * 200, "\ud800", "\0", "1e5", "NaN",
    "-0", "٣", "2026-02-30", "2026-11-23T11:00:01Z", [], {}, [[]], {"kind": "receipt"},
)  # fmt: skip


def changed(r: Random, value: Any) -> Any:
    """Return `value` with one thing in it changed, added or gone."""
    if isinstance(value, dict) and value and r.random() < 0.9:
        key = r.choice(list(value))
        rest = {name: each for name, each in value.items() if name != key}
        match r.randrange(8):
            case 0:
                return rest
            case 1:
                return {**rest, key + r.choice("xé\0"): value[key]}
            case 2:
                return {**value, r.choice(("new", "seq", "epoch")): r.choice(_LEAVES)}
            case _:
                return {**value, key: changed(r, value[key])}
    if isinstance(value, list) and value and r.random() < 0.9:
        at = r.randrange(len(value))
        return [*value[:at], changed(r, value[at]), *value[at + r.randrange(2) :]]
    if isinstance(value, str) and r.random() < 0.6:
        return spoilt(r, value.encode("utf-8", "replace")).decode("utf-8", "replace")
    return r.choice(_LEAVES)


_ENVELOPE = json.loads(GOLDEN)


def envelopes(r: Random) -> None:
    """Envelopes of which bytes, values or rows are spoilt; half of them with digests that fit."""
    topic, payload = TOPIC, GOLDEN
    if r.random() < 0.3:
        for _ in range(r.randint(1, 3)):
            payload = spoilt(r, payload)
    else:
        envelope = _ENVELOPE
        for _ in range(r.randint(0, 2)):
            envelope = changed(r, envelope)
        payload = json.dumps(_resealed(r, envelope)).encode()
    found = unpack(topic, payload)
    if isinstance(found, Poison):
        assert 0 < len(found.reason) <= 500
        return
    for number, row in enumerate(found.rows):
        seen = inspect(found.gateway, found.epoch, found.first + number, row)
        _judge(seen, row.digest)


def _judge(seen: Inspected, claimed: str) -> None:
    assert (seen.transaction is None) == (seen.code is not None)
    assert len(seen.text) <= 500
    assert seen.digest == claimed
    seen.body.encode()
    assert seen.code != "corrupt" or digest(seen.body) != claimed


def _resealed(r: Random, envelope: Any) -> Any:
    """Return `envelope` with one transaction changed, and mostly with the digest it has then."""
    try:
        rows = envelope["data"]["rows"]
        at = r.randrange(len(rows))
        transaction = changed(r, rows[at]["transaction"])
        right = digest(canonical(transaction)) if r.random() < 0.9 else "0" * 64
    except (KeyError, TypeError, ValueError, RecursionError):
        return envelope
    new = {**rows[at], "transaction": transaction, "digest": right}
    rows = [*rows[:at], new, *rows[at + 1 :]]
    return {**envelope, "data": {**envelope["data"], "rows": rows}}


_EPOCH = "0196f0a0-0000-4000-8000-000000000001"
_WORDS: dict[type[BaseModel], dict[str, Any]] = {
    Ack: {
        "epoch": _EPOCH,
        "upto": 7,
        "posted": 5,
        "rejected": [{"seq": 3, "code": "unknown_sku", "text": "no such item"}],
        "conflict": 8,
    },
    Newest: {"set": "a", "version": 9, "epoch": _EPOCH, "includes": 4},
    Ask: {"set": "a", "after": 3},
    Page: {
        "set": "a",
        "after": 3,
        "upto": 4,
        "newest": 9,
        "changes": [
            {
                "kind": "item",
                "key": "BOLT-8",
                "record": {
                    "kind": "item",
                    "sku": "BOLT-8",
                    "packs": [{"gtin": "04012345678901", "quantity": "1"}],
                },
            },
            {"kind": "location", "key": "A-1", "record": {"kind": "location", "name": "A-1"}},
        ],
    },
}


def word(model: type[BaseModel]) -> Callable[[Random], None]:
    """Return what tries one kind of message: it reads, or fails as its readers expect."""
    good = _WORDS[model]

    def one(r: Random) -> None:
        value: Any = good
        for _ in range(r.randint(0, 3)):
            value = changed(r, value)
        payload = json.dumps(value).encode()
        for _ in range(r.choice((0, 0, 1, 3))):
            payload = spoilt(r, payload)
        try:
            found = model.model_validate_json(payload)
        except ValidationError:
            return
        assert model.model_validate_json(found.model_dump_json()) == found

    return one


def topics(r: Random) -> None:
    """Topics anybody may publish under."""
    topic = r.choice((TOPIC, Topics("a-1", "b").ack, "scanpost/v1/+/#", "$share/x/" + TOPIC))
    said = spoilt(r, spoilt(r, topic.encode())).decode("utf-8", "replace")
    found = owner(said)
    assert found is None or all(1 <= len(name) <= 32 for name in found)
