"""The socket between the broker and paho: it is read once for many packets, and never half written.

paho asks a socket for one byte at a time and keeps what was not written. Here all that arrived is
read at once; what is paho's to read is handed to it, and what the socket has no room for is kept in
order, whoever wrote it.
"""

import asyncio
import socket
import ssl

_READ = 65_536  # bytes of one read
_MOST_UNSENT = 32 * 1024 * 1024
"""Bytes that wait for room in the socket: more than all windows together; then nobody reads."""
_NO_ROOM = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class Plug:
    """A connected socket that does not block, with what waits on its two sides."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.handed = bytearray()
        """Read already, and paho's to take."""
        self.ended = False
        """The other side has hung up."""
        self.unsent = bytearray()
        """Waits for room in the socket."""
        self._loop = asyncio.get_running_loop()
        self._watched: int | None = None
        """The descriptor that the loop watches for room."""
        self._written = asyncio.Event()

    def take(self) -> bytes:
        """Return what has arrived; nothing if there is nothing, or if `ended`."""
        try:
            data = self.sock.recv(_READ)
        except _NO_ROOM:
            return b""
        except OSError:
            data = b""
        self.ended = not data
        return data

    @property
    def more(self) -> bool:
        """Whether something lies here that the loop cannot see: TLS has decrypted it already."""
        return isinstance(self.sock, ssl.SSLSocket) and self.sock.pending() > 0

    def recv(self, most: int) -> bytes:
        """Give paho what was handed to it, as a socket would."""
        data = bytes(self.handed[:most])
        if not data and not self.ended:
            raise BlockingIOError
        del self.handed[:most]
        return data

    def send(self, data: bytes | bytearray) -> int:
        """Write now what there is room for, the rest later. Returns the length of `data`.

        Raises:
            OSError: the connection is over, or nobody has read for so long that too much waits.
        """
        sent = 0
        if not self.unsent:
            try:
                sent = self.sock.send(data)
            except _NO_ROOM:
                sent = 0
        if sent < len(data):
            if len(self.unsent) > _MOST_UNSENT:
                raise ConnectionAbortedError(f"{len(self.unsent)} bytes wait, and nobody reads")
            self.unsent += data[sent:]
            self._watch()
        return len(data)

    def _watch(self) -> None:
        if self._watched is None:
            self._watched = self.sock.fileno()
            self._written.clear()
            self._loop.add_writer(self._watched, self._go_on)

    def _go_on(self) -> None:
        try:
            del self.unsent[: self.sock.send(self.unsent)]
        except _NO_ROOM:
            return
        except OSError:
            self.unsent.clear()  # whoever reads hears that it is over
        if not self.unsent:
            self._rest()

    def _rest(self) -> None:
        if self._watched is not None:
            self._loop.remove_writer(self._watched)
            self._watched = None
        self._written.set()

    async def written(self) -> None:
        """Wait until nothing waits for room any more."""
        if self.unsent:
            await self._written.wait()

    def close(self) -> None:
        """Close the socket; what waits is lost."""
        self._rest()
        self.sock.close()

    def fileno(self) -> int:
        """Return the descriptor."""
        return self.sock.fileno()

    def setblocking(self, _flag: bool) -> None:
        """Do as paho asks: it is so already."""
        self.sock.setblocking(False)
