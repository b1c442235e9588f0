"""What an answer of SAP's means: its messages, sorted by who acts. Pure.

SAP names each message by class and number, such as `M7/053`. The first code of an error is often
only "processing failed", and the reason stands in `innererror`; both are looked at. What succeeds
may bring warnings in the header `sap-message`, which are no reason to stop.

Source: SAP Gateway, "Map Message Container to Message Protocol Format"; SAP's message classes M7
(inventory management), M3 (materials), F5 (accounting), ME and 06 (purchasing).
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from bridge.http import MAX_TEXT, SETTING_WRONG, Answer
from bridge.outcome import Outcome, Refused, TryLater, Unknown
from contract.envelope import Reason

WHO = "SAP"
LOCKED_FOR = 5.0
"""Seconds until a lock is looked at again: a person has a document open, or another posting runs.
"""

_REASONS: dict[str, Reason] = {
    "M3/305": "unknown_sku",  # does not exist or is not activated
    "M3/351": "unknown_sku",  # not maintained in the plant
    "06/019": "unknown_document",
    "M7/021": "short_stock",
    "M7/022": "over_receipt",
    "M7/053": "closed_period",
    "F5/201": "closed_period",
    "M7/120": "forbidden",
    "M7/121": "forbidden",
    "/IWBEP/CM_COS/005": "needs_human",  # it knew the request, and no longer what came of it
}
_LOCKS = frozenset({"M3/022", "M3/023", "M3/024", "ME/006"})
_LOCK_WORDS = re.compile(r"\block(ed)? by\b|\b(being|already) process", re.IGNORECASE)
_XML_CODE = re.compile(r"<code>([^<]{1,100})</code>")
_XML_TEXT = re.compile(r"<message[^>]{0,100}>([^<]{1,2000})</message>")


@dataclass(frozen=True, slots=True)
class Message:
    """One message of SAP's."""

    code: str
    text: str
    severity: str = "error"


def messages(answer: Answer) -> list[Message]:
    """Return what an error says, in SAP's order; empty where it is no error of SAP's."""
    try:
        said = answer.json()
    except ValueError:
        code, text = _XML_CODE.search(answer.text), _XML_TEXT.search(answer.text)
        return [Message(code[1], text[1] if text else "")] if code else []
    error = said.get("error") if isinstance(said, dict) else None
    return list(_of(error)) if isinstance(error, dict) else []


def _of(error: dict[str, Any]) -> Iterator[Message]:
    text = error.get("message")
    words = text.get("value") if isinstance(text, dict) else text
    yield Message(str(error.get("code", "")), str(words or ""))
    inner = error.get("innererror")
    details = inner.get("errordetails") if isinstance(inner, dict) else None
    for each in details if isinstance(details, list) else ():
        if isinstance(each, dict):
            severity = str(each.get("severity", "error"))
            yield Message(str(each.get("code", "")), str(each.get("message", "")), severity)


def warnings(answer: Answer) -> list[Message]:
    """Return what a success says besides, from the header `sap-message`."""
    try:
        said = json.loads(answer.headers.get("sap-message") or "null")
    except ValueError:
        return []
    if not isinstance(said, dict):
        return []
    details = said.get("details")
    rows = [said, *(details if isinstance(details, list) else ())]
    return [
        Message(str(row.get("code", "")), str(row.get("message", "")), str(row.get("severity", "")))
        for row in rows
        if isinstance(row, dict) and row.get("message")
    ]


def judged(answer: Answer, *, writes: bool) -> Outcome:
    """Return what an answer that is no success means."""
    said = [each for each in messages(answer) if each.severity in ("error", "abort")]
    words = "; ".join(dict.fromkeys(f"{each.code} {each.text}".strip() for each in said))
    why = f"{WHO} answered {answer.status}: {words or answer.text}"
    why = " ".join(why.split())[:MAX_TEXT]
    # A server that broke says nothing of what it did, however well it words it
    if answer.status >= 500:
        return answer.verdict(WHO, writes=writes, said=words or None)
    if answer.status in (412, 423):
        return TryLater(why, LOCKED_FOR)
    for each in said:
        if each.code in _LOCKS or _LOCK_WORDS.search(each.text):
            return TryLater(why, LOCKED_FOR)
    for each in said:
        reason = _REASONS.get(each.code)
        if each.code == "M7/018" and "batch" in each.text.lower():  # "Enter", and what to enter
            reason = "lot_required"
        if reason is not None and writes:
            return Refused(reason, why)
    if answer.status == 428:
        return Refused("contract", why) if writes else TryLater(why)
    return answer.verdict(WHO, writes=writes, said=words or None)


def strange(answer: Answer, *, writes: bool) -> Outcome:
    """Return what a success means that is no answer of SAP's: a login page, or another program."""
    text = " ".join(answer.text[:MAX_TEXT].split())
    why = f"{WHO} answered {answer.status} with what is no OData: {text}"[:MAX_TEXT]
    return Unknown(why) if writes else TryLater(why, SETTING_WRONG)
