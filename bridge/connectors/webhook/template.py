"""Text with places for what a transaction says: a small language that can do no harm. Pure.

    ${event.type}                      a value, written as the place wants it (below)
    ${event.to_location|station}       the first of these that the transaction says
    ${!event.documents.0.number}       must be there, or the transaction is refused
    ${line.quantity.value:number}      an amount as a bare number: 2.50, not "2.50"
    ${for line in event.lines:, } ... ${end}    once for each, with ", " between them
    $$                                 a dollar sign

Names are those of the contract's transactions: `scanpost decode` and the ledger show them. What a
transaction does not say is `null` in JSON and nothing elsewhere. A value never breaks out of its
place: it is a JSON value with its quotes in `json`, percent-encoded in URLs and `form`, escaped in
`xml`, and without control characters in headers.

>>> Template('{"sku": ${event.item.sku}, "n": ${n:number}}').fill({"event": {}, "n": "2.50"})
'{"sku": null, "n": 2.50}'
>>> Template("${for each in lines:;}${each.sku}${end}", "text").fill({"lines": [{"sku": "A;"}, {}]})
'A;;'
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Literal
from urllib.parse import quote
from xml.sax.saxutils import escape

Form = Literal["json", "form", "xml", "text", "url", "header"]
"""Where a template stands, which decides how a value is written there."""

MAX_TEXT = 20_000
"""Characters of a template: a page of them; it is a person's own."""
_DEPTH = 4
"""Loops inside of loops, at most."""

_NAME = r"[A-Za-z_][A-Za-z0-9_]*"
_PATH = rf"{_NAME}(?:\.(?:{_NAME}|[0-9]{{1,3}}))*"
_TAG = re.compile(
    rf"\$(?:(?P<dollar>\$)|\{{(?:(?P<end>end)"
    rf"|for (?P<name>{_NAME}) in (?P<each>{_PATH})(?::(?P<between>[^}}]*))?"
    rf"|(?P<must>!?)(?P<paths>{_PATH}(?:\|{_PATH})*)(?P<number>:number)?)\}})"
)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


class TemplateWrong(ValueError):
    """A template that cannot be read. The text says where, for a person."""


class Missing(ValueError):
    """A transaction does not say what a template must have."""


@dataclass(frozen=True, slots=True)
class _Value:
    paths: tuple[str, ...]
    must: bool
    number: bool


@dataclass(frozen=True, slots=True)
class _Loop:
    name: str
    path: str
    between: str
    parts: "tuple[_Part, ...]"


_Part = str | _Value | _Loop


class Template:
    """A template that was read, for one kind of place."""

    def __init__(self, text: str, form: Form = "json") -> None:
        if len(text) > MAX_TEXT:
            raise TemplateWrong(f"more than {MAX_TEXT} characters")
        self._form = form
        self._write = _WRITE[form]
        self._parts = _parse(text)

    def fill(self, values: Mapping[str, Any]) -> str:
        """Return the text for `values`, plain JSON values by name.

        Raises:
            Missing: something that must be there is not.
        """
        return self._filled(self._parts, values)

    def _filled(self, parts: Sequence[_Part], values: Mapping[str, Any]) -> str:
        texts: list[str] = []
        for part in parts:
            match part:
                case str():
                    texts.append(part)
                case _Value():
                    texts.append(self._value(part, values))
                case _Loop():
                    each = find(values, part.path)
                    rows = each if isinstance(each, list) else []
                    texts.append(
                        part.between.join(
                            self._filled(part.parts, {**values, part.name: row}) for row in rows
                        )
                    )
        return "".join(texts)

    def _value(self, part: _Value, values: Mapping[str, Any]) -> str:
        said = (find(values, path) for path in part.paths)
        value = next((each for each in said if each is not None), None)
        if value is None and part.must:
            raise Missing(f"the transaction says no {' or '.join(part.paths)}")
        if part.number and value is not None:
            return _number(value, part.paths[0])
        return self._write(value)


def find(values: Any, path: str) -> Any:
    """Return what stands at a path such as `event.lines.0.lot`, or None.

    >>> find({"a": [{"b": 7}]}, "a.0.b")
    7
    """
    for step in path.split("."):
        match values:
            case Mapping():
                values = values.get(step)
            case list() if step.isdecimal() and int(step) < len(values):
                values = values[int(step)]
            case _:
                return None
    return values


def _parse(text: str) -> tuple[_Part, ...]:
    stack: list[tuple[re.Match[str] | None, list[_Part]]] = [(None, [])]
    place = 0
    for tag in _TAG.finditer(text):
        between = text[place : tag.start()]
        place = tag.end()
        _no_dollar(between, text)
        parts = stack[-1][1]
        if between:
            parts.append(between)
        if tag["dollar"]:
            parts.append("$")
        elif tag["each"]:
            if len(stack) > _DEPTH:
                raise TemplateWrong(f"more than {_DEPTH} loops inside of each other")
            stack.append((tag, []))
        elif tag["end"]:
            opening, inner = stack.pop()
            if opening is None:
                raise TemplateWrong("${end} without a ${for ...}")
            loop = _Loop(opening["name"], opening["each"], opening["between"] or "", tuple(inner))
            stack[-1][1].append(loop)
        else:
            parts.append(
                _Value(tuple(tag["paths"].split("|")), bool(tag["must"]), bool(tag["number"]))
            )
    _no_dollar(text[place:], text)
    if len(stack) > 1:
        raise TemplateWrong("a ${for ...} has no ${end}")
    return (*stack[0][1], text[place:])


def _no_dollar(between: str, text: str) -> None:
    if "$" in between:
        at = text.index(between) + between.index("$")
        raise TemplateWrong(f"not understood: {text[at : at + 40]!r}; a dollar sign is $$")


def _number(value: Any, path: str) -> str:
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        raise Missing(f"{path} is no number") from None
    return format(number, "f")


def _plain(value: Any) -> str:
    """Return a value as text: texts as they are, anything bigger as JSON."""
    if value is None:
        return ""
    return value if isinstance(value, str) else _json(value)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _percent(value: Any) -> str:
    # A path of dots alone would climb out of its folder, and percent-encoding leaves dots alone
    text = quote(_plain(value), safe="")
    return text.replace(".", "%2E") if not text.strip(".") else text


def _header(value: Any) -> str:
    return quote(_CONTROL.sub("", _plain(value)), safe=" !\"#$&'()*+,/:;<=>?@[]^`{|}")


def _xml(value: Any) -> str:
    return escape(_CONTROL.sub(" ", _plain(value)), {'"': "&quot;", "'": "&apos;"})


_WRITE: dict[Form, Callable[[Any], str]] = {
    "json": _json,
    "form": _percent,
    "url": _percent,
    "xml": _xml,
    "text": _plain,
    "header": _header,
}
