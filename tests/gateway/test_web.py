"""The gateway's pages: what a screen, a monitor and a person with curl get."""

import asyncio
import contextlib
import json
import re
import socket
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from importlib.resources import files
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from contract.envelope import Ack, Rejected
from contract.topics import Topics
from drivers.kit.readings import Weight
from gateway.devices import Supervisor
from gateway.forwarder import Forwarder
from gateway.health import Health
from gateway.web.server import Server, serve
from runtime.mqtt import Broker
from tests.gateway.rig import Rig, gateway, rigged
from tests.mosquitto import free_port

EAN = "5901234123457"
CEILING = 20.0
HOSTILE = '<script>alert(1)</script>"\u2028\n\x1b'


class Site:
    """A rig with its pages, and a browser to read them with."""

    def __init__(self, rig: Rig, health: Health, url: str, http: aiohttp.ClientSession) -> None:
        self.rig = rig
        self.health = health
        self.url = url
        self.http = http

    async def get(self, path: str, status: int = 200) -> aiohttp.ClientResponse:
        async with self.http.get(self.url + path) as response:
            assert response.status == status, await response.text()
            await response.read()
            return response

    async def post(
        self, path: str, body: str, headers: dict[str, str] | None = None
    ) -> tuple[int, str]:
        """Return the status, and what was answered where that was taken."""
        sent = {"Content-Type": "application/json", **(headers or {})}
        async with self.http.post(self.url + path, data=body, headers=sent) as response:
            text = await response.text()
            return response.status, text if response.status < 300 else ""

    async def json(self, path: str, status: int = 200) -> dict[str, Any]:
        got: dict[str, Any] = await (await self.get(path, status)).json()
        return got


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    config = gateway()
    async with rigged(tmp_path / "o.db", config) as rig:
        topics = Topics("north", "dock-1")
        forwarder = Forwarder(rig.outbox, Broker(), topics, rig.clock)
        health = Health(
            topics, "1.2.3", rig.outbox, forwarder, rig.signals, rig.clock, str(tmp_path)
        )
        health.benches = [rig.bench]
        health.supervisors = [
            Supervisor(device, rig.bench.accept, lambda: None)
            for device in rig.bench.station.devices
        ]
        for each in health.supervisors:
            each.state = replace(each.state, state="open")
        app = Server(health, rig.signals, rig.outbox, forwarder).app()
        async with (
            serve(app, "127.0.0.1:0") as url,
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(CEILING)) as http,
        ):
            yield Site(rig, health, url, http)


@contextlib.asynccontextmanager
async def events(site: Site) -> AsyncIterator[AsyncIterator[dict[str, Any]]]:
    async with site.http.get(site.url + "/api/events") as response:
        assert response.content_type == "text/event-stream"
        yield _parsed(response)


async def _parsed(response: aiohttp.ClientResponse) -> AsyncIterator[dict[str, Any]]:
    async for line in response.content:
        if line.startswith(b"data: "):
            yield json.loads(line.removeprefix(b"data: "))


async def test_the_page_is_one_file_that_needs_nothing_else(site: Site) -> None:
    response = await site.get("/?station=door-1")
    page = await response.text()
    assert response.content_type == "text/html"
    assert page.startswith("<!doctype html>")
    assert not re.search(r"""(src|href)\s*=|@import|url\(|https?:""", page)
    assert "default-src 'self'" in response.headers["Content-Security-Policy"]
    assert response.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("name", ["station.html", "bench.html"])
def test_a_page_puts_nothing_in_as_markup(name: str) -> None:
    page = (files("gateway.web") / name).read_text("utf-8")
    assert "textContent" in page
    for word in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("):
        assert word not in page
    assert len(page.splitlines()) < 500


async def test_status_is_all_a_screen_needs(site: Site) -> None:
    await site.rig.scan("PO:4711", "OP:7", EAN)
    await site.rig.bench.accept("scale-1", [Weight(Decimal("1.250"), "kg", False, b"")])
    status = await site.json("/api/status")
    assert (status["site"], status["gateway"], status["version"]) == ("north", "dock-1", "1.2.3")
    assert (status["broker"], status["last"], status["waiting"]) == ("offline", 1, 1)
    assert [device["id"] for device in status["devices"]] == ["scanner-1", "scale-1"]
    [station] = status["stations"]
    assert station == {
        "station": "door-1",
        "job": "receiving",
        "job_name": "receiving",
        "operator": "7",
        "headline": "Scan the next item, or DONE",
        "document": "4711",
        "question": "",
        "facts": [],
        "lines": [
            {"label": "0" + EAN, "done": "1 EA", "expected": "", "note": "", "state": "open"}
        ],
        "latched": None,
        "live_weight": {"value": "1.250", "unit": "kg", "stable": False, "range": "ok"},
    }


async def test_what_stays_on_the_screen_is_in_the_status(site: Site) -> None:
    await site.rig.scan("PO:4711", "what is this")
    [station] = (await site.json("/api/status"))["stations"]
    assert station["latched"]["kind"] == "not_ok"
    assert station["latched"]["todo"]


async def test_a_hostile_label_is_data(site: Site) -> None:
    await site.rig.scan("PO:1", HOSTILE)
    response = await site.get("/api/status")
    assert response.content_type == "application/json"
    [station] = (await response.json())["stations"]
    assert station["latched"]["said"] == HOSTILE
    async with events(site) as coming, asyncio.timeout(CEILING):
        heard = [await anext(coming) for _ in range(2)]
    assert heard[1]["said"] == HOSTILE


async def test_events_are_those_before_and_then_each_as_it_is_given(site: Site) -> None:
    await site.rig.scan("PO:4711")
    async with events(site) as coming, asyncio.timeout(CEILING):
        before = await anext(coming)
        assert (before["kind"], before["past"], before["station"]) == ("ok", True, "door-1")
        await site.rig.scan(EAN, "what is this")
        now = await anext(coming)
        assert (now["kind"], now["past"], now["device"]) == ("ok", False, "scanner-1")
        assert (now["text"], now["said"]) == (f"1 EA 0{EAN}", EAN)
        [stored] = site.rig.stored()
        assert now["booked"] == [{"seq": 1, "id": str(stored.id), "label": f"receipt 1 EA 0{EAN}"}]
        assert (await anext(coming))["kind"] == "not_ok"


async def test_every_screen_hears_everything(site: Site) -> None:
    async with events(site) as one, events(site) as two, asyncio.timeout(CEILING):
        await site.rig.scan("PO:1", "PO:2", "PO:3")
        for coming in (one, two):
            assert [(await anext(coming))["said"] for _ in range(3)] == ["PO:1", "PO:2", "PO:3"]


async def test_a_screen_that_goes_away_is_forgotten(site: Site) -> None:
    async with events(site):
        assert len(site.rig.signals._outputs) == 1
    async with asyncio.timeout(CEILING):
        while site.rig.signals._outputs:
            await asyncio.sleep(0.01)


async def test_a_screen_that_does_not_read_is_hung_up_on_and_holds_nobody_up(site: Site) -> None:
    host, port = site.url.removeprefix("http://").split(":")
    with socket.socket() as screen:
        screen.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        screen.connect((host, int(port)))
        screen.sendall(b"GET /api/events HTTP/1.1\r\nHost: x\r\n\r\n")
        screen.setblocking(False)
        async with asyncio.timeout(60):
            while not site.rig.signals._outputs:
                await asyncio.sleep(0.01)
            [output] = site.rig.signals._outputs
            while not output.fallen:
                assert (await site.rig.scan("X" * 150)).signal.kind == "not_ok"
                await asyncio.sleep(0)  # the page may send what it can
            # It reads again: all that was on its way, and then the end.
            got = bytearray()
            while not got.endswith(b"\r\n0\r\n\r\n"):
                got += await asyncio.get_running_loop().sock_recv(screen, 1 << 20)
    assert site.rig.signals._outputs == set()


async def test_rows_are_the_newest_first_with_how_far_each_has_come(site: Site) -> None:
    await site.rig.scan("PO:1", *[EAN] * 5)
    outbox = site.rig.outbox
    ack = Ack(
        epoch=outbox.standing.epoch,
        upto=3,
        posted=2,
        rejected=(Rejected(seq=1, code="unknown_sku", text="no such item"),),
    )
    outbox.confirm(ack)
    await outbox.keep(100)
    site.health._forwarder.at_broker = 4
    rows = (await site.json("/api/rows"))["rows"]
    assert [(row["seq"], row["state"]) for row in rows] == [
        (5, "saved"),
        (4, "at broker"),
        (3, "booked"),
        (2, "posted"),
        (1, "rejected"),
    ]
    assert (rows[-1]["code"], rows[-1]["why"]) == ("unknown_sku", "no such item")
    assert rows[0]["transaction"]["event"]["type"] == "receipt"
    assert len((await site.json("/api/rows?limit=2"))["rows"]) == 2
    assert len((await site.json("/api/rows?limit=-1"))["rows"]) == 1
    await site.get("/api/rows?limit=many", status=400)


async def test_where_is_my_scan_is_asked_by_id_or_by_seq(site: Site) -> None:
    await site.rig.scan("PO:1", EAN, EAN)
    outbox = site.rig.outbox
    rejected = (Rejected(seq=1, code="unknown_sku", text="no such item"),)
    outbox.confirm(Ack(epoch=outbox.standing.epoch, upto=1, posted=1, rejected=rejected))
    recent = (await site.json("/api/transactions?recent=5"))["transactions"]
    assert [(each["seq"], each["state"]) for each in recent] == [(2, "saved"), (1, "rejected")]
    first, second = site.rig.stored()
    found = await site.json(f"/api/transactions/{first.id}")
    assert (found["seq"], found["state"], found["why"]) == (1, "rejected", "no such item")
    assert found["transaction"]["id"] == str(first.id)
    assert (await site.json("/api/transactions/2"))["transaction"]["id"] == str(second.id)
    await site.get("/api/transactions/3", status=404)
    await site.get("/api/transactions/0", status=404)
    await site.get(f"/api/transactions/{first.epoch}", status=404)
    for nonsense in ("x", "-1", "1" * 17, "%00", "..%2f..", "1;2"):
        await site.get(f"/api/transactions/{nonsense}", status=400)
    await site.get("/api/transactions?recent=many", status=400)


async def test_booked_rows_are_sent_again_by_a_person_at_this_machine(site: Site) -> None:
    await site.rig.scan("PO:1", *[EAN] * 5)
    assert await site.post("/api/resend", '{"last": 3}') == (409, "")
    site.rig.outbox.confirm(Ack(epoch=site.rig.outbox.standing.epoch, upto=4))
    assert await site.post("/api/resend", '{"last": 3}') == (202, '{"first": 2, "last": 4}')
    assert await site.post("/api/resend", '{"first": 1}') == (202, '{"first": 1, "last": 4}')


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        ("", {}, 400),
        ("{}", {}, 400),
        ("[]", {}, 400),
        ('{"last": 0}', {}, 400),
        ('{"last": 10001}', {}, 400),
        ('{"last": 1, "first": 1}', {}, 400),
        ('{"first": 1e400}', {}, 400),
        ('{"last": 1, "more": 1}', {}, 400),
        ('{"last": 1}' + " " * 70_000, {}, 413),
        ('{"last": 1}', {"Content-Type": "text/plain"}, 415),
        ('{"last": 1}', {"Host": "shop.example"}, 403),
        ('{"last": 1}', {"Host": "127.0.0.1.shop.example"}, 403),
    ],
)
async def test_no_page_of_another_site_and_no_nonsense_orders_anything(
    site: Site, body: str, headers: dict[str, str], status: int
) -> None:
    await site.rig.scan("PO:1", EAN)
    site.rig.outbox.confirm(Ack(epoch=site.rig.outbox.standing.epoch, upto=1))
    assert (await site.post("/api/resend", body, headers))[0] == status
    assert site.health._forwarder._again is None


async def test_health_is_what_a_person_should_look_at(site: Site) -> None:
    site.rig.clock.synchronised = lambda: True  # type: ignore[method-assign]
    assert await site.json("/healthz") == {"ok": True, "alerts": []}
    scanner = site.health.supervisors[0]
    scanner.state = replace(scanner.state, state="waiting", why="/dev/ttyACM0 is not there")
    said = await site.json("/healthz")
    assert not said["ok"]
    [alert] = said["alerts"]
    assert alert["code"] == "device"
    assert alert["text"] == "not working: scanner-1 (/dev/ttyACM0 is not there)"
    assert alert["todo"]
    since = alert["since"]
    assert datetime.fromisoformat(since).tzinfo is not None
    [again] = (await site.json("/healthz"))["alerts"]
    assert again["since"] == since, "it is the same alert"


async def test_health_is_503_when_something_is_critical(site: Site) -> None:
    await site.rig.scan("PO:1", EAN)
    epoch = site.rig.outbox.standing.epoch
    site.rig.outbox.confirm(Ack(epoch=epoch, upto=0, conflict=1))
    said = await site.json("/healthz", status=503)
    assert said["alerts"][0]["code"] == "stream-conflict"


async def test_metrics_are_read_by_prometheus(site: Site) -> None:
    site.rig.clock.synchronised = lambda: False  # type: ignore[method-assign]
    await site.rig.scan("PO:1", EAN, EAN, "what is this")
    response = await site.get("/metrics")
    assert response.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    own = {"site": "north", "gateway": "dock-1"}
    values = {
        (sample.name, *sorted(sample.labels.items() - own.items())): sample.value
        for family in text_string_to_metric_families(await response.text())
        for sample in family.samples
    }
    assert values["scanpost_gateway_stored_rows_total",] == 2
    assert values["scanpost_gateway_waiting_rows",] == 2
    assert values["scanpost_gateway_broker_connected",] == 0
    assert values["scanpost_gateway_signals_total", ("kind", "ok")] == 3
    assert values["scanpost_gateway_signals_total", ("kind", "not_ok")] == 1
    assert values["scanpost_gateway_device_open", ("device", "scale-1")] == 1
    assert values["scanpost_gateway_alert", ("code", "clock")] == 1
    assert values["scanpost_gateway_alert", ("code", "session-taken-over")] == 0


async def test_the_age_of_the_oldest_row_grows_until_it_is_booked(site: Site) -> None:
    assert (await site.json("/api/status"))["oldest_s"] == 0
    await site.rig.scan("PO:1", EAN, EAN)
    site.rig.clock.now += 100
    assert (await site.json("/api/status"))["oldest_s"] == 101
    site.rig.outbox.confirm(Ack(epoch=site.rig.outbox.standing.epoch, upto=1))
    assert (await site.json("/api/status"))["oldest_s"] == 100
    site.rig.outbox.confirm(Ack(epoch=site.rig.outbox.standing.epoch, upto=2))
    assert (await site.json("/api/status"))["oldest_s"] == 0


async def test_nothing_that_is_stored_can_be_changed_through_the_pages(site: Site) -> None:
    for path in (
        "/", "/api/status", "/api/rows", "/api/transactions", "/api/transactions/1", "/api/events",
        "/metrics", "/healthz",
    ):  # fmt: skip
        for method in ("POST", "PUT", "DELETE"):
            async with site.http.request(method, site.url + path) as response:
                assert response.status == 405
    await site.get("/../gateway.toml", status=404)


async def test_a_port_that_is_taken_is_said(site: Site) -> None:
    taken = site.url.removeprefix("http://")
    with pytest.raises(OSError, match="in use"):
        async with serve(aiohttp.web.Application(), taken):
            pass
    async with serve(aiohttp.web.Application(), f"127.0.0.1:{free_port()}"):
        pass
