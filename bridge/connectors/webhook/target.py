"""One signed message for each transaction, and what its answer means."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from bridge.connector import Call, Connector
from bridge.connectors.webhook.config import Config, Rule
from bridge.connectors.webhook.signature import sign
from bridge.connectors.webhook.template import Form, Missing, Template, find
from bridge.http import MAX_TEXT, Answer, Http, Stopped, opened, read_secret
from bridge.outcome import Outcome, Posted, Refused, TryLater, Unknown
from contract.canonical import canonical
from contract.envelope import plain
from contract.transactions import Transaction

MAX_DOCUMENT = 128
"""Characters of a receiver's own number that are kept."""


@dataclass(frozen=True, slots=True)
class Message:
    """A transaction as its receiver is to read it, before it is signed."""

    name: str
    """The transaction's id: the key that makes twice once."""
    url: str
    look_up: str | None
    body: str
    headers: dict[str, str] = field(default_factory=dict)


def document(transaction: Transaction, config: Config) -> Message | Refused:
    """Return the message for `transaction`. Pure."""
    kind = transaction.event.type
    if kind not in config.types:
        return Refused("unsupported", f"a {kind} is not sent to this webhook")
    values = plain(transaction)
    try:
        body = (
            canonical(values)
            if config.body is None
            else _template(config.body, config.encoding).fill(values)
        )
        headers = {
            name: _template(text, "header").fill(values) for name, text in config.headers.items()
        }
        url = _template(config.url, "url").fill(values)
        asked = config.look_up and _template(config.look_up, "url").fill(values)
    except Missing as error:
        return Refused("contract", str(error))
    name = str(transaction.id)
    own = {"Content-Type": config.content_type(), "Idempotency-Key": name}
    return Message(name, url, asked, body, {**own, **headers})


def calls(transaction: Transaction, config: Config) -> list[Call]:
    """Return the call `deliver` would make, without what only its moment knows: the signature."""
    message = document(transaction, config)
    if isinstance(message, Refused):
        return []
    headers = dict(message.headers)
    if config.secret_file is not None:
        headers |= {"webhook-id": message.name, "webhook-signature": "<made when it is sent>"}
    return [Call("send the transaction", config.method, message.url, message.body, headers)]


class Webhook:
    """One receiver."""

    def __init__(self, http: Http, config: Config) -> None:
        self.settle = config.http.settle
        self._http = http
        self._config = config

    async def deliver(self, transaction: Transaction, *, again: bool) -> Outcome:
        """Send `transaction`; the receiver does once what comes twice with one key."""
        message = document(transaction, self._config)
        if isinstance(message, Refused):
            return message
        try:
            if again and message.look_up is not None:
                found = await self._there(message.look_up)
                if found is not None:
                    return Posted(found)
            return self._outcome(await self._send(message))
        except Stopped as stopped:
            return stopped.outcome

    async def _send(self, message: Message) -> Answer:
        body = message.body.encode()
        headers, secrets = self._authorization()
        headers = message.headers | headers
        if self._config.secret_file is not None:
            secret = read_secret(self._config.secret_file, "the webhook's secret")
            secrets.append(secret)
            headers |= sign(secret, message.name, datetime.now(UTC), body)
        return await self._http.call(
            self._config.method,
            message.url,
            headers=headers,
            body=body,
            secrets=secrets,
            writes=True,
        )

    async def _there(self, url: str) -> str | None:
        """Return the number of what is there, None where nothing is."""
        headers, secrets = self._authorization()
        answer = await self._http.call("GET", url, headers=headers, secrets=secrets, writes=False)
        if answer.status == 404:
            return None
        if answer.status != 200:
            raise Stopped(Unknown(f"asked whether it is there: {answer.status}"))
        return self._number(answer)

    def _authorization(self) -> tuple[dict[str, str], list[str]]:
        if self._config.token_file is None:
            return {}, []
        token = read_secret(self._config.token_file, "the webhook's token")
        return {"Authorization": f"Bearer {token}"}, [token]

    def _outcome(self, answer: Answer) -> Outcome:
        for rule in self._config.rules:
            if _fits(rule, answer):
                return self._ruled(rule, answer)
        if answer.ok:
            return Posted(self._number(answer))
        return answer.verdict("the webhook", writes=True)

    def _ruled(self, rule: Rule, answer: Answer) -> Outcome:
        why = f"the webhook answered {answer.status}: {' '.join(answer.text.split())}"[:MAX_TEXT]
        match rule.means:
            case "posted":
                return Posted(self._number(answer))
            case "refused":
                return Refused(rule.code, why)
            case "later":
                return TryLater(why, answer.retry_after)
            case "unknown":
                return Unknown(why)

    def _number(self, answer: Answer) -> str:
        if self._config.document is None:
            return ""
        found = find(_json(answer), self._config.document)
        return "" if found is None else _text(found)[:MAX_DOCUMENT]


def _fits(rule: Rule, answer: Answer) -> bool:
    status = str(answer.status)
    if rule.status not in (status, f"{status[0]}xx"):
        return False
    if rule.contains is not None and rule.contains not in answer.text:
        return False
    if rule.field is None:
        return True
    found = find(_json(answer), rule.field)
    return found is not None and _text(found) == rule.equals


def _json(answer: Answer) -> Any:
    try:
        return json.loads(answer.body)
    except ValueError:
        return None


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


@lru_cache(maxsize=128)
def _template(text: str, form: Form) -> Template:
    return Template(text, form)


@asynccontextmanager
async def connect(config: Config) -> AsyncIterator[Connector]:
    """Yield the connector for `config`. Opens nothing until the first delivery."""
    async with opened(config.http, who="the webhook") as http:
        yield Webhook(http, config)
