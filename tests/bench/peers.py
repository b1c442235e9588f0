"""ThingsBoard's gateway and Node-RED, as people install them, to be measured beside ours.

Installed from their registries into a folder outside the tree, which the next run finds again.
Each gets the job in its own stock way: serial line in, MQTT at QoS 1 out, default timings.

    python -m tests.bench.peers BROKER_PORT     the least of a ThingsBoard server
"""

import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.bench import wire
from tests.bench.contenders import Contender, Place
from tests.bench.tap import TOPIC

_NEVER = re.compile(b"(?!)")
"""None of them says that a scan is safe."""
_INSTALL_WITHIN = 600.0  # seconds for some hundred packages
_UP_WITHIN = 90.0
_RETRY = 0.5


def cellar() -> Path:
    """Return the folder that holds what was installed."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return home / "scanpost" / "bench-peers"


def found(say: Callable[[str], None]) -> list[Contender]:
    """Install the peers where they are not yet, and return those that can be had."""
    return [
        contender
        for install in (_thingsboard, _node_red)
        for contender in (_installed(install, say) or [])
    ]


def _installed(
    install: Callable[[Path], list[Contender]], say: Callable[[str], None]
) -> list[Contender] | None:
    try:
        return install(cellar())
    except (OSError, subprocess.SubprocessError) as error:
        said = getattr(error, "stderr", b"") or str(error).encode()
        last = said.decode("utf-8", "replace").strip().splitlines()[-1:]
        say(f"{install.__name__.strip('_')} is left out: {' '.join(last) or error}")
        return None


def _run(*words: str | Path, folder: Path) -> None:
    subprocess.run(
        [str(word) for word in words],
        cwd=folder,
        check=True,
        capture_output=True,
        timeout=_INSTALL_WITHIN,
    )


def _thingsboard(folder: Path) -> list[Contender]:
    home = folder / "thingsboard"
    python = home / "bin" / "python"
    if not (home / "ready").exists():
        shutil.rmtree(home, ignore_errors=True)
        folder.mkdir(parents=True, exist_ok=True)
        _run(sys.executable, "-m", "venv", home, folder=folder)
        _run(python, "-m", "pip", "install", "-q", "thingsboard-gateway", "pyserial", folder=folder)
        (home / "ready").touch()
    stores: dict[str, dict[str, Any]] = {
        "thingsboard memory": {
            "type": "memory",
            "read_records_count": 100,
            "max_records_count": 100_000,
        },
        "thingsboard sqlite": {
            "type": "sqlite",
            "data_file_path": "data/",
            "messages_ttl_check_in_hours": 1,
            "messages_ttl_in_days": 7,
            "max_read_records_count": 1000,
        },
    }
    return [
        Contender(
            name,
            _thingsboard_command(python, store),
            _NEVER,
            backlog_share=10,
            companion=lambda place: [
                sys.executable,
                "-m",
                "tests.bench.peers",
                str(place.broker_port),
            ],
            broker_lines=_no_echo,
            up_within=_UP_WITHIN,
            keeps=False,
        )
        for name, store in stores.items()
    ]


def _no_echo(folder: Path) -> str:
    """Keep the gateway from hearing its own requests as commands; others may do anything."""
    rules = folder / "thingsboard.acl"
    rules.write_text(
        "topic readwrite #\nuser gateway\ntopic write v1/gateway/#\n"
        "topic write v1/devices/me/telemetry\ntopic write v1/devices/me/attributes\n"
        "topic write v1/devices/me/attributes/request/#\ntopic write v1/devices/me/rpc/request/#\n"
        "topic read v1/devices/me/rpc/response/#\ntopic read v1/devices/me/attributes/response/#\n"
        "topic read v1/gateway/attributes/response\n"
    )
    return f"acl_file {rules}\n"


def _thingsboard_command(python: Path, store: dict[str, Any]) -> Callable[[Place], list[str]]:
    def command(place: Place) -> list[str]:
        folder = place.folder / "thingsboard"
        config = folder / "config"
        for part in ("config", "logs", "data"):
            (folder / part).mkdir(parents=True, exist_ok=True)
        kept = {
            name: f"{folder / value}/" if name == "data_file_path" else value
            for name, value in store.items()
        }
        files = {
            "tb_gateway.json": _gateway_settings(place, kept),
            "serial.json": _serial_settings(place),
            "logs.json": _log_settings(),
            "connected_devices.json": {},
            "list.json": {},
        }
        for name, settings in files.items():
            if not (config / name).exists():
                (config / name).write_text(json.dumps(settings))
        words = ["env", f"TB_GW_CONFIG_DIR={config}", str(python)]
        return [*words, "-m", "thingsboard_gateway.tb_gateway"]

    return command


def _gateway_settings(place: Place, store: dict[str, Any]) -> dict[str, Any]:
    return {
        "thingsboard": {
            "host": "127.0.0.1",
            "port": place.broker_port,
            "remoteShell": False,
            "remoteConfiguration": False,
            "statistics": {"enable": False, "enableCustom": False},
            "minPackSendDelayMS": 50,
            "minPackSizeToSend": 500,
            "maxPayloadSizeBytes": 8196,
            "checkConnectorsConfigurationInSeconds": 60,
            "security": {"type": "accessToken", "accessToken": "gateway"},
            "qos": 1,
            "reportStrategy": {"type": "ON_RECEIVED"},
            "checkingDeviceActivity": {"checkDeviceInactivity": False},
        },
        "storage": store,
        "grpc": {"enabled": False},
        "connectors": [
            {
                "name": "scanners",
                "type": "serial",
                "class": "SerialConnector",
                "configuration": "serial.json",
            }
        ],
    }


def _serial_settings(place: Place) -> dict[str, Any]:
    devices = [
        {
            "name": f"scanner{number}",
            "type": "default",
            "port": str(tty),
            "baudrate": 9600,
            "delimiter": "\n",
            "converter": "SerialUplinkConverter",
            "telemetry": [{"type": "string", "key": "code"}],
            "attributes": [],
        }
        for number, tty in enumerate(place.ttys)
    ]
    return {"name": "scanners", "logLevel": "INFO", "uplinkQueueSize": 100_000, "devices": devices}


def _log_settings() -> dict[str, Any]:
    names = ["database", "service", "connector", "converter", "tb_connection", "storage"]
    names.append("extension")
    handler = {"class": "logging.StreamHandler", "level": "ERROR", "stream": "ext://sys.stderr"}
    quiet = {"handlers": ["console"], "level": "ERROR", "propagate": False}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "handlers": {"console": handler},
        "loggers": dict.fromkeys(names, quiet),
        "root": {"level": "ERROR", "handlers": ["console"]},
    }


def _node_red(folder: Path) -> list[Contender]:
    home = folder / "node-red"
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        raise FileNotFoundError("node and npm are not installed")
    if not (home / "ready").exists():
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir(parents=True)
        _run(npm, "init", "-y", folder=home)
        packages = ("node-red@4", "node-red-node-serialport@2")
        _run(npm, "install", "--no-audit", "--no-fund", *packages, folder=home)
        (home / "ready").touch()

    def command(place: Place) -> list[str]:
        here = place.folder / "node-red"
        here.mkdir(exist_ok=True)
        (here / "flows.json").write_text(json.dumps(_flows(place)))
        (here / "settings.js").write_text(
            "module.exports = {flowFile: 'flows.json', uiPort: 0, uiHost: '127.0.0.1',"
            " disableEditor: true, httpAdminRoot: false, httpNodeRoot: false,"
            " telemetry: {enabled: false, updateNotification: false},"
            " logging: {console: {level: 'info', metrics: false, audit: false}}};\n"
        )
        program = home / "node_modules" / "node-red" / "red.js"
        settings = str(here / "settings.js")
        return [node, str(program), "--userDir", str(here), "--settings", settings]

    return [Contender("node-red", command, _NEVER, up_within=_UP_WITHIN, keeps=False)]


def _flows(place: Place) -> list[dict[str, Any]]:
    flows: list[dict[str, Any]] = [
        {"id": "tab", "type": "tab", "label": "bench"},
        {
            "id": "broker",
            "type": "mqtt-broker",
            "broker": "127.0.0.1",
            "port": str(place.broker_port),
            "clientid": "node-red",
            "autoConnect": True,
            "usetls": False,
            "protocolVersion": "4",
            "keepalive": "60",
            "cleansession": False,
            "autoUnsubscribe": True,
        },
    ]
    for number, tty in enumerate(place.ttys):
        port = {
            "id": f"port{number}",
            "type": "serial-port",
            "serialport": str(tty),
            "serialbaud": "9600",
            "databits": "8",
            "parity": "none",
            "stopbits": "1",
            "newline": "\\n",
            "bin": "false",
            "out": "char",
        }
        inlet = {
            "id": f"in{number}",
            "type": "serial in",
            "z": "tab",
            "serial": f"port{number}",
            "wires": [[f"out{number}"]],
        }
        outlet = {
            "id": f"out{number}",
            "type": "mqtt out",
            "z": "tab",
            "topic": TOPIC,
            "qos": "1",
            "retain": "false",
            "broker": "broker",
            "wires": [],
        }
        flows += [port, inlet, outlet]
    return flows


class Server:
    """Answers what ThingsBoard's gateway asks when it connects; without that it sends nothing."""

    def __init__(self, broker_port: int) -> None:
        self._port = broker_port

    def run(self) -> None:
        """Serve for ever, and come back when the broker does."""
        while True:
            with contextlib.suppress(OSError):
                self._serve()
            time.sleep(_RETRY)

    def _serve(self) -> None:
        with socket.create_connection(("127.0.0.1", self._port), 5) as broker:
            broker.settimeout(None)
            broker.sendall(
                wire.connect("thingsboard-server")
                + wire.subscribe(
                    "v1/devices/me/rpc/request/+",
                    "v1/devices/me/attributes/request/+",
                    "v1/gateway/attributes/request",
                )
            )
            rest = b""
            while data := broker.recv(1 << 16):
                packets, rest = wire.split(rest + data)
                for first, body in packets:
                    broker.sendall(self._answer(first, body))

    def _answer(self, first: int, body: bytes) -> bytes:
        if first >> 4 == wire.SUBACK:
            sys.stdout.write("ready\n")
            sys.stdout.flush()
        if first >> 4 != wire.PUBLISH:
            return b""
        topic, packet_id, payload = wire.opened(first, body)
        asked = json.loads(payload or b"{}")
        number = topic.rpartition("/")[2]
        answer: dict[str, Any] = {}
        if "/rpc/request/" in topic:
            where = f"v1/devices/me/rpc/response/{number}"
            if asked.get("method") == "getSessionLimits":
                answer = {"maxPayloadSize": 65536, "maxInflightMessages": 100}
                answer |= {"rateLimits": {}, "gatewayRateLimits": {}}
        elif "/attributes/request/" in topic:
            where = f"v1/devices/me/attributes/response/{number}"
        else:
            where = "v1/gateway/attributes/response"
            answer = {"id": asked.get("id"), "device": asked.get("device"), "values": {}}
        said = wire.publish(where, json.dumps(answer).encode(), 1)
        return said if packet_id is None else wire.puback(packet_id) + said


if __name__ == "__main__":
    Server(int(sys.argv[1])).run()
