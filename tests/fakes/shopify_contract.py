"""Shopify's own Admin schema as the judge: introspection out of its package `@shopify/dev-mcp`.

It is fetched by npm when a test first asks for it, and kept in the cache beside Tryton's; nothing
of it is ever part of this project. Where it cannot be had, tests that need it say so and skip.
"""

import functools
import gzip
import json
import os
import shutil
import subprocess
import tarfile
from pathlib import Path

from graphql import GraphQLSchema, build_client_schema

PACKAGE = "@shopify/dev-mcp@1.16.0"
VERSIONS = ("2026-04", "2026-07", "2026-10")
MAX_BYTES = 40_000_000
"""Bytes of the package; 1.16.0 has 14 million."""


def _folder() -> Path:
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("SCANPOST_CACHE") or home) / "scanpost" / PACKAGE.replace("/", "-")


def _fetched() -> Path | None:
    """Return the folder with the schemas; None where there is no npm, or it does not reach."""
    folder = _folder()
    if all((folder / f"admin_{version}.json.gz").exists() for version in VERSIONS):
        return folder
    npm = shutil.which("npm")
    if npm is None:
        return None
    folder.mkdir(parents=True, exist_ok=True)
    scratch = folder / f"fetch-{os.getpid()}"
    scratch.mkdir(exist_ok=True)
    try:
        subprocess.run(
            [npm, "pack", PACKAGE, "--silent"],
            cwd=scratch, check=True, capture_output=True, timeout=100,
        )  # fmt: skip
        [archive] = scratch.glob("*.tgz")
        if archive.stat().st_size > MAX_BYTES:
            return None
        with tarfile.open(archive) as package:
            for version in VERSIONS:
                name = f"admin_{version}.json.gz"
                found = package.extractfile(f"package/dist/data/{name}")
                if found is None:
                    return None
                part = scratch / name
                part.write_bytes(found.read())
                part.replace(folder / name)
    except (OSError, subprocess.SubprocessError, KeyError, tarfile.TarError):
        return None
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return folder


@functools.cache
def schema(version: str) -> GraphQLSchema | None:
    """Return Shopify's schema of that version, None where it cannot be had."""
    folder = _fetched()
    if folder is None:
        return None
    read = json.loads(gzip.decompress((folder / f"admin_{version}.json.gz").read_bytes()))
    return build_client_schema(read.get("data", read), assume_valid=True)
