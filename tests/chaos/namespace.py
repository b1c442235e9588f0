"""A network of the kernel's own: the broker in a network namespace, at the far end of a cable.

Packets really are lost here, and TCP really has to find out: a link without carrier, and the meaner
one that passes what is said and swallows every answer.
"""

import itertools
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, Self

from scanpost.demo.network import NetworkCable

IP = shutil.which("ip", path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")

_USES = itertools.count()
Break = Literal["no carrier", "no answers"]


class NoNamespace(Exception):
    """This machine lets nobody make a network namespace, and why."""


@dataclass(frozen=True, slots=True)
class FarSide:
    """A namespace with one cable to this machine."""

    name: str
    near: str
    """Our address on the cable."""
    address: str
    """The address at its other end."""

    def inside(self, *command: str) -> list[str]:
        """Return how to run `command` over there."""
        assert IP is not None
        return [IP, "netns", "exec", self.name, *command]

    def cut(self, how: Break) -> None:
        """Let no packet come through, or none come back."""
        if how == "no carrier":
            _ip("-n", self.name, "link", "set", "far", "down")
        else:
            _ip("-n", self.name, "route", "add", "blackhole", f"{self.near}/32")

    def mend(self) -> None:
        """Let everything pass again."""
        _ip("-n", self.name, "link", "set", "far", "up")
        subprocess.run(
            [str(IP), "-n", self.name, "route", "del", "blackhole", f"{self.near}/32"],
            capture_output=True,
            check=False,  # mostly there is none
        )


@contextmanager
def far_side() -> Iterator[FarSide]:
    """Make a namespace with a cable to it, and take both away again.

    Raises:
        NoNamespace: this is not permitted, or `ip` is missing.
    """
    # Two runs side by side have networks of their own, and so has the next one of this run: the
    # kernel takes a namespace away some time after it was told to.
    number = (os.getpid() * 7 + next(_USES)) % 16_000
    name, third, fourth = f"scanpost{number}", number // 64, number % 64 * 4
    side = FarSide(name, f"10.213.{third}.{fourth + 1}", f"10.213.{third}.{fourth + 2}")
    if IP is None:
        raise NoNamespace("there is no `ip`: apt install iproute2")
    try:
        _ip("netns", "add", name)
    except subprocess.CalledProcessError as error:
        raise NoNamespace(error.stderr.decode().strip()) from error
    near = f"sp{number}"
    try:
        _ip("link", "add", near, "type", "veth", "peer", "name", "far", "netns", name)
        _ip("addr", "add", f"{side.near}/30", "dev", near)
        _ip("link", "set", near, "up")
        _ip("-n", name, "addr", "add", f"{side.address}/30", "dev", "far")
        _ip("-n", name, "link", "set", "far", "up")
        yield side
    finally:
        subprocess.run([IP, "link", "del", near], capture_output=True, check=False)
        _ip("netns", "del", name)


def _ip(*words: str) -> None:
    subprocess.run([str(IP), *words], capture_output=True, check=True)


class Cable(NetworkCable):
    """Stands for the cable of the demo: gateway and broker are connected directly."""

    def __init__(self, side: FarSide, port: int) -> None:
        super().__init__(port)
        self.host, self.port = side.address, port
        self._side = side

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.plug()

    async def pull(self) -> None:
        """Take the carrier away. No connection is told."""
        self.plugged = False
        self._side.cut("no carrier")

    def plug(self) -> None:
        """Put it back."""
        self.plugged = True
        self._side.mend()
