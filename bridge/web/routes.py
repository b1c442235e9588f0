"""Every door of the admin page, and who may go in. A test walks it with each role."""

from bridge.web import differences, entries, letters, overview, records, switches, trials
from bridge.web.visit import Route

_NUMBER = "{number:[0-9]{1,18}}"

ROUTES: tuple[Route, ...] = (
    Route("GET", "/", "viewer", overview.overview),
    Route("GET", "/entries", "viewer", entries.entries),
    Route("GET", f"/entries/{_NUMBER}", "viewer", entries.entry),
    Route("POST", f"/entries/{_NUMBER}/retry", "operator", letters.retry),
    Route("POST", f"/entries/{_NUMBER}/amend", "operator", letters.amend),
    Route("POST", f"/entries/{_NUMBER}/discard", "operator", letters.discard),
    Route("POST", f"/entries/{_NUMBER}/replay", "admin", letters.replay),
    Route("GET", "/dead-letters", "viewer", letters.dead_letters),
    Route("GET", "/dead-letters/all", "operator", letters.ask),
    Route("POST", "/dead-letters/all", "operator", letters.decide_all),
    Route("GET", "/modes", "viewer", switches.modes),
    Route("GET", "/modes/switch", "admin", switches.ask),
    Route("POST", "/modes/switch", "admin", switches.switch),
    Route("POST", "/streams/{gateway}/{epoch}/forgive", "admin", overview.forgive),
    Route("GET", "/shadow", "viewer", records.shadow),
    Route("GET", "/reconciliation", "viewer", differences.reconciliation),
    Route("POST", f"/reconciliation/{_NUMBER}/close", "operator", differences.close_one),
    Route("GET", "/test-scan", "viewer", trials.test_scan),
    Route("GET", "/audit", "viewer", records.audit),
    Route("GET", "/unreadable", "viewer", records.unreadable),
    Route("GET", f"/unreadable/{_NUMBER}", "viewer", records.unreadable_one),
)

MENU: tuple[tuple[str, str], ...] = (
    ("/", "Overview"),
    ("/entries", "Entries"),
    ("/dead-letters", "Dead letters"),
    ("/modes", "Modes"),
    ("/shadow", "Shadow"),
    ("/reconciliation", "Reconciliation"),
    ("/test-scan", "Test a scan"),
    ("/audit", "Audit trail"),
    ("/unreadable", "Unreadable"),
)
"""The pages one begins at."""
