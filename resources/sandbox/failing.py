"""What a fault looks like on the wire.

Most are an HTTP response that a vendor should not send. A connection that is reset or cut
off, and a length that is a lie, no web framework lets through: they are written to the
connection itself.
"""

import asyncio
import os
import socket
import struct
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.auto import AutoHTTPProtocol

from resources.sandbox.faults import Fault
from resources.sandbox.wire import Reply, Vendor

ELSEWHERE = "http://127.0.0.2:9/elsewhere"
"""Where a redirect with the request's secrets points to: nobody listens there."""

DELIVERING = frozenset({"duplicate_page", "endless_next", "echo_body"})
"""Kinds that come with the answer."""

_DRIP_SECONDS = 0.05
_open: dict[tuple[str, int], asyncio.Transport] = {}


class ReachableProtocol(AutoHTTPProtocol):  # type: ignore[misc, valid-type]
    """uvicorn's own protocol, whose connections can be reached by their client's address."""

    def connection_made(self, transport: asyncio.Transport) -> None:
        """Remember the connection."""
        super().connection_made(transport)
        self._peer = transport.get_extra_info("peername")[:2]
        _open[self._peer] = transport

    def connection_lost(self, error: Exception | None) -> None:
        """Forget the connection."""
        _open.pop(self._peer, None)
        super().connection_lost(error)


def failing(fault: Fault, vendor: Vendor, request: Request, reply: Reply) -> Response:
    """Return the response that stands for a fault.

    Args:
        vendor: Who is asked.
        reply: What would have been answered.
    """
    body = reply.body()
    match fault.kind:
        case "too_many_requests":
            error = {"error": "Too many requests (a fault that was ordered)."}
            return JSONResponse(error, 429, _retry_after(fault))
        case "server_error":
            error = {"error": "Internal error (a fault that was ordered)."}
            return JSONResponse(error, fault.status, _retry_after(fault))
        case "timeout":
            return _Silent(fault.seconds)
        case "slow_drip":
            return _Dripping(body, fault.seconds)
        case "reset":
            return _Cut(b"", reset=True)
        case "truncated_body":
            return _Cut(_head(len(body)) + body[: len(body) // 2])
        case "lying_length":
            return _Cut(_head(len(body) // 2) + body)
        case "truncated_json":
            return _json(body[: max(1, len(body) // 2)])
        case "mangled_json":
            # A control character is not JSON anywhere, within a text or without.
            return _json(body[: len(body) // 2] + b"\x1a<garbled>\x1a" + body[len(body) // 2 :])
        case "wrong_charset":
            comma = b"," if len(body) > 2 else b""
            return _json(body[:1] + b'"simulated":"caf\xe9"' + comma + body[1:])
        case "duplicate_page":
            return JSONResponse(_with_doubles(vendor.listings, reply.document))
        case "endless_next":
            return JSONResponse({**reply.document, **vendor.next_page(str(request.url))})
        case "echo_error":
            return JSONResponse({"error": {"message": _echo(request)}}, fault.status)
        case "echo_redirect":
            login = request.headers.get("authorization", "")
            target = f"{ELSEWHERE}?{request.url.query}"
            return Response(status_code=302, headers={"Location": target, "X-Login": login})
        case "echo_body":
            return JSONResponse({**reply.document, "you_asked": _echo(request)})
    raise ValueError(f"the vendor itself answers {fault.kind}")


def _retry_after(fault: Fault) -> dict[str, str]:
    return {} if fault.retry_after is None else {"Retry-After": str(fault.retry_after)}


def _json(body: bytes) -> Response:
    return Response(body, media_type="application/json; charset=utf-8")


def _head(length: int) -> bytes:
    return (
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % length
    )


def _echo(request: Request) -> str:
    headers = "; ".join(f"{name}: {value}" for name, value in request.headers.items())
    return f"{request.method} {request.url} ({headers})"


def _with_doubles(listings: str, document: Mapping[str, Any]) -> dict[str, Any]:
    shown = document.get(listings)
    return {**document, listings: [*shown, *shown]} if shown else {**document}


class _Cut(Response):
    """Writes bytes to the connection as they are, and closes or resets it."""

    def __init__(self, raw: bytes, *, reset: bool = False) -> None:
        super().__init__()
        self._raw = raw
        self._reset = reset

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        transport = _open[scope["client"]]
        if self._reset:
            # Closing a socket that does not linger sends a reset instead of an end.
            with socket.socket(fileno=os.dup(transport.get_extra_info("socket").fileno())) as own:
                own.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            transport.abort()
        else:
            transport.write(self._raw)
            transport.close()
        await _disconnected(receive)


class _Silent(Response):
    """Says nothing, then hangs up."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            async with asyncio.timeout(self._seconds):
                await _disconnected(receive)
        except TimeoutError:
            _open[scope["client"]].close()
            await _disconnected(receive)


class _Dripping(Response):
    """Sends its body in small pieces, all of it within the given time."""

    def __init__(self, body: bytes, seconds: float) -> None:
        super().__init__(body, media_type="application/json")
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        body = bytes(self.body)
        size = max(1, int(len(body) * _DRIP_SECONDS / max(self._seconds, _DRIP_SECONDS)))
        pieces = [body[at : at + size] for at in range(0, len(body), size)]
        gone = asyncio.create_task(_disconnected(receive))
        try:
            for piece in pieces:
                await send({"type": "http.response.body", "body": piece, "more_body": True})
                await asyncio.wait({gone}, timeout=self._seconds / len(pieces))
                if gone.done():
                    return
            await send({"type": "http.response.body", "body": b""})
        finally:
            gone.cancel()


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
