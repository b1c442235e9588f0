"""The broker's files in `config/`, proven on a real mosquitto: who may say and hear what."""

import asyncio
import contextlib
import shutil
import subprocess
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from contract.topics import SHARED_TRANSACTIONS, Topics
from runtime.mqtt import Broker, BrokerLost, Connection, PublishRefused, connect
from tests.house.examples import CONFIG
from tests.mosquitto import MOSQUITTO, free_port

CONF = CONFIG / "mosquitto.conf"
ACL = CONFIG / "mosquitto.acl"

NORTH = Topics("north", "dock-1")
OWN = {
    "tx": NORTH.tx,
    "status": NORTH.status,
    "state": NORTH.state,
    "device": NORTH.device("scale"),
    "station": NORTH.station("dock-door-1"),
    "alert": NORTH.alert("broker"),
    "response": NORTH.response("q-1"),
}
FORBIDDEN = {
    "its own ack": NORTH.ack,
    "another gateway's tx": Topics("north", "dock-2").tx,
    "another gateway's ack": Topics("north", "dock-2").ack,
    "its name at another site": Topics("south", "dock-1").tx,
    "the site alone": "scanpost/v1/north/tx",
    "a topic below its tx": f"{NORTH.tx}/more",
    "a device of a device": f"{NORTH.device('scale')}/more",
    "a topic nobody has named": "scanpost/v1/north/dock-1/cmd/restart",
    "somebody else's tree": "homeassistant/sensor/scale/config",
    "the broker's own": "$SYS/broker/uptime",
}
LONG = 60.0  # s: far beyond what a loopback takes


@dataclass(frozen=True)
class Site:
    """A broker that runs with the files of `config/`, and the ways to come in."""

    port: int
    folder: Path
    by_certificate: bool = False

    def broker(self, user: str, protocol: str = "5") -> Broker:
        tables = {
            "url": f"mqtts://127.0.0.1:{self.port}",
            "ca_file": self.folder / "ca.pem",
            "protocol": protocol,
        }
        name = user.replace("/", "-")
        if self.by_certificate:
            tables |= {
                "cert_file": self.folder / f"{name}.pem",
                "key_file": self.folder / f"{name}.key",
            }
        else:
            secret = self.folder / f"{name}.password"
            secret.write_text(f"secret of {user}\n")
            tables |= {"username": user, "password_file": secret}
        return Broker.model_validate(tables)

    @contextlib.asynccontextmanager
    async def as_user(self, user: str, protocol: str = "5") -> AsyncIterator[Connection]:
        client_id = f"scanpost-{user.replace('/', '-')}"
        async with connect(self.broker(user, protocol), client_id=client_id) as connection:
            yield connection


def _openssl(folder: Path, *words: str) -> None:
    openssl = shutil.which("openssl")
    assert openssl is not None, "install openssl: apt install openssl"
    subprocess.run([openssl, *words], cwd=folder, check=True, capture_output=True, timeout=60)


def _authority(folder: Path) -> None:
    _openssl(
        folder, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
        "-keyout", "ca.key", "-out", "ca.pem", "-days", "2", "-subj", "/CN=site authority",
        "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign",
    )  # fmt: skip


def _certificate(folder: Path, name: str, common_name: str) -> None:
    (folder / "names.ext").write_text(
        "subjectAltName=IP:127.0.0.1\nextendedKeyUsage=serverAuth,clientAuth\n"
    )
    _openssl(
        folder, "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
        "-keyout", f"{name}.key", "-out", f"{name}.csr",
        "-subj", "/CN=" + common_name.replace("/", "\\/"),
    )  # fmt: skip
    _openssl(
        folder, "x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key",
        "-CAcreateserial", "-out", f"{name}.pem", "-days", "2", "-extfile", "names.ext",
    )  # fmt: skip


def _passwords(folder: Path, users: list[str]) -> None:
    command = shutil.which("mosquitto_passwd")
    assert command is not None, "mosquitto_passwd comes with mosquitto"
    (folder / "passwords").touch(mode=0o600)
    for user in users:
        subprocess.run(
            [command, "-b", str(folder / "passwords"), user, f"secret of {user}"],
            check=True, capture_output=True, timeout=60,
        )  # fmt: skip


def settled(folder: Path, port: int, *, by_certificate: bool) -> str:
    """Return mosquitto.conf with this test's port and paths, and every other word as it is."""
    text = CONF.read_text("utf-8")
    if by_certificate:
        text = text.replace("\npassword_file ", "\n#password_file ")
        text = text.replace("\n#require_certificate", "\nrequire_certificate")
        text = text.replace("\n#use_identity", "\nuse_identity")
    for said, meant in {
        "listener 8883": f"listener {port} 127.0.0.1",
        "/etc/mosquitto/certs": str(folder),
        "/etc/mosquitto/scanpost.acl": str(ACL),
        "/etc/mosquitto/passwords": str(folder / "passwords"),
        "/var/lib/mosquitto/": f"{folder}/",
    }.items():
        assert said in text
        text = text.replace(said, meant)
    assert "/etc/" not in "".join(line for line in text.splitlines() if not line.startswith("#"))
    return f"{text}\nuser root\n"


USERS = ["north/dock-1", "north/dock-2", "bridge", "watch"]


@pytest.fixture(params=["password", "certificate"])
async def site(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Site]:
    """A mosquitto that runs with the files of `config/`; each test with both ways to come in."""
    assert MOSQUITTO is not None, "install mosquitto: apt install mosquitto"
    by_certificate = request.param == "certificate"
    port = free_port()
    _authority(tmp_path)
    _certificate(tmp_path, "broker", "127.0.0.1")
    if by_certificate:
        for user in USERS:
            _certificate(tmp_path, user.replace("/", "-"), user)
    else:
        _passwords(tmp_path, USERS)
    conf = tmp_path / "mosquitto.conf"
    conf.write_text(settled(tmp_path, port, by_certificate=by_certificate))
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen([MOSQUITTO, "-c", str(conf)], stdout=log, stderr=log)
    try:
        await _answers(process, port, tmp_path / "log")
        yield Site(port, tmp_path, by_certificate)
    finally:
        process.terminate()
        process.wait(timeout=LONG)
    assert process.returncode == 0


async def _answers(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    async with asyncio.timeout(LONG):
        while True:
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                await writer.wait_closed()
                return
            assert process.poll() is None, log.read_text()
            await asyncio.sleep(0.02)


async def test_a_gateway_may_say_what_is_its_own_and_nothing_else(site: Site) -> None:
    async with asyncio.timeout(LONG), site.as_user("north/dock-1") as gateway:
        for what, topic in OWN.items():
            assert await gateway.publish(topic, b"{}") is False, what  # taken; nobody listens
        took = [what for what, topic in FORBIDDEN.items() if not await _refused(gateway, topic)]
    assert not took


async def _refused(connection: Connection, topic: str) -> bool:
    try:
        await connection.publish(topic, b"{}")
    except PublishRefused:
        return True
    return False


async def test_a_gateway_hears_its_own_ack_and_not_another_s(site: Site) -> None:
    async with (
        asyncio.timeout(LONG),
        site.as_user("north/dock-1") as gateway,
        site.as_user("bridge") as bridge,
    ):
        await gateway.subscribe("scanpost/v1/#")
        await gateway.subscribe("scanpost/v1/+/+/ack")
        await gateway.subscribe(NORTH.ack)
        await bridge.publish(Topics("north", "dock-2").ack, b"not yours")
        await bridge.publish(NORTH.ack, b"yours")
        heard = await gateway.receive()
        # The other came first: had it been let through it would be here before ours.
        assert {message.topic for message in heard} == {NORTH.ack}


async def test_the_bridge_hears_every_gateway_through_its_shared_subscription(site: Site) -> None:
    async with (
        asyncio.timeout(LONG),
        site.as_user("bridge") as bridge,
        site.as_user("north/dock-1") as first,
        site.as_user("north/dock-2") as second,
    ):
        await bridge.subscribe(SHARED_TRANSACTIONS)
        await bridge.publish(Topics("north", "bridge-1").status, b"{}", retain=True)
        assert await first.publish(NORTH.tx, b"1") is True
        assert await second.publish(Topics("north", "dock-2").tx, b"2") is True
        heard: set[bytes] = set()
        while len(heard) < 2:
            heard |= {message.payload for message in await bridge.receive()}
        assert heard == {b"1", b"2"}


@pytest.mark.parametrize(
    ("user", "topic"),
    [
        ("bridge", NORTH.tx),
        ("bridge", NORTH.status),
        ("bridge", "scanpost/v1/bridge/dev/tx"),
        ("watch", NORTH.tx),
        ("watch", NORTH.ack),
        ("watch", "scanpost/v1/watch/dev/tx"),
        ("watch", "scanpost/v1/watch/alert/ack"),
    ],
)
async def test_who_is_no_gateway_cannot_play_one(site: Site, user: str, topic: str) -> None:
    async with asyncio.timeout(LONG), site.as_user(user) as connection:
        with pytest.raises(PublishRefused):
            await connection.publish(topic, b"{}")


async def test_a_dashboard_hears_how_things_are_but_no_transaction(site: Site) -> None:
    async with (
        asyncio.timeout(LONG),
        site.as_user("watch") as screen,
        site.as_user("north/dock-1") as gateway,
    ):
        await screen.subscribe("scanpost/v1/#")
        for topic in [NORTH.tx, *OWN.values()]:
            await gateway.publish(topic, b"{}")
        heard: set[str] = set()
        while len(heard) < len(OWN) - 2:
            heard |= {message.topic for message in await screen.receive()}
        assert heard == set(OWN.values()) - {NORTH.tx, OWN["response"]}


async def test_nobody_comes_in_without_a_name(site: Site, tmp_path: Path) -> None:
    stranger = Broker.model_validate(
        {"url": f"mqtts://127.0.0.1:{site.port}", "ca_file": tmp_path / "ca.pem", "protocol": "5"}
    )
    with pytest.raises(BrokerLost):
        async with asyncio.timeout(LONG), connect(stranger, client_id="stranger"):
            pytest.fail("a stranger came in")


async def test_a_broker_with_another_certificate_is_not_believed(
    site: Site, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    _authority(elsewhere)
    broker = site.broker("north/dock-1").model_copy(update={"ca_file": elsewhere / "ca.pem"})
    with pytest.raises(BrokerLost):
        async with asyncio.timeout(LONG), connect(broker, client_id="careful"):
            pytest.fail("it believed a broker that anyone could be")


async def test_the_older_protocol_is_held_to_the_same_rules(site: Site) -> None:
    # MQTT 3.1.1 has no word for "refused": a forbidden message is taken and thrown away.
    async with (
        asyncio.timeout(LONG),
        site.as_user("watch") as screen,
        site.as_user("north/dock-1", protocol="3.1.1") as gateway,
    ):
        await screen.subscribe("scanpost/v1/#")
        await gateway.publish(NORTH.ack, b"forged")
        await gateway.publish(NORTH.status, b"{}")
        heard = await screen.receive()
        assert {message.topic for message in heard} == {NORTH.status}
