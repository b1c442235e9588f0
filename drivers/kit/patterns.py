r"""Regular expressions that users write, matched in a time that no line can stretch.

Python's own `re` tries one way after another, and a pattern such as ``(a+)+`` has more ways than
there is time. Here all ways are followed at once, byte by byte (Thompson's construction, as run by
Pike), so a line costs at most its length times the length of the pattern.

The language is the regular part of `re`: literals, ``.``, classes, ``\d \s \w`` and their opposites
(of ASCII), groups with and without a name, ``|`` and the greedy and reluctant repeats, but not of
what may be nothing. A pattern always matches the whole line; ``^`` at its beginning and ``$`` at
its end are welcome and mean nothing.
"""

import re
from dataclasses import dataclass
from typing import NamedTuple

MAX_PATTERN = 400
"""Characters of a pattern: more than any line of a scale needs."""
MAX_STEPS = 1200
"""Steps of a pattern after repeats such as ``{8}`` are written out."""
MAX_REPEAT = 64
"""The largest number in ``{m,n}``."""
MAX_DEPTH = 16
"""Groups inside groups."""


class BadPattern(ValueError):
    """The pattern is not of this language; the message says where and why."""


_EVERY = (1 << 256) - 1
_LINE_END = 1 << 10


def _mask(characters: str) -> int:
    return sum(1 << ord(character) for character in set(characters))


def _mask_of(pattern: bytes) -> int:
    return sum(1 << value for value in range(256) if re.fullmatch(pattern, bytes([value])))


_CLASSES = {
    "d": _mask_of(rb"\d"), "s": _mask_of(rb"\s"), "w": _mask_of(rb"\w"),
    "D": _mask_of(rb"\D"), "S": _mask_of(rb"\S"), "W": _mask_of(rb"\W"),
}  # fmt: skip
_CONTROLS = {"t": "\t", "r": "\r", "n": "\n", "f": "\f", "v": "\v", "0": "\0"}
_REPEAT = re.compile(
    r"(?:(?P<sign>[*+?])|\{(?P<exact>[0-9]+)\}|\{(?P<low>[0-9]*),(?P<high>[0-9]*)\})(?P<lazy>\??)"
)
_NAME = re.compile(r"\(\?P<([a-z_]{1,32})>")


class _Step(NamedTuple):
    """One step of a compiled pattern: `byte` of a mask, `split` to two, `jump`, `save`, `done`."""

    kind: str
    first: int = 0
    second: int = 0


_Steps = list[_Step]


@dataclass(frozen=True, slots=True)
class Pattern:
    r"""A compiled pattern.

    >>> weight = compiled(r"(?P<value>[0-9]+\.[0-9]+) *(?P<unit>kg|g)?")
    >>> weight.match(b"1.250 kg"), weight.match(b"1.250"), weight.match(b"1.250 kg!")
    ({'value': b'1.250', 'unit': b'kg'}, {'value': b'1.250', 'unit': None}, None)
    """

    text: str
    names: tuple[str, ...]
    steps: tuple[_Step, ...]

    def match(self, line: bytes) -> dict[str, bytes | None] | None:
        """Return what each named group holds if `line` as a whole matches, or None."""
        unset = (-1,) * (2 * len(self.names))
        threads = self._follow([(0, unset)], 0)
        for at, byte in enumerate(line):
            reached = [
                (step + 1, saved) for step, saved in threads if self.steps[step].first >> byte & 1
            ]
            threads = self._follow(reached, at + 1)
            if not threads:
                return None
        for step, saved in threads:
            if self.steps[step].kind == "done":
                return self._groups(line, saved)
        return None

    def _follow(
        self, reached: list[tuple[int, tuple[int, ...]]], at: int
    ) -> list[tuple[int, tuple[int, ...]]]:
        """Return the threads at which a byte is wanted or all is done, the preferred ones first."""
        seen: set[int] = set()
        waiting: list[tuple[int, tuple[int, ...]]] = []
        open_ones = reached[::-1]
        while open_ones:
            number, saved = open_ones.pop()
            if number in seen:
                continue
            seen.add(number)
            step = self.steps[number]
            match step.kind:
                case "jump":
                    open_ones.append((step.first, saved))
                case "split":
                    open_ones += [(step.second, saved), (step.first, saved)]
                case "save":
                    kept = (*saved[: step.first], at, *saved[step.first + 1 :])
                    open_ones.append((number + 1, kept))
                case _:
                    waiting.append((number, saved))
        return waiting

    def _groups(self, line: bytes, saved: tuple[int, ...]) -> dict[str, bytes | None]:
        spans = zip(self.names, saved[::2], saved[1::2], strict=True)
        return {name: None if end < 0 else line[begin:end] for name, begin, end in spans}


def compiled(text: str) -> Pattern:
    """Compile a pattern.

    Raises:
        BadPattern: it is too long, or not of this language.
    """
    if len(text) > MAX_PATTERN:
        raise BadPattern(f"more than {MAX_PATTERN} characters")
    reader = _Reader(text)
    steps = reader.read()
    return Pattern(text, tuple(reader.names), (*steps, _Step("done")))


class _Reader:
    """Reads a pattern from left to right; jumps are relative until they are put in place."""

    def __init__(self, text: str) -> None:
        self._text = text.removeprefix("^")
        if self._text.endswith("$") and not self._text.endswith("\\$"):
            self._text = self._text[:-1]
        self._at = 0
        self._depth = 0
        self.names: list[str] = []

    def read(self) -> _Steps:
        """Return the steps of the whole pattern, with places instead of distances."""
        steps = self._choice()
        if self._at < len(self._text):
            raise self._bad("a closing bracket too many")
        return [
            step._replace(first=at + step.first, second=at + step.second)
            if step.kind in {"jump", "split"}
            else step
            for at, step in enumerate(steps)
        ]

    def _bad(self, why: str) -> BadPattern:
        return BadPattern(f"{why}, at character {self._at} of {self._text!r}")

    def _next(self) -> str:
        return self._text[self._at : self._at + 1]

    def _choice(self) -> _Steps:
        ways = [self._sequence()]
        while self._next() == "|":
            self._at += 1
            ways.append(self._sequence())
        steps = ways.pop()
        for way in reversed(ways):
            steps = self._sized(
                [_Step("split", 1, len(way) + 2), *way, _Step("jump", len(steps) + 1), *steps]
            )
        return steps

    def _sequence(self) -> _Steps:
        steps: _Steps = []
        while self._next() not in {"", "|", ")"}:
            steps = self._sized(steps + self._repeated(self._atom()))
        return steps

    def _sized(self, steps: _Steps) -> _Steps:
        if len(steps) > MAX_STEPS:
            raise self._bad("too many repeats")
        return steps

    def _repeated(self, atom: _Steps) -> _Steps:
        found = _REPEAT.match(self._text, self._at)
        if found is None:
            if self._next() in {"*", "+", "?", "{"}:
                raise self._bad("a repeat that is none")
            return atom
        self._at = found.end()
        if self._next() in {"*", "+", "?", "{"}:
            raise self._bad("a repeat of a repeat")
        low, high = _bounds(found)
        if max(low, high or 0) > MAX_REPEAT or (high is not None and high < low):
            raise self._bad(f"a repeat of more than {MAX_REPEAT}, or the wrong way round")
        if high != 1 and _may_be_empty(atom):
            raise self._bad("a repeat of something that may be nothing")
        lazy = bool(found["lazy"])
        rest = (
            [_split(1, len(atom) + 2, lazy), *atom, _Step("jump", -len(atom) - 1)]
            if high is None
            else self._optional(atom, high - low, lazy)
        )
        return self._sized(atom * low + rest)

    def _optional(self, atom: _Steps, times: int, lazy: bool) -> _Steps:
        steps: _Steps = []
        for _ in range(times):
            steps = self._sized([_split(1, len(atom) + len(steps) + 1, lazy), *atom, *steps])
        return steps

    def _atom(self) -> _Steps:
        character = self._next()
        if character == "(":
            return self._group()
        if character == "[":
            return [_Step("byte", self._class())]
        self._at += 1
        match character:
            case ".":
                return [_Step("byte", _EVERY & ~_LINE_END)]
            case "\\":
                return [_Step("byte", self._escape())]
            case "^" | "$" | "*" | "+" | "?" | "{":
                self._at -= 1
                raise self._bad(f"{character!r} has no place here; for the character put \\ before")
        return [_Step("byte", self._one(character))]

    def _group(self) -> _Steps:
        named = _NAME.match(self._text, self._at)
        slot = None
        if named:
            if named[1] in self.names:
                raise self._bad(f"a second group {named[1]!r}")
            slot = 2 * len(self.names)
            self.names.append(named[1])
            self._at = named.end()
        elif self._text.startswith("(?:", self._at):
            self._at += 3
        elif self._text.startswith("(?", self._at):
            raise self._bad("a group of a kind that is not known")
        else:
            self._at += 1
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise self._bad("too many groups inside groups")
        steps = self._choice()
        self._depth -= 1
        if self._next() != ")":
            raise self._bad("a bracket that is not closed")
        self._at += 1
        return steps if slot is None else [_Step("save", slot), *steps, _Step("save", slot + 1)]

    def _class(self) -> int:
        self._at += 1
        opposite = self._next() == "^"
        self._at += opposite
        mask, first = 0, True
        while first or self._next() != "]":
            first = False
            mask |= self._member()
        self._at += 1
        return _EVERY & ~mask if opposite else mask

    def _member(self) -> int:
        begin = self._single()
        if self._next() != "-" or self._text[self._at + 1 : self._at + 2] in {"]", ""}:
            return begin
        self._at += 1
        end = self._single()
        low, high = begin.bit_length() - 1, end.bit_length() - 1
        if begin != 1 << low or end != 1 << high or high < low:
            raise self._bad("a range that is none")
        return (1 << high + 1) - (1 << low)

    def _single(self) -> int:
        character = self._next()
        if not character:
            raise self._bad("a class that is not closed")
        self._at += 1
        return self._escape() if character == "\\" else self._one(character)

    def _one(self, character: str) -> int:
        if ord(character) > 0xFF:
            raise self._bad(f"{character!r} is no single byte")
        return 1 << ord(character)

    def _escape(self) -> int:
        character = self._next()
        self._at += 1
        if character in _CLASSES:
            return _CLASSES[character]
        if character in _CONTROLS:
            return _mask(_CONTROLS[character])
        if character == "x" and re.fullmatch(
            r"[0-9a-fA-F]{2}", self._text[self._at : self._at + 2]
        ):
            self._at += 2
            return 1 << int(self._text[self._at - 2 : self._at], 16)
        if not character or character.isalnum() or ord(character) > 0x7F:
            raise self._bad("an escape that is not known")
        return 1 << ord(character)


def _may_be_empty(steps: _Steps) -> bool:
    """Return whether `steps`, with distances, lead to their end without a byte."""
    seen: set[int] = set()
    open_ones = [0]
    while open_ones:
        at = open_ones.pop()
        if at == len(steps):
            return True
        if at in seen or steps[at].kind == "byte":
            continue
        seen.add(at)
        match steps[at].kind:
            case "jump":
                open_ones.append(at + steps[at].first)
            case "split":
                open_ones += [at + steps[at].first, at + steps[at].second]
            case _:
                open_ones.append(at + 1)
    return False


def _split(into: int, past: int, lazy: bool) -> _Step:
    return _Step("split", past, into) if lazy else _Step("split", into, past)


def _bounds(found: re.Match[str]) -> tuple[int, int | None]:
    match found["sign"]:
        case "*":
            return 0, None
        case "+":
            return 1, None
        case "?":
            return 0, 1
    if found["exact"]:
        return int(found["exact"]), int(found["exact"])
    return int(found["low"] or 0), int(found["high"]) if found["high"] else None
