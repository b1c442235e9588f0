"""Shopify's Admin API: the operations, the wire, and what an answer means.

Source: the Admin API's own introspection, versions 2026-04 to 2026-10, against which the tests hold
every operation here; Shopify's pages on rate limits and on idempotent requests.
"""

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from bridge.connectors.shopify.config import Config
from bridge.http import MAX_TEXT, SETTING_WRONG, Answer, Http, Stopped, read_secret
from bridge.outcome import Outcome, Refused, TryLater, Unknown

ADJUST = """\
mutation Adjust($input: InventoryAdjustQuantitiesInput!, $key: String!) {
  done: inventoryAdjustQuantities(input: $input) @idempotent(key: $key) {
    made: inventoryAdjustmentGroup { id }
    userErrors { code field message }
  }
}"""
MOVE = """\
mutation Move($input: InventoryMoveQuantitiesInput!, $key: String!) {
  done: inventoryMoveQuantities(input: $input) @idempotent(key: $key) {
    made: inventoryAdjustmentGroup { id }
    userErrors { code field message }
  }
}"""
SET = """\
mutation Found($input: InventorySetQuantitiesInput!, $key: String!) {
  done: inventorySetQuantities(input: $input) @idempotent(key: $key) {
    made: inventoryAdjustmentGroup { id }
    userErrors { code field message }
  }
}"""
FULFIL = """\
mutation Fulfil($fulfillment: FulfillmentInput!) {
  done: fulfillmentCreate(fulfillment: $fulfillment) {
    made: fulfillment { id }
    userErrors { field message }
  }
}"""
VARIANTS = """\
query Variants($query: String!) {
  productVariants(first: 20, query: $query) {
    nodes { sku barcode inventoryItem { id } }
  }
}"""
ORDER = """\
query Order($query: String!) {
  orders(first: 3, query: $query) {
    nodes {
      name
      fulfillments(first: 100) { id status trackingInfo(first: 50) { number } }
      fulfillmentOrders(first: 10) {
        pageInfo { hasNextPage }
        nodes {
          id status
          assignedLocation { location { id } }
          lineItems(first: 50) {
            pageInfo { hasNextPage }
            nodes { id remainingQuantity inventoryItemId }
          }
        }
      }
    }
  }
}"""
SHOP = """\
query Shop($location: ID!) {
  shop { name myshopifyDomain }
  location(id: $location) { name isActive }
}"""

_TRY_AGAIN = {
    "SERVICE_UNAVAILABLE",
    "ADJUST_QUANTITIES_FAILED",
    "MOVE_QUANTITIES_FAILED",
    "CHANGE_FROM_QUANTITY_STALE",
}
FAILED_BEFORE = "IDEMPOTENCY_PREVIOUS_ATTEMPT_FAILED"
OTHER_CONTENT = "IDEMPOTENCY_KEY_PARAMETER_MISMATCH"


class Declined(Exception):
    """Shopify answered `userErrors`: certainly nothing was done under this key."""

    def __init__(self, codes: frozenset[str], outcome: Outcome) -> None:
        super().__init__(codes)
        self.codes = codes
        self.outcome = outcome


class Admin:
    """One shop's Admin API. Everything that is no success raises `Stopped` or `Declined`."""

    def __init__(self, http: Http, config: Config) -> None:
        self._http = http
        self._config = config

    async def ask(self, query: str, variables: Mapping[str, Any]) -> dict[str, Any]:
        """Return the `data` of a query."""
        return await self._post(query, variables, writes=False)

    async def do(self, mutation: str, variables: Mapping[str, Any]) -> str:
        """Carry out a mutation, and return the id of what it made."""
        done = (await self._post(mutation, variables, writes=True)).get("done")
        match done:
            case {"userErrors": [_, *_] as errors}:
                raise Declined(_codes(errors), _declined(errors))
            case {"made": {"id": str(made)}, "userErrors": []}:
                return made
        raise Stopped(Unknown(f"Shopify's answer is not as expected: {done!r}"[:MAX_TEXT]))

    async def _post(
        self, query: str, variables: Mapping[str, Any], *, writes: bool
    ) -> dict[str, Any]:
        token = read_secret(self._config.token_file, "Shopify's access token")
        answer = await self._http.call(
            "POST",
            self._config.endpoint,
            headers={"X-Shopify-Access-Token": token, "Content-Type": "application/json"},
            body=body_of(query, variables),
            secrets=[token],
            writes=writes,
        )
        return read(answer, writes=writes)


def body_of(query: str, variables: Mapping[str, Any]) -> str:
    """Return the body of a request, the same each time."""
    return json.dumps({"query": query, "variables": variables}, ensure_ascii=False)


def read(answer: Answer, *, writes: bool) -> dict[str, Any]:
    """Return the `data` of an answer. Raises `Stopped` for what is none. Pure."""
    if answer.status != 200:
        raise Stopped(answer.verdict("Shopify", writes=writes))
    try:
        said = answer.json()
    except ValueError:
        said = None
    match said:
        case {"errors": [_, *_] as errors}:
            raise Stopped(_failed(errors, said.get("extensions"), writes=writes))
        case {"data": dict(data)}:
            return data
    why = f"Shopify answered 200 with what is no GraphQL: {answer.text}"[:MAX_TEXT]
    raise Stopped(Unknown(why) if writes else TryLater(why, SETTING_WRONG))


def _failed(errors: list[Any], extensions: Any, *, writes: bool) -> Outcome:
    """Sort errors of the whole request: those come instead of an effect, but for the server's."""
    first = errors[0] if isinstance(errors[0], dict) else {}
    code = str((first.get("extensions") or {}).get("code", ""))
    why = f"Shopify answered {code or 'an error'}: {first.get('message')}"[:MAX_TEXT]
    match code:
        case "THROTTLED":
            return TryLater(why, _restored(extensions))
        case "ACCESS_DENIED" | "SHOP_INACTIVE":
            return TryLater(why, SETTING_WRONG)
        case "INTERNAL_SERVER_ERROR" | "TIMEOUT":
            return Unknown(why) if writes else TryLater(why)
    return Refused("contract", why) if writes else TryLater(why, SETTING_WRONG)


def _restored(extensions: Any) -> float | None:
    """Return seconds until the bucket holds what was asked for. Source: Shopify, rate limits."""
    match extensions:
        case {
            "cost": {
                "requestedQueryCost": int() | Decimal() as asked,
                "throttleStatus": {
                    "currentlyAvailable": int() | Decimal() as there,
                    "restoreRate": int() | Decimal() as rate,
                },
            }
        } if rate > 0:
            return min(max(float(asked - there) / float(rate), 0.0), 60.0)
    return None


def _codes(errors: list[Any]) -> frozenset[str]:
    return frozenset(str(each.get("code") or "") for each in errors if isinstance(each, dict))


def _declined(errors: list[Any]) -> Outcome:
    codes = _codes(errors)
    words = "; ".join(str(each.get("message")) for each in errors if isinstance(each, dict))
    why = f"Shopify: {words}"[:MAX_TEXT]
    if "IDEMPOTENCY_CONCURRENT_REQUEST" in codes:
        return Unknown(why)
    if codes & _TRY_AGAIN:
        return TryLater(why)
    if "INVALID_LOCATION" in codes:
        return TryLater(why, SETTING_WRONG)
    if "INVALID_INVENTORY_ITEM" in codes:
        return Refused("unknown_sku", why)
    if "NON_MUTABLE_INVENTORY_ITEM" in codes:
        return Refused("forbidden", why)
    return Refused("refused", why)
