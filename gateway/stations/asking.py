"""Asking for what a label did not say: one question and one way out for every job."""

from dataclasses import replace
from typing import Any, Literal

from gateway.phrases import say
from gateway.stations.job import Signal, Step

Lack = Literal["lot", "serial", "expiry"]


def ask_for(lack: Lack, item: str) -> Signal:
    """Return the question for what `item` lacks; CANCEL is always an answer."""
    match lack:
        case "lot":
            text = say("{item}: which lot?", item=item)
            return Signal("attention", text, say("Scan the lot number, or CANCEL."))
        case "serial":
            text = say("{item}: which serial number?", item=item)
            return Signal("attention", text, say("Scan the serial number, or CANCEL."))
        case "expiry":
            text = say("{item}: which expiry date?", item=item)
            return Signal("attention", text, say("Scan the label with the date, or CANCEL."))


def let_go(step: Step, unasked: Any) -> Step:
    """Return `step`; where it refused the item in hand, with a state that holds none.

    Args:
        step: what became of an answer.
        unasked: the state without item and question: the next scan is another item.
    """
    return replace(step, state=unasked) if step.signal.kind == "not_ok" else step
