"""NetSuite's REST web services: records, and questions in SuiteQL.

Source: NetSuite help, "SuiteTalk REST Web Services API Guide": record actions, transformation,
external ids (`eid:`), error handling; "Executing SuiteQL Queries Through REST Web Services".
"""

import json
import re
from collections.abc import Mapping
from typing import Any

from bridge.connectors.netsuite.assertion import assertion
from bridge.connectors.netsuite.config import Config
from bridge.http import MAX_TEXT, SETTING_WRONG, Answer, Http, Stopped
from bridge.oauth import App, ClientCredentials, Login
from bridge.outcome import Outcome, Refused, TryLater, Unknown

SCOPE = "rest_webservices"
WRITING = {
    "Content-Type": "application/json",
    # Else a field that is misspelt, or that the account does not have, is left out in silence
    "X-NetSuite-PropertyNameValidation": "Error",
}
_LATER = {"CONCURRENCY_LIMIT_EXCEEDED", "SSS_REQUEST_LIMIT_EXCEEDED", "RCRD_HAS_BEEN_CHANGED"}
"""Too much at once, or the order was changed in between: nothing was done."""
_CLOSED = re.compile(r"period\b.*\b(closed|locked)|(closed|locked)\b.*\bperiod", re.IGNORECASE)
_DETAIL = re.compile(r"inventory detail|serial/lot|lot number|serial number", re.IGNORECASE)


class Rest:
    """One account. Everything that is no success raises `Stopped`."""

    def __init__(self, login: Login, config: Config) -> None:
        self._login = login
        self._config = config

    async def query(self, question: str) -> list[dict[str, Any]]:
        """Return the rows of a SuiteQL query, column names in small letters."""
        address = f"{self._config.url.rstrip('/')}/services/rest/query/v1/suiteql"
        headers = {"Content-Type": "application/json", "Prefer": "transient"}
        said = json.dumps({"q": question}, ensure_ascii=False)
        answer = await self._login.call("POST", address, headers=headers, body=said, writes=False)
        match _read(answer):
            case {"items": list(rows)}:
                return rows
        raise Stopped(TryLater("NetSuite answered a query without rows", SETTING_WRONG))

    async def record(self, kind: str, number: str) -> dict[str, Any]:
        """Return a record with its lines."""
        query = [("expandSubResources", "true")]
        address = address_of(self._config, f"{kind}/{number}")
        return _read(await self._login.call("GET", address, query=query, writes=False))

    async def made(self, kind: str, name: str) -> str | None:
        """Return the number of the record with an external id, or None where there is none."""
        address = address_of(self._config, f"{kind}/eid:{name}")
        answer = await self._login.call("GET", address, query=[("fields", "id")], writes=False)
        if answer.status == 404 and _details(answer)[0]:
            return None  # NetSuite itself says so, and not whatever else may be at the address
        match _read(answer):
            case {"id": str() | int() as number}:
                return str(number)
        raise Stopped(TryLater(f"NetSuite answered a {kind} without its id", SETTING_WRONG))

    async def make(self, path: str, said: Mapping[str, Any]) -> str:
        """Make a record, and return its number."""
        address, body = address_of(self._config, path), body_of(said)
        answer = await self._login.call("POST", address, headers=WRITING, body=body, writes=True)
        if not answer.ok:
            raise Stopped(_verdict(answer, writes=True))
        number = re.search(r"/([0-9]{1,18})/?$", answer.headers.get("Location") or "")
        if number is None:
            raise Stopped(Unknown(f"NetSuite answered {answer.status} and no record's address"))
        return number[1]


def login_of(http: Http, config: Config) -> Login:
    """Return access by the client credentials flow, signed with the bridge's own key."""
    token_url = f"{config.url.rstrip('/')}/services/rest/auth/oauth2/v1/token"

    def signed() -> str:
        return assertion(config.key_file, config.certificate_id, config.client_id, token_url, SCOPE)

    return ClientCredentials(http, App("NetSuite", token_url, config.client_id, assertion=signed))


def address_of(config: Config, path: str) -> str:
    """Return where a record, or a kind of them, is found."""
    return f"{config.url.rstrip('/')}/services/rest/record/v1/{path}"


def body_of(said: Mapping[str, Any]) -> str:
    """Return the body of a request, the same each time."""
    return json.dumps(said, ensure_ascii=False)


def _read(answer: Answer) -> dict[str, Any]:
    if answer.status != 200:
        raise Stopped(_verdict(answer, writes=False))
    try:
        said = answer.json()
    except ValueError:
        said = None
    if isinstance(said, dict):
        return said
    why = f"NetSuite answered 200 with what is no record: {answer.text}"[:MAX_TEXT]
    raise Stopped(TryLater(why, SETTING_WRONG))


def _details(answer: Answer) -> tuple[str, str]:
    """Return the code and the words of the first error."""
    try:
        said = answer.json()
    except ValueError:
        return "", answer.text
    match said:
        case {"o:errorDetails": [{"o:errorCode": str(code), "detail": str(words)}, *_]}:
            return code, words
    return "", answer.text


def _verdict(answer: Answer, *, writes: bool) -> Outcome:
    code, words = _details(answer)
    why = f"NetSuite: {code} {' '.join(words.split())}"[:MAX_TEXT]
    if code in _LATER:
        return TryLater(why, answer.retry_after)
    if code == "INSUFFICIENT_PERMISSION" or answer.status == 403:
        return TryLater(why, SETTING_WRONG)
    if answer.status == 400 and writes and code:
        if _CLOSED.search(words):
            return Refused("closed_period", why)
        return Refused("lot_required" if _DETAIL.search(words) else "refused", why)
    return answer.verdict("NetSuite", writes=writes, said=words)
