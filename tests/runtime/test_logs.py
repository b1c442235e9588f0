"""Events as lines: at a terminal, in the journal, and for machines."""

import json
import logging
import subprocess
import sys

from runtime.logs import event

SAY = """
import logging, sys
from runtime import logs
log = logging.getLogger("gateway.bench")
logs.configure("info", as_json=sys.argv[1] == "json", priorities=sys.argv[1] == "journal")
logs.event(log, logging.DEBUG, "too quiet")
logs.event(log, logging.INFO, "signal ok", station="t-1", text="a\\x1b\\x9b\\n", seq=[7])
try:
    1 / 0
except ZeroDivisionError:
    log.exception("driver failed")
"""


def said(form: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", SAY, form], capture_output=True, text=True, check=True, timeout=60
    )
    return done.stderr.splitlines()


def test_a_line_has_level_words_and_quoted_fields() -> None:
    first, second, *traceback = said("plain")
    assert first == r'info signal ok station="t-1" text="a\u001b\u009b\n" seq=[7]'
    assert second == "error driver failed"
    assert traceback[-1] == "ZeroDivisionError: division by zero"


def test_the_journal_is_told_how_grave_a_line_is() -> None:
    assert [line[:3] for line in said("journal")[:2]] == ["<6>", "<3>"]


def test_a_machine_reads_fields_as_fields() -> None:
    first, second = (json.loads(line) for line in said("json"))
    assert first.pop("time")
    assert first == {
        "level": "info",
        "logger": "gateway.bench",
        "event": "signal ok",
        "station": "t-1",
        "text": "a\x1b\x9b\n",
        "seq": [7],
    }
    assert "ZeroDivisionError" in second["traceback"]


def test_who_listens_by_logging_hears_the_fields_too() -> None:
    heard: list[logging.LogRecord] = []

    class Ear(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            heard.append(record)

    log = logging.getLogger("tests.runtime.logs")
    ear = Ear()
    log.addHandler(ear)
    try:
        event(log, logging.WARNING, "device lost", device="scale")
    finally:
        log.removeHandler(ear)
    [record] = heard
    assert (record.getMessage(), record.levelno) == ("device lost", logging.WARNING)
    assert record.__dict__["fields"] == {"device": "scale"}
