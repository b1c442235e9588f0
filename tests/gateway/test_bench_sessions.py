"""Where a station stands, through a restart."""

from pathlib import Path

from contract.codes.cards import command_card
from gateway.sessions import Session, Sessions
from gateway.stations import pass_through, receiving
from tests.gateway.rig import rigged, scan

EAN = "5901234123457"
MODULES = {"receiving": receiving, "pass_through": pass_through}


async def test_a_station_goes_on_where_it_stood(tmp_path: Path) -> None:
    async with rigged(tmp_path / "o.db") as rig:
        await rig.scan("OP:4711", "PO:1", "LOC:A-1", "QTY:5")
        stood = rig.bench.session
        assert stood.operator == "4711"
    async with rigged(tmp_path / "o.db") as rig:
        rig.bench.resume([], (await rig.outbox.sessions())["door-1"])
        assert rig.bench.session == stood
        await rig.scan(EAN)
        line = rig.stored()[-1].event.lines[0]  # type: ignore[union-attr]
        assert line.quantity.value == 5


async def test_a_station_says_ok_to_a_card_only_when_it_is_on_disk(tmp_path: Path) -> None:
    async with rigged(tmp_path / "o.db") as rig:
        await rig.scan("OP:4711")
        assert rig.told[-1].signal.kind == "ok"
        assert '"4711"' in (await rig.outbox.sessions())["door-1"]


async def test_what_changes_nothing_is_not_stored(tmp_path: Path) -> None:
    async with rigged(tmp_path / "o.db") as rig:
        await rig.bench.accept("scanner-1", [scan(command_card("ACK"))])
        assert await rig.outbox.sessions() == {}


def test_a_session_of_another_version_begins_anew_and_the_rest_is_kept() -> None:
    sessions = Sessions(MODULES)
    text = '{"job":"receiving","operator":"4711","states":{"receiving":{"bins":[1]},"packing":{}}}'
    read = sessions.read(text)
    assert (
        read is None or read.states == {} or isinstance(read.states["receiving"], receiving.State)
    )
    assert read is not None
    assert read.operator == "4711"


def test_a_session_that_is_no_session_is_none() -> None:
    sessions = Sessions(MODULES)
    for text in (
        "",
        "[]",
        "{",
        '{"job":"receiving"}',
        '{"job":"gone","operator":null,"states":{}}',
    ):
        assert sessions.read(text) is None


def test_every_state_comes_back_as_it_was() -> None:
    sessions = Sessions(MODULES)
    session = Session(
        "receiving",
        {"receiving": receiving.State(to_location="A-1"), "pass_through": pass_through.State()},
        "4711",
    )
    assert sessions.read(sessions.write(session)) == session
