"""Holds what operators were told against the files, and counts what does not agree.

Reads outbox and ledger by itself, without a line of the code that wrote them, at every OK, at every
word of the bridge and at the end. The numbers are those of the invariants in ARCHITECTURE.md.
"""

import contextlib
import itertools
import json
import sqlite3
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.worlds.erp import Target
from tests.worlds.floor import Offer

_KNOWN = (
    "SELECT stream.epoch, entry.seq, entry.decided_at FROM entry"
    " JOIN stream ON stream.id = entry.stream"
    " UNION ALL SELECT stream.epoch, repeat.seq, entry.decided_at FROM repeat"
    " JOIN stream ON stream.id = repeat.stream JOIN entry ON entry.number = repeat.entry"
)
"""Every row the ledger has: as an entry, or as the repeat of one under another number."""
_TAKEN_BACK = 10.0  # seconds a slow disk of a world may take for what the operator gave up


@dataclass
class Books:
    """The files of one world."""

    folder: Path
    offers: list[Offer]
    wrong: list[str]
    seen: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._open: dict[str, sqlite3.Connection] = {}
        self._looked = 0
        self._backups = 0
        self._frozen: list[tuple[float, float]] = []

    def _rows(self, file: str, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        if file not in self._open:
            path = self.folder / file
            if not path.exists():
                return []
            self._open[file] = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
        try:
            return self._open[file].execute(statement, values).fetchall()
        except sqlite3.OperationalError:
            return []  # not made yet

    def close(self) -> None:
        """Let go of the files: after one was replaced, or at the end."""
        for file in self._open.values():
            file.close()
        self._open.clear()

    def look(self) -> None:
        """Check that everything said to be OK is on disk (1 and 3)."""
        told = [offer for offer in self.offers if offer.verdict == "ok"][self._looked :]
        if not told:
            return
        stored = " ".join(body for (body,) in self._rows("outbox.db", "SELECT body FROM outbox"))
        for offer in told:
            if offer.mark not in stored:
                self.wrong.append(f"OK, and not on disk: {offer}")
        self._looked += len(told)

    def backup(self, file: str) -> Path | None:
        """Copy a file as a good backup does; None if there is nothing to copy."""
        path = self.folder / file
        if not path.exists():
            return None
        self._backups += 1
        copy = self.folder / f"backup-{self._backups}.db"
        with (
            contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as source,
            contextlib.closing(sqlite3.connect(copy)) as target,
        ):
            source.backup(target)
        return copy

    def gone_with(self, file: str, backup: Path | None) -> None:
        """Write off what was only on this card: neither in the backup nor with the bridge."""
        # What is parked there waits for rows that died with this card, and for a person.
        bodies = [entry[6] for entry in self._entries()]
        if backup is not None:
            with contextlib.closing(sqlite3.connect(backup)) as old:
                bodies += [body for (body,) in old.execute("SELECT body FROM outbox")]
        assert file == "outbox.db"
        everything = "\n".join(bodies)
        for offer in self.offers:
            if offer.mark not in everything and offer.verdict == "ok":
                offer.gone = True
                self.seen["scans that died with a card"] += 1

    def restore(self, file: str, backup: Path | None) -> None:
        """Put a backup, or nothing, in the place of a file nobody has open."""
        self.close()
        for part in self.folder.glob(f"{file}*"):
            part.unlink()
        if backup is not None:
            backup.rename(self.folder / file)

    def doubt(self) -> None:
        """Note that what is being stored now may be on disk, whatever the operator hears of it.

        He is told at the restart what was recorded last.
        """
        for offer in self.offers[-2:]:
            offer.doubtful = offer.doubtful or offer.told_at == 0.0

    def doubt_at_death(self, now: float) -> None:
        """Note that a not-OK for want of an answer may still become a row: nobody takes it back."""
        for offer in self.offers:
            since = now - offer.told_at - self._frozen_between(offer.told_at, now)
            if offer.verdict == "bad" and 0 <= since < _TAKEN_BACK:
                offer.doubtful = True

    def frozen(self, since: float, until: float) -> None:
        """Note when the gateway was stopped: who does not run takes nothing back."""
        self._frozen.append((since, until))

    def _frozen_between(self, since: float, until: float) -> float:
        return sum(max(0.0, min(until, to) - max(since, at)) for at, to in self._frozen)

    def hear(self, payload: bytes) -> None:
        """Check that a word of the bridge says nothing that is not committed."""
        word = json.loads(payload)
        if word.get("conflict") is not None:
            self.seen["words of conflict"] += 1
        [(count, highest)] = self._rows(
            "ledger.db",
            f"SELECT count(*), coalesce(max(seq), 0) FROM ({_KNOWN}) WHERE seq <= ? AND epoch = ?",
            word["upto"],
            word["epoch"],
        ) or [(0, 0)]
        if count != word["upto"] or highest != word["upto"]:
            self.wrong.append(f"the bridge says {word['upto']}, its ledger has {count}")
        undecided = self._rows(
            "ledger.db",
            f"SELECT count(*) FROM ({_KNOWN}) WHERE seq <= ? AND epoch = ? AND decided_at IS NULL",
            word["posted"],
            word["epoch"],
        )
        if undecided and undecided[0][0]:
            self.wrong.append(f"the bridge says posted to {word['posted']}, and it is not")

    def _entries(self) -> list[tuple[str, int, str, str, str | None, str | None, str]]:
        return self._rows(
            "ledger.db",
            "SELECT stream.epoch, entry.seq, entry.id, entry.state, entry.code, entry.text,"
            " entry.body FROM entry JOIN stream ON stream.id = entry.stream ORDER BY number",
        )

    def complete(self) -> bool:
        """Whether everything on the gateway's disk is decided, and the gateway knows."""
        standing = self._rows("outbox.db", "SELECT upto, posted FROM stream")
        if not standing:
            return False
        [(last,)] = self._rows("outbox.db", "SELECT coalesce(max(seq), 0) FROM outbox")
        [(upto, posted)] = standing
        if self.behind():
            return False
        undecided = self._rows("ledger.db", "SELECT count(*) FROM entry WHERE decided_at IS NULL")
        return upto >= last and posted >= last and undecided == [(0,)]

    def behind(self) -> bool:
        """Whether the ledger has less than the gateway was told: it is older than that."""
        told = self._rows("outbox.db", "SELECT upto, epoch FROM stream")
        if not told or not told[0][0]:
            return False
        [(upto, epoch)] = told
        has = self._rows("ledger.db", "SELECT upto FROM stream WHERE epoch = ?", epoch)
        return not has or has[0][0] < upto

    def in_conflict(self) -> str | None:
        """Return the epoch of the gateway's store, if its stream is stopped by a conflict."""
        stopped = self._rows("outbox.db", "SELECT epoch FROM stream WHERE conflict IS NOT NULL")
        return str(stopped[0][0]) if stopped else None

    def open(self) -> str:
        """Say where things stand."""
        return (
            f"outbox {self._rows('outbox.db', 'SELECT max(seq) FROM outbox')}"
            f" {self._rows('outbox.db', 'SELECT upto, posted, conflict FROM stream')}"
            f" ledger {self._rows('ledger.db', 'SELECT upto, conflict FROM stream')}"
            f" {Counter(entry[3] for entry in self._entries())}"
            f" parked {self._rows('ledger.db', 'SELECT min(seq), count(*) FROM parked')}"
        )

    def audit(self, target: Target) -> None:
        """Check every invariant after the drain."""
        self.look()
        entries = self._entries()
        self._effects(entries, target)
        self._scans(entries)
        self._order(entries, target)
        self._rejections(entries)
        if target.most_in_flight > 1:
            self.wrong.append(f"{target.most_in_flight} deliveries in flight at one target")
        self.seen["rows booked"] += len(entries)
        self.seen["messages quarantined"] += len(self._rows("ledger.db", "SELECT 1 FROM poison"))
        self.close()

    def _effects(self, entries: list[Any], target: Target) -> None:
        """2 and 5: every entry that is not dead has one effect, and nothing else has any."""
        effects = Counter(str(effect.id) for effect in target.effects)
        for name, count in effects.items():
            if count > 1:
                self.wrong.append(f"{count} effects of {name}")
        alive = {entry[2] for entry in entries if entry[3] == "posted"}
        for name in alive - effects.keys():
            self.wrong.append(f"posted without an effect: {name}")
        for name in effects.keys() - alive:
            self.wrong.append(f"an effect of what is not posted: {name}")
        names = [entry[2] for entry in entries]
        if len(set(names)) != len(names):
            self.wrong.append("one transaction is in the ledger twice")

    def _scans(self, entries: list[Any]) -> None:
        """1 and 3: what got an OK is there, what got a not-OK is not, and nothing else is."""
        bodies = [entry[6] for entry in entries]
        self.seen["rows known under another number"] += len(
            self._rows("ledger.db", "SELECT 1 FROM repeat")
        )
        everything = "\n".join(bodies)
        for offer in self.offers:
            count = sum(offer.mark in body for body in bodies) if offer.mark in everything else 0
            if offer.verdict == "ok" and count == 0 and not offer.gone:
                self.wrong.append(f"lost: {offer}")
            if offer.verdict == "bad" and count and not offer.doubtful:
                self.wrong.append(f"refused, and booked: {offer}")
            if count > 1:
                self.wrong.append(f"booked {count} times: {offer}")
            if offer.verdict == "unknown" and count:
                self.seen["scans booked that no verdict was heard of"] += 1
        marks = {offer.mark for offer in self.offers}
        for body in bodies:
            if not any(mark in body for mark in marks):
                self.wrong.append(f"booked, and never scanned: {body}")

    def _order(self, entries: list[Any], target: Target) -> None:
        """4: ledger order is scan order, and ERP order is that of the document or gateway."""
        seqs: dict[str, list[int]] = {}
        for epoch, seq in self._rows("ledger.db", f"SELECT epoch, seq FROM ({_KNOWN}) ORDER BY 2"):
            seqs.setdefault(epoch, []).append(seq)
        for epoch, found in seqs.items():
            if found != list(range(1, len(found) + 1)):
                self.wrong.append(f"epoch {epoch} has {found}")
        place = {
            offer.mark: number
            for number, (*_, body) in enumerate(entries)
            for offer in self.offers
            if offer.mark in body
        }
        stopped = dict(self._rows("ledger.db", "SELECT epoch, conflict FROM stream"))
        for station in {offer.station for offer in self.offers}:
            places = [
                place[offer.mark]
                for offer in self.offers
                # What was written off with a card may still lie parked at the bridge, and be set
                # free by rows that the backup gave its missing numbers to. Where these overtook
                # the one that gave it away, they stand before it.
                if offer.station == station
                and offer.mark in place
                and not offer.gone
                and not _beyond(entries[place[offer.mark]], stopped)
            ]
            if places != sorted(places):
                self.wrong.append(f"scans of {station} are out of order")
        keys: dict[str, list[int]] = {}
        number = {entry[2]: at for at, entry in enumerate(entries)}
        for effect in target.effects:
            for key in effect.documents or (effect.gateway,):
                keys.setdefault(key, []).append(number[str(effect.id)])
        for key, numbers in keys.items():
            if any(b < a for a, b in itertools.pairwise(numbers)):
                self.wrong.append(f"bookings of {key} are out of order: {numbers}")

    def _rejections(self, entries: list[Any]) -> None:
        """6: a dead entry says why, and the gateway knows."""
        known = {seq for (seq,) in self._rows("outbox.db", "SELECT seq FROM rejected")}
        current = {epoch for (epoch,) in self._rows("outbox.db", "SELECT epoch FROM stream")}
        for epoch, seq, _, state, code, text, _ in entries:
            if state == "dead":
                self.seen["rows rejected"] += 1
                if not code or not text:
                    self.wrong.append(f"rejected without a reason: seq {seq}")
                if seq not in known and epoch in current:
                    self.wrong.append(f"the gateway does not know that seq {seq} was rejected")


def _beyond(entry: tuple[Any, ...], stopped: dict[str, int | None]) -> bool:
    """Whether an entry stands behind the row that stopped its stream."""
    epoch, seq, *_ = entry
    conflict = stopped.get(epoch)
    return conflict is not None and seq > conflict


def integrity(file: Path) -> str:
    """Return what SQLite says of a file: `ok`, or what is wrong."""
    with contextlib.closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as store:
        return str(store.execute("PRAGMA integrity_check").fetchone()[0])
