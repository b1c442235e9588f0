"""Prometheus metrics: a table of name, help and where in the snapshot to read."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Metric, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from gateway.health import RULES, Snapshot

Samples = Iterable[tuple[dict[str, str], float]]


@dataclass(frozen=True, slots=True)
class _Row:
    name: str
    kind: type[CounterMetricFamily] | type[GaugeMetricFamily]
    help: str
    read: Callable[[Snapshot], Samples]
    labels: tuple[str, ...] = ()


def _one(read: Callable[[Snapshot], float]) -> Callable[[Snapshot], Samples]:
    return lambda snapshot: [({}, read(snapshot))]


TABLE = (
    _Row(
        "scanpost_gateway_stored_rows_total",
        CounterMetricFamily,
        "Rows ever stored in this epoch (the newest seq).",
        _one(lambda s: s.last),
    ),
    _Row(
        "scanpost_gateway_booked_rows_total",
        CounterMetricFamily,
        "Rows the bridge has confirmed in this epoch.",
        _one(lambda s: s.upto),
    ),
    _Row(
        "scanpost_gateway_waiting_rows",
        GaugeMetricFamily,
        "Rows the bridge has not confirmed.",
        _one(lambda s: s.waiting),
    ),
    _Row(
        "scanpost_gateway_oldest_waiting_seconds",
        GaugeMetricFamily,
        "How long the oldest of them has waited.",
        _one(lambda s: s.oldest_s),
    ),
    _Row(
        "scanpost_gateway_broker_connected",
        GaugeMetricFamily,
        "1 while connected to the broker.",
        _one(lambda s: s.broker == "online"),
    ),
    _Row(
        "scanpost_gateway_bridge_absent",
        GaugeMetricFamily,
        "1 while the broker says that no bridge is subscribed.",
        _one(lambda s: s.bridge_absent),
    ),
    _Row(
        "scanpost_gateway_stream_conflict",
        GaugeMetricFamily,
        "1 if the bridge has seen this stream with other content.",
        _one(lambda s: s.conflict is not None),
    ),
    _Row(
        "scanpost_gateway_resends_total",
        CounterMetricFamily,
        "How often sending went back to the watermark.",
        _one(lambda s: s.resends),
    ),
    _Row(
        "scanpost_gateway_clock_synchronised",
        GaugeMetricFamily,
        "1 while NTP keeps the clock right.",
        _one(lambda s: s.clock_synchronised),
    ),
    _Row(
        "scanpost_gateway_disk_free_bytes",
        GaugeMetricFamily,
        "Room on the disk that holds the outbox.",
        _one(lambda s: s.disk_free_bytes),
    ),
    _Row(
        "scanpost_gateway_disk_days",
        GaugeMetricFamily,
        "Days of scans that fit on that disk while the bridge takes none.",
        lambda s: [] if s.disk_days is None else [({}, s.disk_days)],
    ),
    _Row(
        "scanpost_gateway_room_put_by",
        GaugeMetricFamily,
        "1 while the room put by for a full disk is untouched.",
        _one(lambda s: s.room_put_by),
    ),
    _Row(
        "scanpost_gateway_reference_records",
        GaugeMetricFamily,
        "Records of the reference copy.",
        lambda s: [
            ({"kind": "item"}, s.reference.items),
            ({"kind": "document"}, s.reference.documents),
            ({"kind": "location"}, s.reference.locations),
        ],
        ("kind",),
    ),
    _Row(
        "scanpost_gateway_reference_version",
        GaugeMetricFamily,
        "Version of the reference copy.",
        _one(lambda s: s.reference.version),
    ),
    _Row(
        "scanpost_gateway_reference_age_seconds",
        GaugeMetricFamily,
        "Seconds since the bridge said that the reference copy is the newest.",
        lambda s: [] if s.reference.age_s is None else [({}, s.reference.age_s)],
    ),
    _Row(
        "scanpost_gateway_signals_total",
        CounterMetricFamily,
        "Signals given to operators.",
        lambda s: [({"kind": kind}, count) for kind, count in s.signals.items()],
        ("kind",),
    ),
    _Row(
        "scanpost_gateway_device_open",
        GaugeMetricFamily,
        "1 while the device is open and speaks.",
        lambda s: [({"device": each.id}, each.state == "open") for each in s.devices],
        ("device",),
    ),
    _Row(
        "scanpost_gateway_device_readings_total",
        CounterMetricFamily,
        "Readings of a device.",
        lambda s: [({"device": each.id}, each.readings) for each in s.devices],
        ("device",),
    ),
    _Row(
        "scanpost_gateway_device_noise_total",
        CounterMetricFamily,
        "What a device sent that no rule explains.",
        lambda s: [({"device": each.id}, each.noise) for each in s.devices],
        ("device",),
    ),
    _Row(
        "scanpost_gateway_device_opens_total",
        CounterMetricFamily,
        "How often a device was opened; a loose cable shows here.",
        lambda s: [({"device": each.id}, each.opened) for each in s.devices],
        ("device",),
    ),
    _Row(
        "scanpost_gateway_alert",
        GaugeMetricFamily,
        "1 while the alert is raised; its topic and the page say what to do.",
        lambda s: [({"code": rule.code}, rule.code in s.raised) for rule in RULES],
        ("code",),
    ),
)


class _FromSnapshot(Collector):
    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot

    def collect(self) -> Iterator[Metric]:
        own = {"site": self._snapshot.site, "gateway": self._snapshot.gateway}
        for row in TABLE:
            family = row.kind(row.name, row.help, labels=(*own, *row.labels))
            for labels, value in row.read(self._snapshot):
                family.add_metric([*own.values(), *labels.values()], float(value))
            yield family


def exposition(snapshot: Snapshot) -> bytes:
    """Return the Prometheus text of a snapshot."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_FromSnapshot(snapshot))
    return generate_latest(registry)
