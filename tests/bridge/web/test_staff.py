"""The users' file while the bridge runs: a change counts at once, a broken one not at all."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bridge.errors import LedgerFailed
from bridge.metrics import Metrics
from bridge.web import people
from bridge.web.callers import Caller
from bridge.web.doorbook import Doorbook
from bridge.web.people import Role, User
from bridge.web.staff import Staff
from runtime.passwords import Held, hashed
from tests.bridge.web.admin import PASSWORD, TRIFLING, USERS, Person, Site, site, write_users

VERA, OLGA, ANNA = (USERS[name] for name in ("vera", "olga", "anna"))
BEN = User(name="ben", role="viewer", password=hashed(PASSWORD, TRIFLING))


@pytest.fixture
async def admin(tmp_path: Path) -> AsyncIterator[Site]:
    async with site(tmp_path) as one:
        yield one


async def at_the_door(admin: Site) -> list[tuple[str, str, str]]:
    """Return who came and went, oldest first: who, what, and why or from where."""
    return [
        (row["who"], row["what"], row["detail"].get("why") or row["detail"].get("from", ""))
        for row in reversed(await admin.ledger.audit_trail())
        if row["what"].startswith("log")
    ]


def with_role(user: User, role: Role) -> User:
    return user.model_copy(update={"role": role})


async def out(one: Person) -> bool:
    await one.get("/unreadable")
    return one.at == "/login?to=/unreadable"


async def test_who_is_added_can_log_in_and_nobody_else_notices(admin: Site) -> None:
    async with admin.person("vera") as vera:
        write_users(admin.file, [*USERS.values(), BEN])
        async with admin.person("ben") as ben:
            assert not await out(ben)
        assert not await out(vera)
    noted = [row for row in await admin.ledger.audit_trail() if row["what"] == "users"]
    assert [row["detail"]["viewer"] for row in noted] == ["ben, vera", "vera"]


async def test_who_is_taken_out_is_out_at_the_next_click(admin: Site) -> None:
    async with admin.person("vera") as vera, admin.person("olga") as olga:
        write_users(admin.file, [VERA, ANNA])
        assert await out(olga)
        assert not await out(vera)
        await olga.log_in("olga")
        assert olga.status == 403
    why = "changed in the users' file, or taken out of it"
    assert ("olga", "log out", why) in await at_the_door(admin)


@pytest.mark.parametrize("role", ["viewer", "admin"])
async def test_who_has_another_role_logs_in_anew_and_has_it_then(admin: Site, role: Role) -> None:
    async with admin.person("olga") as olga, admin.person("anna") as anna:
        write_users(admin.file, [VERA, with_role(OLGA, role), ANNA])
        await olga.get("/dead-letters/all?what=retry")
        assert olga.at.startswith("/login?")
        await olga.log_in("olga")
        assert f"olga {role}" in await olga.get("/")
        await olga.get("/modes/switch?to=off")
        assert (olga.status == 200) == (role == "admin")
        assert not await out(anna)


async def test_a_new_password_ends_the_sessions_of_the_old_one(admin: Site) -> None:
    async with admin.person("olga") as olga:
        changed = OLGA.model_copy(update={"password": hashed("another long one", TRIFLING)})
        write_users(admin.file, [VERA, changed, ANNA])
        assert await out(olga)
        await olga.log_in("olga")
        assert olga.status == 403
        await olga.log_in("olga", "another long one")
        assert olga.status == 200


async def test_a_machine_with_a_cookie_is_out_as_well(admin: Site) -> None:
    async with admin.person("olga") as olga:
        await olga.get("/api/entries")
        assert olga.status == 200
        write_users(admin.file, [VERA])
        await olga.get("/api/entries")
        assert olga.status == 401


async def test_who_comes_back_as_before_does_not_find_the_old_session(admin: Site) -> None:
    async with admin.person("olga") as olga:
        write_users(admin.file, [VERA])
        assert admin.door is not None
        await admin.door.look()
        write_users(admin.file, [VERA, OLGA])
        assert await out(olga)


async def test_who_is_taken_out_while_the_password_is_tried_does_not_come_in(
    admin: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    opens = Held.opens

    def slowly(held: Held, password: str) -> bool:
        write_users(admin.file, [VERA])
        return opens(held, password)

    monkeypatch.setattr(Held, "opens", slowly)
    async with admin.person() as olga:
        await olga.log_in("olga")
        assert olga.status == 403
        assert await out(olga)


async def test_who_is_taken_out_while_the_log_in_is_written_down_is_out(
    admin: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    came = Doorbook.came

    async def meanwhile(book: Doorbook, user: User, caller: Caller) -> None:
        write_users(admin.file, [VERA])
        assert admin.door is not None
        await admin.door.look()  # as a request of somebody else does
        await came(book, user, caller)

    async with admin.person() as olga:
        with monkeypatch.context() as patch:
            patch.setattr(Doorbook, "came", meanwhile)
            await olga.log_in("olga")
        assert await out(olga)


BROKEN = {
    "no toml": ("[[user", "Expected"),
    "no role": ('[[user]]\nname = "ben"\n', "user.3.role: Field required (and 1 more)"),
    "twice": (
        '[[user]]\nname = "VERA"\nrole = "admin"\npassword = "{0}"\n',
        "a name stands there twice",
    ),
    "too long": ("# " + "x" * people.MOST_OCTETS, "more than 131072 bytes"),
}


@pytest.mark.parametrize(("more", "said"), BROKEN.values(), ids=BROKEN)
async def test_a_broken_file_keeps_who_was_there_and_is_said_so_everywhere(
    admin: Site, more: str, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with admin.person("vera") as vera, admin.person() as olga:
        write_users(admin.file, USERS.values(), more.replace("{0}", VERA.password))
        seen = await vera.get("/")
        assert f"users: users.toml: {said}" in seen
        assert "Who could log in before still can." in seen
        assert VERA.password not in seen
        await olga.log_in("olga")
        assert olga.status == 200
        for _ in range(3):
            await olga.get("/metrics")
        assert "scanpost_bridge_users_refused_total 1.0" in olga.page
        assert 'scanpost_bridge_alert{code="users"} 1.0' in olga.page
        assert [r.getMessage() for r in caplog.records].count("users' file is refused") == 1
        write_users(admin.file, [VERA, BEN])
        assert "users:" not in await vera.get("/")
        assert await out(olga)


async def test_a_file_that_is_open_to_others_or_gone_keeps_who_was_there(admin: Site) -> None:
    async with admin.person("vera") as vera:
        admin.file.chmod(0o644)
        assert "others may read or write it: chmod 0600" in await vera.get("/")
        admin.file.chmod(0o600)
        assert "users:" not in await vera.get("/")
        text = admin.file.read_bytes()
        admin.file.unlink()
        assert "users.toml: No such file" in await vera.get("/")
        admin.file.touch(0o600)
        admin.file.write_bytes(text)
        assert "users:" not in await vera.get("/")


async def test_an_empty_file_lets_nobody_in_and_opens_nothing(admin: Site) -> None:
    async with admin.person("anna") as anna:
        write_users(admin.file, [])
        assert "Nobody can log in yet" in await anna.get("/")
        await anna.get("/api/entries")
        assert anna.status == 401
        await anna.post("/api/entries/1/retry")
        assert anna.status == 404
        write_users(admin.file, [ANNA])
        await anna.get("/login")
        await anna.log_in("anna")
        assert (anna.status, anna.at) == (200, "/")


async def test_a_file_that_is_being_written_is_left_until_it_is_still(tmp_path: Path) -> None:
    file = tmp_path / "users.toml"
    write_users(file, USERS.values())
    whole = people.read(file)
    seen = iter(
        [
            people.Written(whole.mode, b""),  # an editor has emptied it
            people.Written(whole.mode, whole.octets[: len(whole.octets) // 3]),
            whole,
            whole,
        ]
    )
    held: list[object] = []

    async def note(names: object) -> None:
        held.append(names)

    staff = Staff(file, {}, note, Metrics())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(people, "read", lambda _: next(seen))
        await staff.look()
    assert set(staff.users) == set(USERS)
    assert held == [{"admin": "anna", "operator": "olga", "viewer": "vera"}]
    assert next(seen, None) is None


async def test_who_is_out_is_out_even_where_the_ledger_cannot_note_it(tmp_path: Path) -> None:
    file = tmp_path / "users.toml"
    write_users(file, [VERA])
    fails, held = [True], []

    async def note(names: object) -> None:
        if fails[0]:
            raise LedgerFailed("the disk is full")
        held.append(names)

    staff = Staff(file, USERS, note, Metrics())
    await staff.look()
    assert set(staff.users) == {"vera"}
    fails[0] = False
    for _ in range(2):
        await staff.write_down()
    assert held == [{"admin": "nobody", "operator": "nobody", "viewer": "vera"}]


async def test_many_looks_at_once_are_one_change(admin: Site) -> None:
    async with admin.person("vera") as vera, admin.person("olga") as olga:
        write_users(admin.file, [VERA])
        await asyncio.gather(*(one.get("/unreadable") for one in [vera, *[olga] * 8]))
        assert olga.at == "/login?to=/unreadable"
    ended = [row for row in await at_the_door(admin) if row[1] == "log out"]
    assert [row[0] for row in ended] == ["olga"]
