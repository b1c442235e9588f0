"""What a request must be before it may do anything."""

import ipaddress
from urllib.parse import urlsplit

from aiohttp import web


def is_local(request: web.Request) -> None:
    """Refuse another machine, and a page of another site in a browser of this one.

    Raises:
        web.HTTPForbidden, web.HTTPUnsupportedMediaType: it is not.
    """
    if not (_is_loopback(request.remote or "") and _is_loopback(request.url.host or "")):
        raise web.HTTPForbidden(text="ask on this machine, by an address of it")
    is_ours(request)


def is_ours(request: web.Request) -> None:
    """Refuse what a page of another site can send: forms, and scripts of another origin.

    Raises:
        web.HTTPForbidden, web.HTTPUnsupportedMediaType: it is of another site.
    """
    if request.content_type != "application/json":
        raise web.HTTPUnsupportedMediaType(text="send Content-Type: application/json")
    origin = request.headers.get("Origin")
    if origin is not None and urlsplit(origin).netloc != request.host:
        raise web.HTTPForbidden(text="ask from a page of this gateway")


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
