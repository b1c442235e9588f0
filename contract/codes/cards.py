"""The site's own labels: bins, badges, documents, quantities and command cards.

They begin with letters and a colon, as no GS1 or HIBC string does. Every prefix is configuration.

>>> command_card("DONE")
'CMD:DONE-43'
"""

import re
from functools import cached_property
from typing import Annotated, Literal, get_args

from pydantic import Field, StringConstraints, field_validator

from contract.codes.checks import mod97_10, mod97_10_holds
from contract.codes.in_store import NATIONAL, Country, InStoreLayout
from contract.codes.tracking import Carrier
from contract.values import Document, Frozen

CommandWord = Literal[
    "DONE", "UNDO", "CANCEL", "ACK", "REPRINT", "HOLD", "OVERRIDE",
    "ZERO", "TARE", "CLEARTARE", "PRINT", "NEXTUNIT",
]  # fmt: skip
"""The last five are for the scale of the station."""
COMMANDS: tuple[CommandWord, ...] = get_args(CommandWord)

DocumentKind = Literal[
    "po", "desadv", "so", "pick_list", "transfer", "count_sheet", "rma", "prodorder", "unknown"
]
Prefix = Annotated[str, StringConstraints(pattern=r"^[!-~]{1,16}$")]
"""What a card begins with: printable ASCII, so that every symbology can carry it."""


_DOCUMENTS: dict[str, DocumentKind] = {
    "PO:": "po",
    "SO:": "so",
    "ASN:": "desadv",
    "TR:": "transfer",
    "CS:": "count_sheet",
    "RMA:": "rma",
    "DOC:": "unknown",
}
_REPEATED_GROUP = re.compile(r"(?<!\\)\)[*+{]")


class DocumentPattern(Frozen):
    """Document numbers that carry no prefix of ours, told by their form.

    `pattern` must match the whole text. The number is its group ``number`` where it has one, else
    the whole text. No group may be repeated and at most 64 characters are tried: a hostile label
    must not buy time with backtracking.
    """

    kind: DocumentKind
    pattern: Annotated[str, Field(min_length=1, max_length=200)]

    @field_validator("pattern")
    @classmethod
    def _compiles(cls, pattern: str) -> str:
        try:
            re.compile(pattern, re.ASCII)
        except (re.error, OverflowError, RecursionError) as error:
            raise ValueError(f"not a regular expression: {error}") from error
        if _REPEATED_GROUP.search(pattern):
            raise ValueError("a group (in brackets) may be optional but not repeated")
        return pattern

    @cached_property
    def compiled(self) -> re.Pattern[str]:
        """The pattern, compiled once."""
        return re.compile(self.pattern, re.ASCII)


class Rules(Frozen):
    """What this site's labels look like. A gateway's configuration may give each of these."""

    location: tuple[Prefix, ...] = ("LOC:",)
    badge: tuple[Prefix, ...] = ("OP:",)
    documents: dict[Prefix, DocumentKind] = Field(default_factory=lambda: dict(_DOCUMENTS))
    patterns: Annotated[tuple[DocumentPattern, ...], Field(max_length=32)] = ()
    """Tried in this order, after the prefixes and before all else; never on GS1, EAN and UPC."""
    quantity: tuple[Prefix, ...] = ("QTY:",)
    mode: tuple[Prefix, ...] = ("MODE:",)
    reason: tuple[Prefix, ...] = ("REASON:",)
    command: Prefix = "CMD:"
    gtin_in_plain_codes: bool = True
    """Whether 12, 13 or 14 digits with a right check digit are a GTIN in Code 39, plain Code 128
    and other symbologies that promise nothing about their content."""
    separators: Literal["sent", "dropped"] = "sent"
    """Whether each scanner here sends the separator (FNC1, as GS) within a GS1 code. `dropped`:
    some keyboard cannot type it; a code is then refused where its last value may hold more."""
    in_store_country: Country | None = None
    """Whose rules say what in-store numbers (EAN 02, 20 to 29) hold; without it nobody's do."""
    in_store: Annotated[tuple[InStoreLayout, ...], Field(max_length=64)] = ()
    """The shop's own layouts of in-store numbers, tried in this order, before the country's."""
    carriers: tuple[Carrier, ...] | None = None
    """Whose parcel numbers are known here; None for those of all carriers. An empty list turns
    them off, so that a number of the site's own cannot pass for one by chance."""

    @cached_property
    def in_store_layouts(self) -> tuple[InStoreLayout, ...]:
        """All layouts that count here, in the order they are tried."""
        national = NATIONAL[self.in_store_country] if self.in_store_country else ()
        return (*self.in_store, *national)

    @cached_property
    def prefixes(self) -> tuple[tuple[str, str], ...]:
        """Every prefix and what it begins, longest first, so that `LOC:` cannot hide `LOC:X:`."""
        found = [(self.command, "command")]
        for kind in ("location", "badge", "quantity", "mode", "reason"):
            found += [(prefix, kind) for prefix in getattr(self, kind)]
        found += [(prefix, "document") for prefix in self.documents]
        return tuple(sorted(found, key=lambda pair: -len(pair[0])))

    @cached_property
    def any_prefix(self) -> tuple[str, ...]:
        """All prefixes, for one look at a label that begins with none of them."""
        return tuple(prefix for prefix, _ in self.prefixes)


def command_card(word: CommandWord, prefix: str = "CMD:") -> str:
    """Return the text to print on a command card, check digits and all.

    The two digits are ISO 7064 MOD 97-10 over the letters and digits before the dash. A torn label
    that still scans, or a command typed from memory, does nothing.

    Args:
        word: the command.
        prefix: as in `Rules.command`.
    """
    text = f"{prefix}{word}"
    return f"{text}-{mod97_10(text)}"


def read_command(text: str, prefix: str) -> CommandWord | str:
    """Return the command on a card that begins with `prefix`, or a sentence on what is wrong.

    >>> read_command("CMD:DONE-43", "CMD:")
    'DONE'
    >>> read_command("CMD:DONE", "CMD:")
    'the command card has no check digits'
    """
    body, dash, check = text.rpartition("-")
    if not dash or not re.fullmatch("[0-9]{2}", check):
        return "the command card has no check digits"
    if not mod97_10_holds(text):
        return "the check digits of the command card are wrong"
    for word in COMMANDS:
        if body == prefix + word:
            return word
    return f"there is no command {body[len(prefix) :][:40]!r}"


def read_document(text: str, rules: Rules) -> Document | None:
    """Return the document that one of the configured patterns names, or None."""
    for rule in rules.patterns:
        match = rule.compiled.fullmatch(text) if len(text) <= 64 else None
        if match:
            number = match.groupdict().get("number") or text
            return Document(kind=rule.kind, number=number)
    return None
