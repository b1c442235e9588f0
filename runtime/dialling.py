"""Opens a TCP or TLS connection that can be given up at any moment.

asyncio resolves names in threads that a daemon waits for at its end, and libraries connect and
shake hands in such threads too: a host that swallows packets would hold up the end for as long as
the kernel tries. Here names are asked for in a thread that nobody waits for; the rest needs none.
"""

import asyncio
import contextlib
import os
import socket
import ssl
import threading
from collections.abc import Callable
from typing import Any

_ONE_WITHIN = 4.0  # seconds for one address: a name often has two, and the first may lead nowhere


async def dial(host: str, port: int, tls: ssl.SSLContext | None = None) -> socket.socket:
    """Return a connected, non-blocking socket with TCP_NODELAY set; the handshake is done.

    Args:
        host: name or address.
        port: TCP port.
        tls: what to hold the other end to; None for a connection in the clear.

    Raises:
        OSError: nobody there, or not whom we wanted. Nothing is left open, also when cancelled.
    """
    last: OSError = ConnectionError(f"{host} has no address")
    for family, address in await _addresses(host, port):
        sock = socket.socket(family, socket.SOCK_STREAM)
        try:
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            async with asyncio.timeout(_ONE_WITHIN):
                await asyncio.get_running_loop().sock_connect(sock, address)
        except TimeoutError:
            sock.close()
            last = TimeoutError(f"no answer within {_ONE_WITHIN:g} s")
        except OSError as error:
            sock.close()
            # Without asyncio's words around it: the kernel's are what people know.
            last = OSError(error.errno, os.strerror(error.errno)) if error.errno else error
        except BaseException:
            sock.close()
            raise
        else:
            return sock if tls is None else await _shake_hands(sock, host, tls)
    raise last


async def _shake_hands(sock: socket.socket, host: str, tls: ssl.SSLContext) -> ssl.SSLSocket:
    wrapped = tls.wrap_socket(sock, server_hostname=host, do_handshake_on_connect=False)
    loop = asyncio.get_running_loop()
    try:
        while True:
            try:
                wrapped.do_handshake()
            except ssl.SSLWantReadError:
                await _ready(wrapped.fileno(), loop.add_reader, loop.remove_reader)
            except ssl.SSLWantWriteError:
                await _ready(wrapped.fileno(), loop.add_writer, loop.remove_writer)
            else:
                return wrapped
    except BaseException:
        wrapped.close()
        raise


async def _ready(descriptor: int, watch: Callable[..., Any], forget: Callable[[int], Any]) -> None:
    event = asyncio.Event()
    watch(descriptor, event.set)
    try:
        await event.wait()
    finally:
        forget(descriptor)


async def _addresses(host: str, port: int) -> list[tuple[int, Any]]:
    try:
        return _found(host, port, socket.AI_NUMERICHOST)
    except socket.gaierror:
        pass  # a name, to be asked for
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[list[tuple[int, Any]]] = loop.create_future()

    def tell(found: list[tuple[int, Any]] | OSError) -> None:
        if answer.done():
            return  # nobody waits any more
        if isinstance(found, OSError):
            answer.set_exception(found)
        else:
            answer.set_result(found)

    def ask() -> None:
        try:
            found: list[tuple[int, Any]] | OSError = _found(host, port, 0)
        except OSError as error:
            found = error
        with contextlib.suppress(RuntimeError):  # the loop is closed: the daemon has ended
            loop.call_soon_threadsafe(tell, found)

    threading.Thread(target=ask, name=f"ask for {host}", daemon=True).start()
    return await answer


def _found(host: str, port: int, flags: int) -> list[tuple[int, Any]]:
    # As bytes where that will do: a text costs 0.7 MB for the tables of international names.
    name = host.encode("ascii") if host.isascii() else host
    found = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM, flags=flags)
    return [(family, address) for family, _, _, _, address in found]
