"""Connections that are cheap to keep: each knows its own socket.

httpcore looks at every idle connection of a pool twice a request, whether the other side has
hung up, and asks asyncio for the addresses of both ends each time it does: a third of the
processor time of asking.
"""

import select
import ssl
from collections.abc import Iterable
from typing import Any

import httpcore
import httpx


class Backend(httpcore.AnyIOBackend):
    """Opens the connections."""

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


def keep_cheaply(http: httpx.AsyncClient) -> None:
    """Let a client open its connections so; what goes through a proxy stays as it is."""
    # httpx has no argument for it, and one that is given a transport ignores proxies.
    http._transport._pool._network_backend = Backend()  # type: ignore[attr-defined]
