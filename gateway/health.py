"""How the gateway is: one frozen snapshot, which state topic, alerts, metrics and page read."""

import asyncio
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from pydantic import ValidationError

from contract.topics import Topics
from contract.transactions import Transaction
from gateway.bench import Bench
from gateway.devices import DeviceState, Supervisor
from gateway.forwarder import Forwarder
from gateway.outbox import Outbox
from gateway.reference.subscription import CopyState, Subscription
from gateway.salvage import Ended
from gateway.signals import Signals
from runtime.clock import Clock
from runtime.mqtt import Connection

_STATE_EVERY = 30.0  # seconds at the latest, even if nothing changed
_STATE_APART = 1.0  # seconds at the soonest, however much changed
_STATE_EXPIRY = 24 * 3600  # seconds the broker keeps a state that nobody renews
_LOW_DISK = 200_000_000  # bytes: weeks of scans, and time to send somebody
_REOPENED = 5  # times an hour: hands pull a cable now and then, too little power does all the time
_DAYS = 30  # of scans offline: a gateway is to live through a month without a bridge
_USUAL = 5_000_000  # bytes of transactions a day where little is known yet: 5,000 scans
_KNOWN = 3600.0  # seconds after which the own rate says more
_ON_DISK = 1.35  # bytes of disk for a byte of transaction: 1.16 measured, 1.9 with the worst size
_OLD = 900.0  # seconds a row may wait before it is worth an alert


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The gateway at one moment."""

    site: str
    gateway: str
    version: str
    epoch: str
    last: int
    upto: int
    posted: int
    at_broker: int
    conflict: int | None
    waiting: int
    """Rows the bridge has not confirmed."""
    oldest_s: float
    """Seconds the oldest of them has waited; 0 if there is none."""
    broker: Literal["online", "offline"]
    broker_refusal: str | None
    bridge_absent: bool
    resends: int
    clock_synchronised: bool
    disk_free_bytes: int
    uptime_s: float
    signals: dict[str, int]
    devices: tuple[DeviceState, ...]
    taken_over: bool = False
    """Another gateway uses the name of this one."""
    disk_days: float | None = None
    """Days of scans, at the rate of late, that fit on the disk while the bridge takes none."""
    room_put_by: bool = True
    """False while the disk is so full that the room put by for that day is in use."""
    ended: Ended | None = None
    """The stream that ended here last, until a person has seen that."""
    reference: CopyState = field(default_factory=CopyState)
    """The copy of what the ERP knows."""
    raised: Mapping[str, str] = field(default_factory=dict)
    """Alerts that were raised when it was looked at last, and since when: ISO 8601, UTC."""


@dataclass(frozen=True, slots=True)
class Alert:
    """Something a person should know, and what to do about it."""

    code: str
    severity: Literal["warning", "critical"]
    text: str
    todo: str
    since: str | None = None
    """When it was first seen since the start: ISO 8601, UTC, by this machine's clock."""


@dataclass(frozen=True, slots=True)
class _Rule:
    code: str
    severity: Literal["warning", "critical"]
    says: Callable[[Snapshot], str | None]
    todo: str


def _faulty(snapshot: Snapshot) -> str | None:
    bad = [f"{each.id} ({each.why})" for each in snapshot.devices if each.state != "open"]
    return f"not working: {', '.join(bad)}" if bad else None


def _unsteady(snapshot: Snapshot) -> str | None:
    bad = [
        f"{each.id} {each.reopened} times" for each in snapshot.devices if each.reopened > _REOPENED
    ]
    return f"gone and back within the hour: {', '.join(bad)}" if bad else None


def _damaged(snapshot: Snapshot) -> str | None:
    ended = snapshot.ended
    if ended is None or ended.cause != "damage":
        return None
    spans = ", ".join(f"{first}-{last}" for first, last in ended.missing[:5])
    lost = f"; {ended.lost} are lost (seq {spans} of epoch {ended.epoch})" if ended.lost else ""
    return f"the store was damaged ({ended.why}): {ended.taken} rows were saved{lost}"


def _ended(snapshot: Snapshot) -> str | None:
    ended = snapshot.ended
    if ended is None or ended.cause == "damage":
        return None
    return f"a new stream was begun: {ended.why}; {ended.taken} rows were taken over"


def _soon_full(snapshot: Snapshot) -> str | None:
    days = snapshot.disk_days
    if days is None or days > _DAYS or snapshot.disk_free_bytes < _LOW_DISK:
        return None
    return f"{snapshot.disk_free_bytes // 1_000_000} MB free: {days:.0f} days of scans offline"


def _stale(snapshot: Snapshot) -> str | None:
    copy = snapshot.reference
    if not copy.stale or copy.age_s is None:
        return None
    return f"the bridge said {copy.age_s / 3600:.0f} h ago that the reference copy is the newest"


RULES = (
    _Rule(
        "store-damaged",
        "critical",
        _damaged,
        "The damaged file lies beside the store. Have what is lost counted again, replace the card"
        " or disk, and run `scanpost outbox seen`.",
    ),
    _Rule(
        "stream-ended",
        "warning",
        _ended,
        "Find out why two of this store were about (cloned card, restored backup), look at the"
        " bridge for rows it refused, and run `scanpost outbox seen`.",
    ),
    _Rule(
        "stream-conflict",
        "critical",
        lambda s: (
            None
            if s.conflict is None
            else f"seq {s.conflict} came to the bridge twice, with two contents"
        ),
        "This store is a copy of another one (cloned card, restored backup). Scanning can go on."
        " Stop this gateway, run `scanpost outbox new-epoch`, start it again; then look at the"
        " bridge for rows it refused.",
    ),
    _Rule(
        "broker-refused",
        "critical",
        lambda s: s.broker_refusal,
        "Check user, password, certificate and access rules of this gateway at the broker.",
    ),
    _Rule(
        "session-taken-over",
        "critical",
        lambda s: "another gateway came to the broker under our name" if s.taken_over else None,
        "Two gateways have one name (a cloned card?): rename one of them in its configuration, or"
        " stop it. Scanning can go on; rows are sent every few minutes meanwhile.",
    ),
    _Rule(
        "bridge-absent",
        "critical",
        lambda s: "the broker has no bridge for these transactions" if s.bridge_absent else None,
        "Start the bridge. Nothing is lost meanwhile.",
    ),
    _Rule(
        "backlog-old",
        "warning",
        lambda s: (
            f"{s.waiting} rows wait, the oldest {s.oldest_s:.0f} s" if s.oldest_s > _OLD else None
        ),
        "Check the network, the broker and the bridge. Scanning can go on.",
    ),
    _Rule("device", "warning", _faulty, "Check the cable and the address in the configuration."),
    _Rule(
        "device-unsteady",
        "warning",
        _unsteady,
        "Use a powered hub: a small computer cannot feed many scanners. Then try another cable.",
    ),
    _Rule(
        "clock",
        "warning",
        lambda s: None if s.clock_synchronised else "the clock is not synchronised",
        "Check NTP. Order is safe without it; times may be wrong.",
    ),
    _Rule(
        "reference-stale",
        "warning",
        _stale,
        "Check the network and the bridge. Stations go on with the copy they have; documents that"
        " are new since then are not known to them.",
    ),
    _Rule(
        "reference-trouble",
        "warning",
        lambda s: s.reference.trouble,
        "Make room on the disk, or look at the log. Stations go on with the copy they have.",
    ),
    _Rule(
        "disk-low",
        "critical",
        lambda s: (
            f"{s.disk_free_bytes // 1_000_000} MB free" if s.disk_free_bytes < _LOW_DISK else None
        ),
        "Make room on the disk that holds the outbox.",
    ),
    _Rule(
        "disk-full",
        "critical",
        lambda s: None if s.room_put_by else "the disk is full; the last room for scans is in use",
        "Make room on the disk that holds the outbox now. Scans are refused when it is gone.",
    ),
    _Rule(
        "disk-soon",
        "warning",
        _soon_full,
        "Make room on the disk that holds the outbox, or bring the bridge back.",
    ),
)


def alerts(snapshot: Snapshot) -> list[Alert]:
    """Return what a person should know, worst first."""
    found = [
        Alert(rule.code, rule.severity, text, rule.todo, snapshot.raised.get(rule.code))
        for rule in RULES
        if (text := rule.says(snapshot))
    ]
    return sorted(found, key=lambda alert: alert.severity)


class Health:
    """Takes the snapshots, and keeps the retained topics true to them."""

    def __init__(
        self,
        topics: Topics,
        version: str,
        outbox: Outbox,
        forwarder: Forwarder,
        signals: Signals,
        clock: Clock,
        disk: str,
    ) -> None:
        self._topics = topics
        self._version = version
        self._outbox = outbox
        self._forwarder = forwarder
        self._signals = signals
        self._clock = clock
        self._disk = disk
        self._started = clock.monotonic()
        self._oldest: tuple[int, float] = (0, 0.0)
        self._raised: dict[str, str] = {}
        self.supervisors: Sequence[Supervisor] = ()
        self.benches: Sequence[Bench] = ()
        self.reference: Subscription | None = None
        self.changed = asyncio.Event()
        """Set by whoever changed something that the state shows."""

    @property
    def birth(self) -> str:
        """What the status topic says while we are there."""
        return json.dumps(
            {
                "online": True,
                "speaker": self._forwarder.manners.name,
                "version": self._version,
                "epoch": str(self._outbox.standing.epoch),
                "boot": str(self._clock.boot),
                "since": self._clock.utc().isoformat(timespec="seconds"),
            }
        )

    @property
    def will(self) -> str:
        """What the status topic says when we are gone."""
        return json.dumps({"online": False, "speaker": self._forwarder.manners.name})

    async def snapshot(self) -> Snapshot:
        """Return how things are."""
        standing = self._outbox.standing
        disk = os.statvfs(self._disk)
        now = Snapshot(
            site=self._topics.site,
            gateway=self._topics.gateway,
            version=self._version,
            epoch=str(standing.epoch),
            last=standing.last,
            upto=standing.upto,
            posted=standing.posted,
            at_broker=max(self._forwarder.at_broker, standing.upto),
            conflict=standing.conflict,
            waiting=standing.waiting,
            oldest_s=await self._oldest_wait(standing.upto, standing.waiting),
            broker="online" if self._forwarder.connected else "offline",
            broker_refusal=self._forwarder.refusal,
            bridge_absent=self._forwarder.bridge_absent,
            taken_over=self._forwarder.manners.taken_over,
            resends=self._forwarder.resends,
            clock_synchronised=self._clock.synchronised(),
            disk_free_bytes=disk.f_bavail * disk.f_frsize,
            uptime_s=round(self._clock.monotonic() - self._started, 1),
            signals=dict(self._signals.counts),
            devices=tuple(each.state for each in self.supervisors),
            disk_days=self._days(disk.f_bavail * disk.f_frsize),
            room_put_by=self._outbox.room_put_by,
            ended=self._outbox.unseen,
            reference=self.reference.state if self.reference else CopyState(),
        )
        said = self._clock.utc().isoformat(timespec="seconds")
        self._raised = {each.code: self._raised.get(each.code, said) for each in alerts(now)}
        return replace(now, raised=self._raised)

    def _days(self, free: int) -> float:
        uptime = self._clock.monotonic() - self._started
        daily = float(_USUAL)
        if uptime > _KNOWN:
            daily = max(_USUAL / 10, self._outbox.stored_octets * 86400 / uptime)
        return round(free / (daily * _ON_DISK), 1)

    async def _oldest_wait(self, upto: int, waiting: int) -> float:
        if not waiting:
            return 0.0
        if self._oldest[0] != upto + 1:
            rows = await self._outbox.after(upto, 1, 1)
            if not rows:
                return 0.0
            self._oldest = (upto + 1, self._saved_at(rows[0].body))
        return max(0.0, round(self._clock.monotonic() - self._oldest[1], 1))

    def _saved_at(self, body: str) -> float:
        """Return when a row was stored on this boot's monotonic clock; may be negative."""
        try:
            clock = Transaction.model_validate_json(body).clock
        except ValidationError:
            return self._clock.monotonic()  # of another version: how old it is is not known
        if clock.boot == self._clock.boot:
            return float(clock.monotonic)
        return self._clock.monotonic() - (self._clock.utc() - clock.wall).total_seconds()

    async def publish(self, connection: Connection) -> None:
        """Keep state, devices, stations and alerts on the broker true, while connected."""
        said: dict[str, str] = {}
        while True:
            started = self._clock.monotonic()
            self.changed.clear()
            for topic, payload in self._words(await self.snapshot()).items():
                if said.get(topic) != payload or topic == self._topics.state:
                    connection.publish(topic, payload, retain=True, expiry=_STATE_EXPIRY)
                    said[topic] = payload
            await asyncio.sleep(_STATE_APART)
            left = _STATE_EVERY - (self._clock.monotonic() - started)
            try:
                async with asyncio.timeout(left):
                    await self.changed.wait()
            except TimeoutError:
                continue

    def _words(self, snapshot: Snapshot) -> dict[str, str]:
        plain = asdict(snapshot)
        devices = plain.pop("devices")
        words = {self._topics.state: json.dumps(plain)}
        for device in devices:
            words[self._topics.device(device["id"])] = json.dumps(device)
        for bench in self.benches:
            words[self._topics.station(bench.station.name)] = json.dumps(station_view(bench))
        raised = {alert.code: json.dumps(asdict(alert)) for alert in alerts(snapshot)}
        for rule in RULES:
            words[self._topics.alert(rule.code)] = raised.get(rule.code, "")
        return words


def station_view(bench: Bench) -> dict[str, Any]:
    """Return what a screen, or the station's digital twin, shows."""
    view = bench.view
    return {
        "station": bench.station.name,
        "job": bench.session.job,
        "operator": bench.session.operator,
        "headline": view.headline,
        "question": view.question,
        "facts": [list(fact) for fact in view.facts],
        "document": view.document,
        "lines": [asdict(line) for line in view.lines],
    }
