import asyncio
import contextlib
import csv
import doctest
import io
import json
import os
import random
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import asyncssh
import pytest
from pydantic import ValidationError

from bridge.connectors.files import COLUMNS, Config, connect, document
from bridge.connectors.files import records as records_module
from bridge.connectors.files import target as target_module
from bridge.connectors.files.index import Index
from bridge.connectors.files.target import Files
from bridge.database import DatabaseTaken
from bridge.outcome import Outcome, Posted, TryLater, Unknown
from contract.canonical import canonical
from contract.envelope import plain
from contract.transactions import Adjustment, Event, Package, Receipt, Shipment, Transaction
from tests.bridge.connectors.suite import ConnectorSuite, Stage
from tests.bridge.goods import WEIGHT, clerk, event_of
from tests.bridge.streams import lines, receipt, transaction
from tests.fakes.vendor import Faults


def config_of(folder: Path, **more: Any) -> Config:
    return Config.model_validate({"connector": "files", "folder": folder, **more})


def texts(folder: Path) -> list[str]:
    """What is in every file, and in what is not finished yet."""
    while True:
        paths = _paths(folder)
        with contextlib.suppress(FileNotFoundError):
            found = [path.read_bytes().decode() for path in paths]
            if _paths(folder) == paths:
                return found  # else one was finished meanwhile, by a thread of its own


def _paths(folder: Path) -> list[Path]:
    return sorted(folder.glob("scanpost-*")) + sorted((folder / ".scanpost").glob("*.part"))


class TestOfJsonLines(ConnectorSuite):
    name = "files"
    many = 40

    def config(self, url: str, folder: Path) -> Config:
        return config_of(folder)

    @contextlib.asynccontextmanager
    async def serving(self, folder: Path, faults: Faults) -> AsyncIterator[Stage]:
        def kept() -> list[Transaction]:
            found = [line for text in texts(folder) for line in text.splitlines()]
            return [Transaction.model_validate_json(line) for line in found]

        yield Stage(
            self.config("", folder),
            lambda: Counter(str(each.id) for each in kept()),
            lambda: clerk(sorted(kept(), key=lambda each: each.seq)),
        )

    def event(self, kind: str, rng: random.Random) -> Event:
        return event_of(kind, rng)

    def expected(self, given: Sequence[Transaction]) -> Mapping[str, Any]:
        return clerk(given)


class TestOfCsvOnASchedule(TestOfJsonLines):
    """Read by the rows alone, as whoever gets the files must."""

    def config(self, url: str, folder: Path) -> Config:
        return config_of(folder, format="csv", close_after=1)

    @contextlib.asynccontextmanager
    async def serving(self, folder: Path, faults: Faults) -> AsyncIterator[Stage]:
        def rows() -> Iterator[dict[str, str]]:
            for text in texts(folder):
                yield from csv.DictReader(io.StringIO(text, newline=""))

        def effects() -> Counter[str]:
            return Counter(row["id"] for row in rows() if row["row"] == "1")

        def totals() -> Mapping[str, Decimal]:
            hand: dict[str, Decimal] = defaultdict(Decimal)
            for row in sorted(rows(), key=lambda row: int(row["seq"])):
                for place, sign in ways(row):
                    name, quantity = f"{row['sku']} at {place}", Decimal(row["quantity"])
                    hand[name] = quantity if sign == 0 else hand[name] + sign * quantity
            return {name: quantity for name, quantity in hand.items() if quantity}

        yield Stage(self.config("", folder), effects, totals)


def ways(row: Mapping[str, str]) -> Iterator[tuple[str, int]]:
    """Yield where a row counts, and with which sign; 0 is what was found."""
    source, goal, place = row["from_location"], row["to_location"], row["location"]
    match row["type"], row["role"]:
        case "receipt", _:
            yield goal or "RECEIVING", 1
        case "return", _:
            yield goal or "RETURNS", 1
        case (("putaway" | "transfer"), _):
            yield source or "RECEIVING", -1
            yield goal, 1
        case "pick", _:
            yield source or "STORAGE", -1
            yield goal or "STAGING", 1
        case "shipment", "line":
            yield source or "STAGING", -1
        case "adjustment", _:
            yield place or "STORAGE", 1 if row["direction"] == "increase" else -1
        case "assembly", "consumed":
            yield place or "STORAGE", -1
        case "assembly", "produced":
            yield place or "STORAGE", 1
        case "count", _:
            yield place, 0


# --- What stands in a file ---


def rows_of(event: Event, tmp_path: Path, **more: Any) -> list[dict[str, str]]:
    text = document(transaction(1, event), config_of(tmp_path, format="csv", **more)).text
    rows = list(csv.reader(io.StringIO(text, newline="")))
    assert all(len(row) == len(COLUMNS) for row in rows)
    return [dict(zip(COLUMNS, row, strict=True)) for row in rows]


def test_a_line_of_json_is_the_transaction(tmp_path: Path) -> None:
    record = document(transaction(1), config_of(tmp_path))
    assert record.text == canonical(plain(transaction(1))) + "\n"


def test_a_row_of_csv_is_a_line_and_the_weight_stands_once(tmp_path: Path) -> None:
    event = Receipt(lines=lines() + lines("NUT-8", "2.50", lot="L1"), weight=WEIGHT)
    first, second = rows_of(event, tmp_path)
    assert (first["sku"], first["quantity"], first["weight"]) == ("BOLT-8", "2", "1.500")
    assert (second["sku"], second["quantity"], second["lot"]) == ("NUT-8", "2.50", "L1")
    assert (second["row"], second["weight"]) == ("2", "")


def test_parcels_have_rows_of_their_own(tmp_path: Path) -> None:
    parcels = (Package(tracking="1Z", weight=WEIGHT), Package(sscc="340123450000000017"))
    roles = [
        (row["role"], row["tracking"], row["sscc"], row["weight"])
        for row in rows_of(Shipment(packages=parcels, lines=lines()), tmp_path)
    ]
    assert roles == [
        ("line", "", "", ""),
        ("parcel", "1Z", "", "1.500"),
        ("parcel", "", "340123450000000017", ""),
    ]


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@A", "\t=1", "\uff1d1"])
def test_what_a_spreadsheet_would_run_is_text(text: str, tmp_path: Path) -> None:
    [row] = rows_of(receipt(text), tmp_path)
    assert row["document"] == f"'{text}"
    [row] = rows_of(receipt(text), tmp_path, guard_formulas=False)
    assert row["document"] == text


# --- Once, whenever the power goes ---


class PowerCut(Exception):
    """Raised where everything stops."""


def cut(
    monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, *, after: bool, skip: int = 0
) -> None:
    """Let the power go before or after a call of a function, and be back for the one after."""
    whole: Callable[..., Any] = getattr(owner, name)
    left = [skip + 1]

    def struck() -> bool:
        left[0] -= 1
        return left[0] == 0

    def plainly(*args: Any, **more: Any) -> Any:
        now = struck()
        if now and not after:
            raise PowerCut
        done = whole(*args, **more)
        if now:
            raise PowerCut
        return done

    async def awaited(*args: Any, **more: Any) -> Any:
        now = struck()
        if now and not after:
            raise PowerCut
        done = await whole(*args, **more)
        if now:
            raise PowerCut
        return done

    monkeypatch.setattr(owner, name, awaited if asyncio.iscoroutinefunction(whole) else plainly)


STEPS = [
    (target_module, "_append"),
    (Index, "book"),
    (Path, "replace"),
    (Index, "move"),
]


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("step", STEPS, ids=lambda step: step[1])
async def test_a_power_cut_anywhere_leaves_once_though_files_are_fetched_at_once(
    step: tuple[Any, str], after: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever fetches takes a file away the moment it is there."""
    # The task that tends files would finish, beside the cut, what was cut
    monkeypatch.setattr(Files, "keep_tending", _never)
    fetched: list[str] = []

    def fetch() -> None:
        for path in tmp_path.glob("scanpost-*"):
            fetched.append(path.read_text())
            path.unlink()

    config = config_of(tmp_path)
    async with connect(config) as connector:
        await connector.deliver(transaction(1), again=False)
        fetch()
        with monkeypatch.context() as patch:
            cut(patch, *step, after=after)
            with pytest.raises(PowerCut):
                await connector.deliver(transaction(2), again=False)
        fetch()
    for _ in range(2):
        async with connect(config) as connector:
            for seq in (2, 3, 1):
                assert isinstance(await connector.deliver(transaction(seq), again=True), Posted)
                fetch()
    seqs = [json.loads(text)["seq"] for text in fetched]
    assert sorted(seqs) == [1, 2, 3]
    assert not list((tmp_path / ".scanpost").glob("*.part"))


async def _never(_files: Files) -> None:
    await asyncio.Event().wait()


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("step", STEPS[:2], ids=lambda step: step[1])
async def test_a_power_cut_in_a_file_of_many_leaves_each_once(
    step: tuple[Any, str], after: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = config_of(tmp_path, format="csv", close_after=1_000)
    async with connect(config) as connector:
        await connector.deliver(transaction(1), again=False)
        with monkeypatch.context() as patch:
            cut(patch, *step, after=after)
            with pytest.raises(PowerCut):
                await connector.deliver(transaction(2), again=False)
    async with connect(config) as connector:
        for seq in (3, 2, 1):
            assert isinstance(await connector.deliver(transaction(seq), again=True), Posted)
    [text] = texts(tmp_path)
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert sorted(int(row["seq"]) for row in rows) == [1, 2, 3]


async def test_half_a_line_from_a_power_cut_is_cut_off(tmp_path: Path) -> None:
    config = config_of(tmp_path, close_after=1_000)
    async with connect(config) as connector:
        await connector.deliver(transaction(1), again=False)
    [part] = (tmp_path / ".scanpost").glob("*.part")
    with part.open("ab") as file:
        file.write(b'{"half a li')
    async with connect(config) as connector:
        await connector.deliver(transaction(2), again=False)
    [text] = texts(tmp_path)
    assert [json.loads(line)["seq"] for line in text.splitlines()] == [1, 2]


async def test_a_file_is_finished_when_its_time_has_come_though_nothing_more_is_written(
    tmp_path: Path,
) -> None:
    async with connect(config_of(tmp_path, close_after=1)) as connector:
        await connector.deliver(transaction(1), again=False)
        async with asyncio.timeout(60):
            while not list(tmp_path.glob("scanpost-*")):
                await asyncio.sleep(0.05)  # the folder is all there is to look at
        assert not list((tmp_path / ".scanpost").glob("*.part"))
        outcome = await connector.deliver(transaction(1), again=True)
        assert isinstance(outcome, Posted)
        assert (tmp_path / outcome.document).exists()


async def test_names_sort_in_the_order_of_writing(tmp_path: Path) -> None:
    async with connect(config_of(tmp_path)) as connector:
        made = [await connector.deliver(transaction(n), again=False) for n in range(12, 0, -1)]
    names = [outcome.document for outcome in made if isinstance(outcome, Posted)]
    assert names == sorted(names)
    assert names == sorted(path.name for path in tmp_path.glob("scanpost-*"))
    assert os.stat(tmp_path / names[0]).st_mode & 0o777 == 0o640


async def test_a_second_writer_is_kept_out(tmp_path: Path) -> None:
    async with connect(config_of(tmp_path)):
        with pytest.raises(DatabaseTaken):
            async with connect(config_of(tmp_path)):
                pass


async def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="nowhere"):
        async with connect(config_of(tmp_path / "nowhere")):
            pass


async def test_a_full_disk_is_tried_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    async with connect(config_of(tmp_path)) as connector:
        with monkeypatch.context() as patch:
            patch.setattr(target_module, "_append", full)
            outcome = await connector.deliver(transaction(1), again=False)
            assert outcome == TryLater("OSError: [Errno 28] No space left on device")
        assert isinstance(await connector.deliver(transaction(1), again=False), Posted)
    assert len(texts(tmp_path)) == 1


# --- SFTP ---

PASSWORD = "pa55 of the server"


class Server(asyncssh.SSHServer):
    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        return (username, password) == ("wms", PASSWORD)


class Sftp:
    """An SFTP server on loopback, with asyncssh's own server side."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "server"
        self.home = folder
        self.port = 0
        self.sessions = 0

    @contextlib.asynccontextmanager
    async def serving(self, *, port: int = 0) -> AsyncIterator["Sftp"]:
        self.folder.mkdir(exist_ok=True)
        path = self.home / "host_key"
        if not path.exists():
            asyncssh.generate_private_key("ssh-ed25519").write_private_key(str(path))

        def session(channel: asyncssh.SSHServerChannel[bytes]) -> asyncssh.SFTPServer:
            self.sessions += 1
            return asyncssh.SFTPServer(channel, chroot=str(self.folder).encode())

        acceptor = await asyncssh.listen(
            "127.0.0.1",
            port,
            server_factory=Server,
            server_host_keys=[str(path)],
            sftp_factory=session,
        )
        self.port = acceptor.get_port()
        public = asyncssh.read_private_key(str(path)).export_public_key().decode()
        known = f"[127.0.0.1]:{self.port} {public}"
        (self.home / "known_hosts").write_text(known)
        (self.home / "password").write_text(PASSWORD)
        async with acceptor:
            yield self

    def config(self, folder: Path, **more: Any) -> Config:
        folder.mkdir(exist_ok=True)
        sftp = {
            "host": "127.0.0.1",
            "port": self.port,
            "user": "wms",
            "folder": "/in",
            "known_hosts": self.home / "known_hosts",
            "password_file": self.home / "password",
            "timeout": 60,
        }
        return config_of(folder, sftp=sftp | more)


async def sent(config: Config, *seqs: int) -> list[Outcome]:
    async with connect(config) as connector:
        return [await connector.deliver(transaction(seq), again=False) for seq in seqs]


async def test_a_file_is_brought_to_the_server_whole_and_once(tmp_path: Path) -> None:
    async with Sftp(tmp_path).serving() as server:
        (server.folder / "in").mkdir()
        outcomes = await sent(server.config(tmp_path / "own"), 1, 2, 1)
        assert all(isinstance(outcome, Posted) for outcome in outcomes)
        assert outcomes[0] == outcomes[2]
        found = [path.read_text() for path in sorted((server.folder / "in").iterdir())]
    assert [json.loads(text)["seq"] for text in found] == [1, 2]
    assert not list((tmp_path / "own" / ".scanpost").glob("*.part"))


async def test_what_could_not_be_brought_is_brought_when_the_server_is_back(
    tmp_path: Path,
) -> None:
    async with Sftp(tmp_path).serving() as server:
        (server.folder / "in").mkdir()
        config = server.config(tmp_path / "own")
    async with connect(config) as connector:
        assert isinstance(await connector.deliver(transaction(1), again=False), Unknown)
        async with Sftp(tmp_path).serving(port=server.port):
            assert isinstance(await connector.deliver(transaction(1), again=True), Posted)
    assert len(list((server.folder / "in").iterdir())) == 1


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
async def test_a_file_fetched_from_the_server_before_we_knew_is_not_brought_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: bool
) -> None:
    async with Sftp(tmp_path).serving() as server:
        inbox = server.folder / "in"
        inbox.mkdir()
        config = server.config(tmp_path / "own")
        monkeypatch.setattr(Files, "keep_tending", _never)
        fetched = 0
        for skip in (0, 1):  # `move` to "brought", and to "there"
            async with connect(config) as connector:
                with monkeypatch.context() as patch:
                    cut(patch, Index, "move", after=after, skip=skip)
                    with pytest.raises(PowerCut):
                        await connector.deliver(transaction(skip + 1), again=False)
            for path in inbox.glob("scanpost-*"):
                fetched += 1
                path.unlink()
        for _ in range(2):
            await sent(config, 1, 2)
        assert fetched + len(list(inbox.glob("scanpost-*"))) == 2
        assert not list(inbox.glob(".*"))


@pytest.mark.parametrize("wrong", ["password", "known_hosts"])
async def test_a_stranger_gets_nothing_and_the_password_is_not_shown(
    tmp_path: Path, wrong: str
) -> None:
    async with Sftp(tmp_path).serving() as server:
        (server.folder / "in").mkdir()
        if wrong == "password":
            (tmp_path / "password").write_text("wrong pa55")
        else:
            other = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()
            (tmp_path / "known_hosts").write_text(f"[127.0.0.1]:{server.port} {other}")
        [outcome] = await sent(server.config(tmp_path / "own"), 1)
        assert isinstance(outcome, Unknown)
        assert "pa55" not in outcome.why
        assert server.sessions == 0


def test_sftp_needs_to_know_the_server_and_itself(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="known_hosts"):
        config_of(tmp_path, sftp={"host": "h", "user": "u", "key_file": "k"})
    with pytest.raises(ValidationError, match="key_file"):
        config_of(tmp_path, sftp={"host": "h", "user": "u", "known_hosts": "k"})


def test_what_the_docstrings_show_is_true() -> None:
    assert doctest.testmod(records_module).failed == 0


def test_an_adjustment_says_which_way(tmp_path: Path) -> None:
    [row] = rows_of(Adjustment(lines=lines(), direction="decrease", reason="lost"), tmp_path)
    assert (row["direction"], row["reason"], row["quantity"]) == ("decrease", "lost", "2")
