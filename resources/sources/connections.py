"""Connections that are cheap to keep: the one that was used last is used next.

httpcore's own pool goes through all of its connections twice a request, for each of which it
goes through all, and looks whether the other side has hung up: a fifth of the processor time of
asking. Its connections are used as they are.
"""

import functools
import select
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import Any

import httpcore
import httpx

KEPT_SECONDS = 5.0
"""How long a connection is kept that nobody uses."""


class Pool:
    """The connections of a client to its one host.

    How many requests there are at once is not its concern.
    """

    def __init__(self, ssl_context: ssl.SSLContext) -> None:
        self._ssl_context = ssl_context
        self._idle: list[httpcore.AsyncHTTPConnection] = []
        self._open: set[httpcore.AsyncHTTPConnection] = set()

    async def handle_async_request(self, request: httpcore.Request) -> httpcore.Response:
        """Send a request over a connection that is free, or over a new one."""
        if request.url.scheme not in (b"http", b"https"):
            raise httpcore.UnsupportedProtocol("not an address of HTTP")
        connection = await self._free() or self._new(request.url.origin)
        try:
            response = await connection.handle_async_request(request)
        except BaseException:
            await self._give_up(connection)
            raise
        return httpcore.Response(
            response.status,
            headers=response.headers,
            content=_Body(response.stream, functools.partial(self._take_back, connection)),
            extensions=response.extensions,
        )

    async def aclose(self) -> None:
        """Close every connection."""
        for connection in list(self._open):
            await self._give_up(connection)

    async def _free(self) -> httpcore.AsyncHTTPConnection | None:
        while self._idle:
            connection = self._idle.pop()
            if not connection.has_expired():
                return connection
            await self._give_up(connection)
        return None

    def _new(self, origin: httpcore.Origin) -> httpcore.AsyncHTTPConnection:
        connection = httpcore.AsyncHTTPConnection(
            origin, self._ssl_context, KEPT_SECONDS, network_backend=Backend()
        )
        self._open.add(connection)
        return connection

    async def _take_back(self, connection: httpcore.AsyncHTTPConnection) -> None:
        """Keep a connection that is free again; give up what has been idle for too long."""
        if connection.is_idle():
            self._idle.append(connection)
        else:
            await self._give_up(connection)
        if self._idle and self._idle[0].has_expired():
            await self._give_up(self._idle.pop(0))

    async def _give_up(self, connection: httpcore.AsyncHTTPConnection) -> None:
        self._open.discard(connection)
        await connection.aclose()


class _Body:
    """The body of a response; when it is closed, its connection is free."""

    def __init__(self, stream: Any, free: Callable[[], Awaitable[None]]) -> None:
        self._stream = stream
        self._free = free
        self._closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for part in self._stream:
            yield part

    async def aclose(self) -> None:
        if not self._closed:
            self._closed = True
            await self._stream.aclose()
            await self._free()


class Backend(httpcore.AnyIOBackend):
    """Opens the connections: each knows its own socket.

    httpcore asks asyncio for the addresses of both ends each time it looks whether the other
    side has hung up.
    """

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Open a connection."""
        return Stream(await super().connect_tcp(host, port, timeout, local_address, socket_options))


class Stream(httpcore.AsyncNetworkStream):
    """One connection, with or without TLS."""

    def __init__(self, stream: httpcore.AsyncNetworkStream) -> None:
        self._stream = stream
        self._socket = stream.get_extra_info("socket")
        self._poll = select.poll()
        self._poll.register(self._socket.fileno(), select.POLLIN)

    async def read(
        self,
        max_bytes: int,
        timeout: float | None = None,
    ) -> bytes:
        """Read what is there."""
        return await self._stream.read(max_bytes, timeout)

    async def write(
        self,
        buffer: bytes,
        timeout: float | None = None,
    ) -> None:
        """Write all of it."""
        await self._stream.write(buffer, timeout)

    async def aclose(self) -> None:
        """Hang up."""
        await self._stream.aclose()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Return the connection with TLS on it."""
        return Stream(await self._stream.start_tls(ssl_context, server_hostname, timeout))

    def get_extra_info(self, info: str) -> Any:
        """Return what httpcore wants to know; whether there is something to read in short."""
        if info != "is_readable":
            return self._stream.get_extra_info(info)
        # A socket that was closed has no number, and its old one may be another's by now.
        return self._socket.fileno() < 0 or bool(self._poll.poll(0))


def keep_cheaply(http: httpx.AsyncClient, ssl_context: ssl.SSLContext) -> None:
    """Let a client keep its connections so; what goes through a proxy stays as it is."""
    # httpx has no argument for it, and one that is given a transport ignores proxies.
    http._transport._pool = Pool(ssl_context)  # type: ignore[attr-defined]
