"""One line per event: readable at a terminal, JSON where a machine reads.

>>> event(logging.getLogger("doctest"), logging.DEBUG, "device lost", device="scale")
"""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any

_LEVELS = {"debug", "info", "warning", "error"}
# journald's own priority prefix, so that `journalctl -p warning` works on plain lines too
_PRIORITY = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3}


# C1 control characters, which JSON leaves as they are and some terminals obey
_C1 = {code: f"\\u{code:04x}" for code in range(0x7F, 0xA0)}


_encode = json.JSONEncoder(default=str, ensure_ascii=False).encode


def _quoted(value: object) -> str:
    return _encode(value).translate(_C1)


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return _quoted(line)


class _Plain(logging.Formatter):
    def __init__(self, *, priorities: bool) -> None:
        super().__init__()
        self._priorities = priorities

    def format(self, record: logging.LogRecord) -> str:
        fields = "".join(
            f" {name}={_quoted(value)}" for name, value in getattr(record, "fields", {}).items()
        )
        head = f"<{_PRIORITY.get(record.levelno, 5)}>" if self._priorities else ""
        text = f"{head}{record.levelname.lower()} {record.getMessage()}{fields}"
        if record.exc_info:
            text += "\n" + self.formatException(record.exc_info)
        return text


def configure(level: str = "info", *, as_json: bool = False, priorities: bool = False) -> None:
    """Send events to standard error.

    Args:
        level: debug, info, warning or error.
        as_json: one JSON object per line.
        priorities: put journald's `<6>` before plain lines.
    """
    if level not in _LEVELS:
        raise ValueError(f"log level {level!r}: choose one of {', '.join(sorted(_LEVELS))}")
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Json() if as_json else _Plain(priorities=priorities))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for chatty in ("asyncio", "aiosqlite"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    # No line tells of thread or process, so they are not looked up for each.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False


def event(log: logging.Logger, level: int, message: str, **fields: object) -> None:
    """Log `message` with named fields, which stay fields in JSON."""
    if log.isEnabledFor(level):
        # `log.log` would walk the stack for a line number that no line shows.
        record = logging.LogRecord(log.name, level, "", 0, message, None, None)
        record.fields = fields
        log.handle(record)
