"""What makes the health check of the bridge fail, and what only wants a person."""

from pathlib import Path

from bridge.health import RULES
from tests.bridge.web.admin import site


def test_only_what_keeps_the_process_from_its_work_makes_a_health_check_fail() -> None:
    critical = {rule.code for rule in RULES if rule.severity == "critical"}
    assert critical == {"ledger", "broker", "session-taken-over", "target"}


async def test_every_alert_is_told_from_the_first_look_on(tmp_path: Path) -> None:
    async with site(tmp_path) as admin, admin.person() as monitor:
        await monitor.get("/healthz")
        assert monitor.status == 503  # this one has no broker
        await monitor.get("/metrics")
    told = {line for line in monitor.page.splitlines() if line.startswith("scanpost_bridge_alert{")}
    raised = {"broker", "target"}
    assert told == {
        f'scanpost_bridge_alert{{code="{rule.code}"}} {float(rule.code in raised)}'
        for rule in RULES
    }
