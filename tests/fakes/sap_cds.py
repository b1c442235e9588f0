"""SAP's own server for its own models: `@sap/cds` from npm, which knows types, lengths and keys.

It takes minutes to install and is kept in the user's cache; tests that want it say so. It knows no
CSRF token, no numbers and no business rule.
"""

import json
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.fakes.npm import fetched
from tests.fakes.sap_s4_contract import PACKAGES, VERSION

ASKED = "SCANPOST_SAP_CDS"
"""Environment variable that asks for it."""
SERVED = tuple(service for service in PACKAGES if service != "API_PRODUCT_SRV")
"""Services it is to serve; of the products alone it takes longer than of all others."""
_NEEDS = {
    "@sap/cds": "9.9.3",
    "@cap-js/sqlite": "2",
    "@cap-js-community/odata-v2-adapter": "1.15.10",
    "express": "5",
}
_LOOPBACK = """\
const { Server } = require("node:net");
const listen = Server.prototype.listen;
Server.prototype.listen = function (where, ...rest) {
  const port = where !== null && typeof where === "object" ? where.port : where;
  const then = rest.filter((each) => typeof each === "function");
  return listen.call(this, { port, host: "127.0.0.1" }, ...then);
};
"""
"""It would listen on every interface."""


def installed() -> Path | None:
    """Return a folder with the server and the models in it, None where it cannot be had."""
    npm = shutil.which("npm")
    if npm is None:
        return None
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    root = Path(os.environ.get("SCANPOST_CACHE") or home) / "scanpost" / "sap-cds"
    (root / "srv" / "external").mkdir(parents=True, exist_ok=True)
    requires: dict[str, object] = {
        "db": {"kind": "sqlite", "credentials": {"url": ":memory:"}},
    }
    for service in SERVED:
        name = f"{PACKAGES[service]}-service-csn.json"
        folder = fetched(f"@sap/cloud-sdk-vdm-{PACKAGES[service]}-service@{VERSION}", [name])
        if folder is None:
            return None
        said = whole(json.loads((folder / name).read_text("utf-8")))
        (root / "srv" / "external" / f"{service}.csn").write_text(json.dumps(said))
        requires[service] = {"kind": "odata-v2", "model": f"srv/external/{service}"}
    package = {
        "name": "sap-models",
        "private": True,
        "dependencies": _NEEDS,
        "cds": {"requires": requires, "cov2ap": {"plugin": True}},
    }
    (root / "package.json").write_text(json.dumps(package, indent=1))
    (root / "loopback.js").write_text(_LOOPBACK)
    if not (root / "node_modules" / "@sap" / "cds").exists():
        words = [npm, "install", "--silent", "--no-audit", "--no-fund"]
        try:
            subprocess.run(words, cwd=root, check=True, capture_output=True, timeout=900)
        except (OSError, subprocess.SubprocessError):
            return None
    return root


def whole(model: dict[str, Any]) -> dict[str, Any]:
    """Return a model whose items are parts of their header, as they are in the real system.

    The published one only associates them, so that a server made of it would pass over the items
    that come with a header, and says of some associations not what they go by: the keys.
    """
    entities = {
        name: each["elements"]
        for name, each in model["definitions"].items()
        if each["kind"] == "entity"
    }
    for elements in entities.values():
        keys = [name for name, each in elements.items() if each.get("key")]
        for name, each in elements.items():
            target = entities.get(each.get("target", ""))
            if target is None:
                continue
            if "on" not in each:
                shared = [key for key in keys if key in target]
                pairs = [[{"ref": [name, key]}, "=", {"ref": [key]}] for key in shared]
                terms: list[Any] = []
                for pair in pairs:
                    terms += ["and", *pair] if terms else pair
                each["on"] = terms
            if each.get("cardinality", {}).get("max") == "*":
                each["type"] = "cds.Composition"
    return model


@contextmanager
def serving(root: Path) -> Iterator[str]:
    """Run the server on a free port of loopback, and yield its address."""
    words = ["node", "-r", "./loopback.js", "node_modules/@sap/cds/bin/serve.js"]
    words += ["--service", "all", "--mocked", "--in-memory"]
    with socket.socket() as free:  # its V2 side must know beforehand where its V4 side listens
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    # It keeps a list of all that run in the home folder, and calls those that were killed
    home = root / f"home-{os.getpid()}"
    home.mkdir(exist_ok=True)
    log = home / "log"
    with (
        log.open("w") as out,
        subprocess.Popen(
            words,
            cwd=root,
            stdout=subprocess.PIPE,
            stderr=out,
            env={**os.environ, "PORT": str(port), "HOME": str(home)},
            text=True,
        ) as process,
    ):
        try:
            assert process.stdout is not None
            for line in process.stdout:
                if " launched in " in line:
                    yield f"http://127.0.0.1:{port}"
                    break
            else:
                raise AssertionError(log.read_text())
        finally:
            process.kill()
            shutil.rmtree(home, ignore_errors=True)
