"""The whole way: a user made by the command, a bridge that runs, a decision made on its page."""

import asyncio
import signal
import subprocess
import sys
from pathlib import Path

import aiohttp

from contract.topics import Topics
from runtime.mqtt import Broker, connect
from tests.bridge.streams import receipt, sealed, transaction
from tests.bridge.test_daemon import LONG, Bridge
from tests.bridge.web.admin import PASSWORD, Person
from tests.mosquitto import Mosquitto

TOPICS = Topics("north", "dock-1")


async def test_a_person_logs_in_to_a_running_bridge_and_sees_what_was_booked(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    users = tmp_path / "users.toml"
    users.touch(0o600)
    made = subprocess.run(
        [sys.executable, "-m", "bridge", "hash-password", "--name", "anna", "--role", "admin"],
        input=f"{PASSWORD}\n",
        text=True,
        capture_output=True,
        check=True,
        timeout=60,
    )
    users.write_text(made.stdout)
    bridge = Bridge(tmp_path, mosquitto.url)
    bridge.config.write_text(f'{bridge.config.read_text()}\nusers_file = "{users}"\n')
    await bridge.start()
    try:
        await bridge.until_healthy()
        assert (await bridge.ask("/api/entries"))[0] == 401
        async with connect(Broker(url=mosquitto.url), client_id="dock-1") as dock:
            dock.publish(TOPICS.tx, sealed(1, [transaction(1, receipt("PO-<7>"))]))
            jar = aiohttp.CookieJar(unsafe=True)
            url = f"http://127.0.0.1:{bridge.port}"
            async with aiohttp.ClientSession(cookie_jar=jar) as session:
                anna = Person(url, session)
                assert "Nothing is wrong." in await anna.log_in("Anna")
                async with asyncio.timeout(LONG):
                    while "chip posted" not in anna.page:
                        await anna.get("/entries?text=PO-<7>")
                assert "PO-&lt;7&gt;" in anna.page
                seen = await anna.get("/entries/1")
                assert "Attempt 1" in seen
                assert "Target open" in await anna.get("/")
                await anna.get("/modes/switch?to=off")
                assert "everything: off" in await anna.post("/modes/switch", to="off")
                assert "anna log in from 127.0.0.1" in await anna.get("/audit?show=log-ins")
                users.write_text(made.stdout.replace('"admin"', '"viewer"'))
                await anna.get("/")
                assert anna.at == "/login?to=/"
                users.write_text(made.stdout.replace('"admin"', '"boss"'))
                async with asyncio.timeout(LONG):  # nobody asks for a page
                    while "user.0.role" not in str(await bridge.ask("/healthz")):
                        await asyncio.sleep(0.05)
                assert (await bridge.ask("/healthz"))[0] == 200
    finally:
        code, said = await bridge.end(signal.SIGTERM)
    assert code == 0, said
    assert "Traceback" not in said
    assert PASSWORD not in said
