"""Who gets in, who does not, and that nothing is done which nobody meant."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest

from bridge.web import door, sessions
from bridge.web.routes import MENU, ROUTES
from bridge.web.tries import FREE
from bridge.web.visit import Route
from tests.bridge.streams import EPOCH, run_of
from tests.bridge.web.admin import NAMES, PASSWORD, Site, site


class Seconds:
    """A clock that a test moves."""

    now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def seconds() -> Seconds:
    return Seconds()


@pytest.fixture
async def admin(tmp_path: Path, seconds: Seconds) -> AsyncIterator[Site]:
    async with site(tmp_path, now=seconds) as one:
        await one.ledger.apply(run_of(1, 3))
        yield one


LETS_IN = {
    "viewer": {"vera", "olga", "anna"},
    "operator": {"olga", "anna"},
    "admin": {"anna"},
}


def _path(route: Route) -> str:
    path = route.path.replace("{number:[0-9]{1,18}}", "1")
    return path.format(gateway="dock-1", epoch=EPOCH)


async def test_every_door_is_shut_to_who_is_not_logged_in(admin: Site) -> None:
    async with admin.person() as nobody:
        for route in ROUTES:
            await (nobody.get if route.method == "GET" else nobody.post)(_path(route))
            assert (nobody.status, nobody.at.partition("?")[0]) == (200, "/login"), route
            assert 'name="password"' in nobody.page
    assert await admin.decided() == []


@pytest.mark.parametrize("name", NAMES)
async def test_every_door_opens_to_its_role_and_to_no_lesser_one(admin: Site, name: str) -> None:
    async with admin.person(name) as one:
        for route in ROUTES:
            await one.get("/unreadable")  # its form to log out has the token
            before = await admin.decided()
            seen = await (one.get if route.method == "GET" else one.post)(_path(route))
            refused = one.status == 403
            assert refused == (name not in LETS_IN[route.role]), (route, seen)
            if refused:
                assert f"one must be {route.role}" in seen
                assert await admin.decided() == before


def test_what_changes_something_is_open_to_these_and_nobody_else() -> None:
    of_modes_and_streams = ("/modes", "/streams", "/entries/{number:[0-9]{1,18}}/replay")
    for route in ROUTES:
        if route.method == "POST":
            wanted = "admin" if route.path.startswith(of_modes_and_streams) else "operator"
            assert route.role == wanted, route.path
    assert {path for path, _ in MENU} <= {route.path for route in ROUTES if route.method == "GET"}


async def test_who_logs_in_comes_to_the_page_that_was_asked_for(admin: Site) -> None:
    async with admin.person() as vera:
        await vera.get("/entries?text=PO-1&type=receipt")
        assert vera.at.startswith("/login?to=")
        await vera.log_in("Vera", to="/entries?text=PO-1&type=receipt")
        assert vera.at == "/entries?text=PO-1&type=receipt"
        for elsewhere in ("//evil.example", "https://evil.example", "/\\evil.example", "x"):
            await vera.log_in("vera", to=elsewhere)
            assert vera.at == "/", elsewhere


async def test_the_cookie_is_for_this_site_and_no_script(admin: Site) -> None:
    async with admin.person() as vera:
        form = {"name": "vera", "password": PASSWORD}
        async with vera.session.post(
            f"{vera.url}/login", data=form, headers={"Origin": vera.url}, allow_redirects=False
        ) as reply:
            [cookie] = reply.headers.getall("Set-Cookie")
    assert cookie.startswith("scanpost=")
    assert {"HttpOnly", "Path=/", "SameSite=Strict"} == set(cookie.split("; ")[1:])


async def test_behind_a_trusted_proxy_the_cookie_is_for_https_alone(tmp_path: Path) -> None:
    table = '[web]\nproxies = ["127.0.0.1"]\nhosts = ["bridge.example"]\n'
    https = {"Host": "bridge.example", "X-Forwarded-Proto": "https"}
    async with site(tmp_path, table) as admin, admin.person() as vera:
        form = {"name": "vera", "password": PASSWORD}
        async with vera.session.post(
            f"{vera.url}/login",
            data=form,
            headers={"Origin": "https://bridge.example", **https},
            allow_redirects=False,
        ) as reply:
            assert reply.status == 303
            [cookie] = reply.headers.getall("Set-Cookie")
        assert cookie.startswith("__Host-scanpost=")
        assert "Secure" in cookie
        token = cookie.partition(";")[0]
        await vera.get("/", Cookie=token, **https)
        assert vera.at == "/"
        await vera.get("/", Cookie=token, Host="bridge.example")
        assert vera.at == "/login?to=/"


async def test_a_wrong_password_and_a_wrong_name_are_answered_alike(admin: Site) -> None:
    async with admin.person() as somebody:
        wrong = await somebody.log_in("vera", "wrong")
        assert somebody.status == 403
        assert await somebody.log_in("nobody-there", "wrong") == wrong
        assert "Name or password is wrong." in wrong


async def test_who_tries_too_often_waits_longer_and_longer(admin: Site, seconds: Seconds) -> None:
    async with admin.person() as somebody:
        for _ in range(FREE):
            await somebody.log_in("vera", "wrong")
            assert somebody.status == 403
        for wait in (1, 2, 4):
            seen = await somebody.log_in("vera", PASSWORD)
            assert (somebody.status, somebody.headers["Retry-After"]) == (429, str(wait))
            assert f"Try again in {wait} s" in seen
            seconds.now += wait
            await somebody.log_in("vera", "wrong")
            assert somebody.status == 403
        seconds.now += 8
        await somebody.log_in("vera")
        assert (somebody.status, somebody.at) == (200, "/")


async def test_a_hundred_tries_at_once_are_not_a_hundred_free_ones(admin: Site) -> None:
    async with admin.person() as somebody:

        async def one() -> int:
            form = {"name": "vera", "password": "wrong"}
            async with somebody.session.post(
                f"{somebody.url}/login", data=form, headers={"Origin": somebody.url}
            ) as reply:
                return reply.status

        found = await asyncio.gather(*(one() for _ in range(100)))
    assert set(found) == {403, 429}
    assert found.count(403) <= FREE


async def test_a_session_ends_when_nobody_clicks_and_a_page_that_asks_by_itself_is_nobody(
    admin: Site, seconds: Seconds
) -> None:
    async with admin.person("vera") as vera:
        for _ in range(4):
            seconds.now += 20 * 60
            await vera.get("/")
            assert vera.at == "/"
        for _ in range(2):
            seconds.now += 14 * 60
            await vera.get("/", **{"X-Live": "1"})
            assert vera.at == "/"
        seconds.now += 3 * 60
        await vera.get("/", **{"X-Live": "1"})
        assert vera.at == "/login?to=/"


async def test_a_session_ends_after_its_hours_however_busy(admin: Site, seconds: Seconds) -> None:
    async with admin.person("vera") as vera:
        for _ in range(20):
            seconds.now += 29 * 60
            await vera.get("/unreadable")
            assert vera.at == "/unreadable"
        seconds.now += 21 * 60
        await vera.get("/unreadable")
        assert vera.at == "/login?to=/unreadable"


async def test_logging_out_ends_the_session_and_not_only_the_cookie(admin: Site) -> None:
    async with admin.person("vera") as vera:
        await vera.get("/")
        [cookie] = [f"{one.key}={one.value}" for one in vera.session.cookie_jar]
        await vera.post("/logout", headers={"Origin": "http://evil.example"})
        assert vera.status == 403
        await vera.get("/")
        await vera.post("/logout")
        assert vera.at == "/login"
        assert not list(vera.session.cookie_jar)
        await vera.get("/", Cookie=cookie)
        assert vera.at == "/login?to=/"


async def test_a_login_is_never_one_that_was_there_before(admin: Site) -> None:
    async with admin.person() as vera:
        vera.session.cookie_jar.update_cookies({"scanpost": "planted"})
        await vera.get("/")
        assert vera.at == "/login?to=/"
        await vera.log_in("vera")
        assert vera.at == "/"
        assert {one.value for one in vera.session.cookie_jar} - {"planted"}


FORGED = {
    "of another site": {"Origin": "http://evil.example"},
    "of no site": {"Origin": "null"},
    "of another scheme": {"Origin": "https://127.0.0.1"},
}


@pytest.mark.parametrize("headers", FORGED.values(), ids=FORGED)
async def test_a_form_of_elsewhere_does_nothing(admin: Site, headers: dict[str, str]) -> None:
    async with admin.person("olga") as olga:
        await olga.get("/entries/1")
        seen = await olga.post("/entries/1/discard", headers=headers, why="forged")
        assert olga.status == 403
        assert "did not come from a page of" in seen
        await olga.post("/login", headers=headers, name="olga", password=PASSWORD)
        assert olga.status == 403
    assert await admin.decided() == []


async def test_a_form_without_the_session_s_own_token_does_nothing(admin: Site) -> None:
    async with admin.person("olga") as olga, admin.person("anna") as anna:
        await anna.get("/entries/1")
        other = anna.page.partition('name="csrf" value="')[2].partition('"')[0]
        for token in (
            "",
            "wrong",
            other,
            "\ud800".encode("utf-8", "surrogatepass").decode("latin"),
        ):
            seen = await olga.post("/entries/1/discard", csrf=token, why="forged")
            assert (olga.status, "of an earlier login" in seen) == (403, True)
    assert await admin.decided() == []


async def test_no_request_but_a_form_changes_anything(admin: Site) -> None:
    async with admin.person("olga") as olga:
        await olga.get("/entries/1")
        headers = {"Origin": olga.url}
        async with olga.session.post(
            f"{olga.url}/entries/1/discard", json={"why": "x"}, headers=headers
        ) as reply:
            assert reply.status == 415
        async with olga.session.post(
            f"{olga.url}/entries/1/discard", data={"why": "x" * 400_000}, headers=headers
        ) as reply:
            assert reply.status == 413
        async with olga.session.get(f"{olga.url}/entries/1/discard?why=x") as reply:
            assert reply.status == 405
    assert await admin.decided() == []


async def test_a_foreign_name_is_refused_whoever_asks(admin: Site) -> None:
    async with admin.person("vera") as vera:
        for host in ("evil.example", "127.0.0.1.evil.example", "10.0.0.1", "localhost.evil"):
            for path in ("/", "/login", "/healthz", "/static/style.css"):
                await vera.get(path, Host=host)
                assert vera.status == 403, (host, path)
        await vera.get("/", Host="localhost:8481")
        assert vera.status == 200


async def test_seen_from_other_machines_it_goes_by_addresses_and_its_own_names(
    tmp_path: Path,
) -> None:
    table = '[web]\nlisten = "0.0.0.0:0"\nhosts = ["Bridge.example"]\n'
    async with site(tmp_path, table) as admin, admin.person() as somebody:
        for host, status in (
            ("192.0.2.7:8481", 200),
            ("bridge.example", 200),
            ("bridge", 403),
            ("evil.example", 403),
        ):
            seen = await somebody.get("/login", Host=host)
            assert somebody.status == status, host
            assert ("This connection is not encrypted" in seen) == (status == 200)
        await somebody.get("/metrics", Host="bridge")  # as a monitor in the same network does
        assert somebody.status == 200


async def test_sessions_are_bounded_and_the_idlest_goes(
    admin: Site, seconds: Seconds, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "MOST_SESSIONS", 2)
    async with admin.person("vera") as vera, admin.person("olga") as olga:
        seconds.now += 1
        await vera.get("/")
        async with admin.person("anna") as anna:
            for one, there in ((vera, True), (anna, True), (olga, False)):
                await one.get("/")
                assert (one.at == "/") == there


async def test_too_many_who_wait_to_log_in_are_sent_away(
    admin: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door, "MOST_WAITING", 0)
    async with admin.person() as vera:
        await vera.log_in("vera")
        assert vera.status == 429


async def test_a_machine_asks_what_is_in_the_ledger_only_with_a_login(admin: Site) -> None:
    async with admin.person() as nobody, admin.person("vera") as vera:
        for path in ("/healthz", "/metrics"):
            await nobody.get(path)
            assert nobody.status in {200, 503}
            assert "scanpost" in nobody.page or "reasons" in nobody.page
        for path in ("/api/status", "/api/entries"):
            await nobody.get(path)
            assert nobody.status == 401
            await vera.get(path)
            assert vera.status == 200
        for path in ("/api/entries/1/retry", f"/api/streams/dock-1/{uuid4()}/forgive"):
            async with vera.session.post(vera.url + path, json={}) as reply:
                assert reply.status == 404


async def test_without_users_the_page_says_how_to_make_one(tmp_path: Path) -> None:
    async with site(tmp_path, users={}) as admin, admin.person() as somebody:
        seen = await somebody.get("/")
        assert "scanpost bridge hash-password" in seen
        await somebody.get("/entries")
        assert somebody.status == 404
        await somebody.get("/api/entries")
        assert somebody.status == 200


async def test_every_answer_forbids_what_is_not_ours(admin: Site) -> None:
    async with admin.person("vera") as vera:
        for path in ("/", "/login", "/static/live.js", "/healthz", "/entries/99", "/nowhere"):
            await vera.get(path)
            policy = vera.headers["Content-Security-Policy"]
            assert "default-src 'none'" in policy, path
            assert "unsafe" not in policy
            assert vera.headers["X-Content-Type-Options"] == "nosniff"
            assert vera.headers["Referrer-Policy"] == "same-origin"
        await vera.get("/static/nothing.js")
        assert vera.status == 404


async def test_what_a_person_does_is_written_down_under_the_name_of_the_login(admin: Site) -> None:
    async with admin.person("olga") as olga:
        await olga.get("/entries/1")
        await olga.post("/entries/1/discard", why="a test", who="anna")
    [deed] = await admin.decided()
    assert (deed["who"], deed["detail"]["why"]) == ("olga", "a test")
