"""Key figures as pages show them: counted once a minute at most, however many people look."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from bridge.ledger import Ledger
from bridge.reconciliation import Kpi, Kpis, kpis

DAYS = 7
"""The window: it has every day of the week once."""
KEPT_S = 60.0
"""Seconds figures are shown before they are counted anew: it takes 0.2 s of a large ledger."""


class Figures:
    """The figures counted last."""

    def __init__(self) -> None:
        self._counted: tuple[float, Kpis] | None = None

    async def of(self, ledger: Ledger, now: Callable[[], float]) -> Kpis:
        """Return the figures of the last days."""
        if self._counted is None or now() - self._counted[0] > KEPT_S:
            found = await kpis(ledger, datetime.now(UTC) - timedelta(days=DAYS))
            self._counted = (now(), found)
        return self._counted[1]


def told(figure: Kpi) -> str:
    """Return a figure as people say it.

    >>> told(Kpi("order_accuracy", 0.9987, "ratio", 800, "", ""))
    '99.9 %'
    """
    if figure.value is None:
        return "not known"
    match figure.unit:
        case "ratio":
            return f"{100 * figure.value:.1f} %"
        case "seconds":
            return f"{figure.value:.1f} s" if figure.value < 120 else f"{figure.value / 60:.0f} min"
        case "entries":
            return f"{figure.value:.0f}"
        case _:
            return f"{figure.value:.1f}"
