r"""How values look on a page: safe, and with nothing invisible in them.

Whatever a label, a document or an ERP says is text. Jinja escapes it; before that, what would not
be seen, or would turn the reading order of what follows, is written out.

>>> visible("A\x1dB\r\n"), visible("\u202egnp")
('A⟨GS⟩B⟨CR⟩\n', '⟨U+202E⟩gnp')
"""

import functools
import json
import re
from datetime import datetime, tzinfo
from typing import Any

import jinja2
from markupsafe import Markup, escape

from bridge.dead_letters import WORDS
from bridge.web.people import may
from bridge.web.wording import STATES, TYPES, what_of

_NOT_PLAIN = re.compile(r"[^\x20-\x7e\t\n]")
# ISO 646. Unicode has pictures of them, which few fonts have.
_CONTROLS = (
    "NUL SOH STX ETX EOT ENQ ACK BEL BS HT LF VT FF CR SO SI "
    "DLE DC1 DC2 DC3 DC4 NAK SYN ETB CAN EM SUB ESC FS GS RS US"
)
_NAMES = tuple(_CONTROLS.split())


def visible(text: str) -> str:
    """Return `text` with every character written out that is not seen, but for tabs and lines.

    Those are control and format characters, blanks that are no blank, surrogates, and what Unicode
    has no character for.
    """
    return _NOT_PLAIN.sub(_written, text)


def _written(found: re.Match[str]) -> str:
    if found[0].isprintable():
        return found[0]
    code = ord(found[0])
    return f"⟨{_NAMES[code]}⟩" if code < len(_NAMES) else f"⟨U+{code:04X}⟩"


@functools.cache
def environment(zone: tzinfo) -> jinja2.Environment:
    """Return the templates of this folder, for times as the office reads them."""
    made = jinja2.Environment(
        loader=jinja2.PackageLoader("bridge.web", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_final,
        auto_reload=False,
    )
    made.filters |= {"at": lambda moment: _at(moment, zone), "ago": _age, "pretty": _pretty}
    made.filters |= {"what": what_of, "exactly": _exactly}
    made.globals |= {"may": may, "STATES": STATES, "TYPES": TYPES, "WORDS": WORDS}
    return made


def _final(value: Any) -> Any:
    if value is None:
        return ""
    if isinstance(value, Markup):
        return value
    return visible(str(value))


def _exactly(text: str) -> Markup:
    """Return `text` for a field that is sent back: with everything that is not seen."""
    return Markup(escape(text).replace("\r", "&#13;").replace("\n", "&#10;"))  # noqa: S704


def _at(moment: datetime | str | None, zone: tzinfo) -> Markup | str:
    """Return a time to the second, and in full for machines."""
    if moment is None:
        return ""
    try:
        known = datetime.fromisoformat(moment) if isinstance(moment, str) else moment
    except ValueError:
        return str(moment)
    local = known.astimezone(zone)
    return Markup('<time datetime="{}">{}</time>').format(
        known.isoformat(), f"{local:%Y-%m-%d %H:%M:%S}"
    )


def _age(seconds: float | None) -> str:
    """Return an age in the unit a person would say it in.

    >>> _age(59.0), _age(3600.0), _age(200000.0)
    ('59 s', '60 min', '2 days')
    """
    if seconds is None:
        return ""
    for unit, size, least in (("days", 86_400, 129_600), ("h", 3_600, 5_400), ("min", 60, 60)):
        if seconds >= least:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def _pretty(value: Any) -> Markup:
    """Return plain values as indented JSON, with amounts as they stand."""
    text = json.dumps(value, indent=2, ensure_ascii=False, default=_plain)
    return escape(visible(text))


def _plain(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
