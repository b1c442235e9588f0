"""Where a request comes from, and by what name. Proxies are believed that are known, no others."""

import ipaddress
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from aiohttp import web

_MOST_PROXIES = 8
"""Addresses looked at of those that proxies passed on."""
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class Caller:
    """Of one request."""

    address: str
    """Of the person's machine, as far as proxies that are trusted say it."""
    secure: bool
    """Whether it came encrypted, to us or to such a proxy."""
    origin: str
    """How a browser calls this site: scheme, host and port."""


@dataclass(frozen=True, slots=True)
class Callers:
    """What is known of this site: the proxies before it, and the names it goes by."""

    proxies: Sequence[Network]
    hosts: Collection[str]
    """Names besides this machine's addresses, in lower case."""
    loopback: bool
    """Whether it listens to this machine alone."""

    def caller(self, request: web.Request) -> Caller:
        """Return who asks."""
        address, secure = _unmapped(request.remote or ""), request.scheme == "https"
        if self._trusted(address):
            said = request.headers.get("X-Forwarded-Proto", "").rpartition(",")[2]
            secure = secure or said.strip().lower() == "https"
            passed = request.headers.get("X-Forwarded-For", "").split(",")[-_MOST_PROXIES:]
            further = (_unmapped(part.strip()) for part in reversed(passed))
            address = self._outermost([address, *further])
        return Caller(address, secure, f"{'https' if secure else 'http'}://{request.host}")

    def _outermost(self, addresses: Sequence[str]) -> str:
        """Return the first address that is no proxy of ours, from here outwards."""
        known = addresses[0]
        for address in addresses:
            if not _is_address(address):
                break
            known = address
            if not self._trusted(address):
                break
        return known

    def _trusted(self, address: str) -> bool:
        if not _is_address(address):
            return False
        known = ipaddress.ip_address(address)
        return any(known in network for network in self.proxies)

    def knows(self, request: web.Request) -> bool:
        """Return whether the site is asked by a name of its own.

        A foreign name may be one that somebody pointed at this machine, to let a page of his read
        the answers (DNS rebinding). An address cannot be pointed elsewhere.
        """
        host = (request.url.host or "").lower()
        if host in self.hosts or is_loopback(host):
            return True
        return not self.loopback and _is_address(host)


def is_loopback(host: str) -> bool:
    """Return whether `host` is this machine, as it calls itself."""
    return host == "localhost" or (_is_address(host) and ipaddress.ip_address(host).is_loopback)


def _unmapped(address: str) -> str:
    """Return the IPv4 address that a socket for both kinds shows as one of IPv6."""
    if not _is_address(address):
        return address
    known = ipaddress.ip_address(address)
    mapped = known.ipv4_mapped if isinstance(known, ipaddress.IPv6Address) else None
    return str(mapped or known)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
