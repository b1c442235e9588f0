"""What Tryton's answers mean for a delivery. Pure."""

import json
import re

from bridge.outcome import Outcome, Refused, TryLater, Unknown
from contract.envelope import Reason

MAX_TEXT = 400
"""Characters of a reason that are kept."""
SETTING_WRONG = 60.0
"""Seconds until the next try when a person must first mend a key, a right or a setting."""
ORDER_BUSY = 30.0
"""Seconds until the next try when Tryton has yet to open the rest of an order."""

BOOKED_BY_ANOTHER = 1.0
"""Seconds until the next try when another bridge books the same transaction just now."""
ELSEWHERE = "somebody else works on it"
"""Begins what is said where Tryton does not let a button be pressed in the state it is in."""


class Stopped(Exception):
    """The delivery ends here, with `outcome`."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome)
        self.outcome = outcome


def halfway(stopped: Stopped, what: str, state: str) -> Stopped:
    """Say the same of what has begun: it is never called nothing."""
    match stopped.outcome:
        case TryLater(why):
            return Stopped(Unknown(f"{what} is {state}: {why}"))
        case Refused(code, text):
            return Stopped(Refused(code, f"{what} stays {state} in Tryton: {text}"))
    return stopped


_REFUSALS: tuple[tuple[re.Pattern[str], Reason], ...] = (
    (re.compile(r" is moving .+ in addition to the .+ ordered"), "over_receipt"),
    (re.compile(r"must provide a stock lot"), "lot_required"),
    (re.compile(r"reopen (the )?(period|fiscal year)|in a closed period"), "closed_period"),
    (re.compile(r"must create a (period|fiscal year)"), "closed_period"),
    (re.compile(r"not allowed to \w+( to)? records"), "forbidden"),
    (re.compile(r"^Scanpost: not all goods of "), "short_stock"),
)
"""Tryton's English messages; requests ask for English, whatever language its users work in."""
_NO_RIGHT = re.compile(r'^You are not allowed to access "|^Calling button ')
_TWICE = re.compile(r"^Scanpost: this transaction is being booked")
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
        return Unknown(f"{ELSEWHERE}: {text}")
    if _TWICE.search(message):
        return TryLater(text, after=BOOKED_BY_ANOTHER)
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
