"""The connections are ours, and one that the vendor has hung up is not used again."""

import asyncio

import pytest

from resources.sources.client import Reply, SourceClient
from resources.sources.connections import Stream
from resources.sources.credentials import Credentials
from resources.sources.open_library import OpenLibrary
from tests.resources.sources.conftest import book

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"


@pytest.mark.parametrize(("hangs_up", "connections"), [(False, 1), (True, 3)])
def test_a_connection_is_used_until_the_vendor_hangs_up(
    monkeypatch: pytest.MonkeyPatch, hangs_up: bool, connections: int
) -> None:
    opened = 0
    looked: list[bool] = []
    readable = Stream.get_extra_info

    def look(self: Stream, info: str) -> object:
        found = readable(self, info)
        if info == "is_readable":
            looked.append(bool(found))
        return found

    monkeypatch.setattr(Stream, "get_extra_info", look)

    async def vendor(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal opened
        opened += 1
        while await reader.readuntil(b"\r\n\r\n"):
            writer.write(ANSWER)
            await writer.drain()
            if hangs_up:
                writer.close()
                return

    async def scenario() -> list[Reply]:
        server = await asyncio.start_server(vendor, "127.0.0.1", 0)
        origin = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with (
            server,
            SourceClient(
                Credentials({}),
                base_urls={"open_library": origin},
                rate_overrides={"open_library": 100},
            ) as client,
        ):
            replies = []
            for _ in range(3):
                replies.append(await client.ask(OpenLibrary(), book()))
                await asyncio.sleep(0.02)
            return replies

    replies = asyncio.run(scenario())
    assert [(reply.result, reply.attempts) for reply in replies] == [("not_found", 1)] * 3
    assert opened == connections
    assert looked, "httpcore does not ask our connections any more"
    assert any(looked) is hangs_up
