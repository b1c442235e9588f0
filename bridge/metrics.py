"""Every number the bridge tells Prometheus: one row each.

>>> metrics = Metrics()
>>> metrics.count("deliveries", outcome="posted")
>>> b'scanpost_bridge_deliveries_total{outcome="posted"} 1.0' in metrics.text()
True
"""

from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, generate_latest

_PREFIX = "scanpost_bridge_"


@dataclass(frozen=True, slots=True)
class _Row:
    kind: type[Counter] | type[Gauge] | type[Histogram] | type[Info]
    name: str
    """Without prefix; a counter gets `_total` by itself."""
    words: str
    label: str | None = None


TABLE = (
    _Row(Counter, "envelopes_received", "Envelopes committed to the ledger, repeats included."),
    _Row(Counter, "rows_received", "Rows in them."),
    _Row(Counter, "messages_poisoned", "Messages that can never be read."),
    _Row(Counter, "acks_published", "Acks the broker has confirmed."),
    _Row(Counter, "deliveries", "Deliveries to the target, by what came of them.", "outcome"),
    _Row(Counter, "noted_entries", "Entries closed because they need no posting there."),
    _Row(Histogram, "delivery_seconds", "How long one delivery took."),
    _Row(Counter, "target_calls", "Calls made to the target."),
    _Row(Gauge, "target_calls_today", "Calls on this day (UTC), readings included, as budgeted."),
    _Row(Gauge, "breaker_open", "1 while the target is left alone because it fails."),
    _Row(Gauge, "dispatching", "1 while this bridge is the one that delivers."),
    _Row(Counter, "broker_connections", "Connections made to the broker."),
    _Row(Counter, "ledger_failures", "Times the ledger's database did not do its part."),
    _Row(Gauge, "broker_connected", "1 while connected to the broker."),
    _Row(Gauge, "target_connected", "1 while the target is open."),
    _Row(Gauge, "undecided_entries", "Entries the target has not decided on."),
    _Row(Gauge, "stuck_entries", "Undecided entries that were tried often in vain."),
    _Row(Gauge, "dead_entries", "Entries that wait for a person."),
    _Row(Gauge, "undecided_age_seconds", "Age of the oldest undecided entry."),
    _Row(Gauge, "known_streams", "Streams of gateways, ever."),
    _Row(Gauge, "conflict_streams", "Streams stopped by a conflict."),
    _Row(Gauge, "gap_streams", "Streams that wait for missing rows."),
    _Row(Gauge, "gap_age_seconds", "Age of the oldest gap."),
    _Row(Gauge, "parked_rows", "Rows beyond a gap."),
    _Row(Counter, "reference_pages", "Pages of reference data sent to gateways."),
    _Row(Counter, "reference_bytes", "Bytes of these."),
    _Row(Gauge, "reference_version", "Newest version of the copy of reference data."),
    _Row(Gauge, "reference_read_seconds", "When it was last read whole, in Unix time."),
    _Row(Gauge, "reference_failing", "1 while its source cannot be read."),
    _Row(Gauge, "reconciliation_findings", "Open findings of reconciliation, by kind.", "kind"),
    _Row(Gauge, "reconciliation_failing", "1 while its last round could not read everything."),
    _Row(Gauge, "reconciliation_read_seconds", "When it last read everything, in Unix time."),
    _Row(Gauge, "kpi_ratio", "Key figures of the last 24 hours, 0 to 1.", "figure"),
    _Row(Gauge, "kpi_seconds", "Key figures of the last 24 hours that are times.", "figure"),
    _Row(Gauge, "kpi_entries", "Key figures that are numbers of entries.", "figure"),
    _Row(Gauge, "kpi_per_thousand", "Key figures of the last 24 hours, of 1,000.", "figure"),
    _Row(Info, "mapping", "Which mapping tables hold now."),
    _Row(Gauge, "alert", "1 while it is raised; /healthz and the page say what to do.", "code"),
    _Row(Counter, "mapping_refused", "Edits of mapping tables that were refused for a mistake."),
    _Row(Counter, "users_refused", "Edits of the users' file that were refused for a mistake."),
)


class Metrics:
    """The table's numbers in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._made = {
            row.name: row.kind(
                _PREFIX + row.name,
                row.words,
                [row.label] if row.label else [],
                registry=self.registry,
            )
            for row in TABLE
        }

    def count(self, name: str, amount: int = 1, **labels: str) -> None:
        """Add to a counter."""
        made = self._made[name]
        if not isinstance(made, Counter):
            raise TypeError(f"{name} is no counter")
        (made.labels(**labels) if labels else made).inc(amount)

    def set(self, name: str, value: float, **labels: str) -> None:
        """Set a gauge."""
        made = self._made[name]
        if not isinstance(made, Gauge):
            raise TypeError(f"{name} is no gauge")
        (made.labels(**labels) if labels else made).set(value)

    def inform(self, name: str, **values: str) -> None:
        """Say what holds now, as labels of a row that is 1; what was said before is gone."""
        made = self._made[name]
        if not isinstance(made, Info):
            raise TypeError(f"{name} is no information")
        made.info(values)

    def observe(self, name: str, seconds: float) -> None:
        """Add to a histogram."""
        made = self._made[name]
        if not isinstance(made, Histogram):
            raise TypeError(f"{name} is no histogram")
        made.observe(seconds)

    def text(self) -> bytes:
        """Return all of it in Prometheus' text format."""
        return generate_latest(self.registry)
