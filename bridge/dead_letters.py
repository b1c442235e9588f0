"""What a person can do about each reason for which a transaction is not booked. Pure."""

from typing import Literal

from contract.envelope import Reason

Action = Literal["map", "edit_reference", "accept_warning", "retry", "discard"]

WORDS: dict[Action, str] = {
    "map": "say in the mapping tables what it is at the ERP, then retry",
    "edit_reference": "put the right document number or SKU beside it; the same id is sent",
    "accept_warning": "take the warning upon yourself; the same id is sent",
    "retry": "mend it at the ERP, then send it again as it is",
    "discard": "leave it out of the ERP for good, with a reason",
}

_ALWAYS: tuple[Action, ...] = ("retry", "discard")
_REFERENCE: tuple[Action, ...] = ("map", "edit_reference", *_ALWAYS)
_WARNING: tuple[Action, ...] = ("accept_warning", *_ALWAYS)

ACTIONS: dict[Reason, tuple[Action, ...]] = {
    "contract": _ALWAYS,
    "schema_too_new": _ALWAYS,
    "corrupt": _ALWAYS,
    "unknown_sku": _REFERENCE,
    "unknown_document": ("edit_reference", "map", *_ALWAYS),
    "unknown_location": ("map", *_ALWAYS),
    "unmapped": ("map", *_ALWAYS),
    "over_receipt": ("accept_warning", "edit_reference", *_ALWAYS),
    "short_stock": _WARNING,
    "lot_required": _ALWAYS,
    "closed_period": _WARNING,
    "forbidden": _ALWAYS,
    "locked": _ALWAYS,
    "unsupported": ("map", *_ALWAYS),
    "needs_human": ("edit_reference", "accept_warning", *_ALWAYS),
    "refused": ("edit_reference", "accept_warning", *_ALWAYS),
    "discarded": ("retry",),
}
"""The actions that can help, likeliest first."""
