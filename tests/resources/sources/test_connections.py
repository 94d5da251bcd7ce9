"""Connections are used again, the last one first, unless the vendor has hung up."""

import asyncio
from collections.abc import Callable

import pytest

from resources.sources import connections
from resources.sources.client import Reply, SourceClient
from resources.sources.connections import Stream
from resources.sources.credentials import Credentials
from resources.sources.open_library import OpenLibrary
from tests.resources.sources.conftest import book
from tests.resources.sources.vendor_server import serving_bytes

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"


@pytest.mark.parametrize(("hangs_up", "opened_in_all"), [(False, 1), (True, 3)])
def test_a_connection_is_used_until_the_vendor_hangs_up(
    monkeypatch: pytest.MonkeyPatch, hangs_up: bool, opened_in_all: int
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
                await asyncio.sleep(0.005)  # when the answer was read and the connection is idle
                writer.close()
                return

    async def scenario() -> list[Reply]:
        async with serving_bytes(vendor) as origin, asking(origin) as client:
            replies = []
            for _ in range(3):
                replies.append(await client.ask(OpenLibrary(), book()))
                await asyncio.sleep(0.02)
            return replies

    replies = asyncio.run(scenario())
    assert [(reply.result, reply.attempts) for reply in replies] == [("not_found", 1)] * 3
    assert opened == opened_in_all
    assert looked, "httpcore does not ask our connections any more"
    assert any(looked) is hangs_up


class Hosted:
    """A vendor that counts who is connected, and answers when it is let."""

    def __init__(self) -> None:
        self.opened = 0
        self.connected = 0
        self.answers = asyncio.Event()
        self.answers.set()

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.opened += 1
        self.connected += 1
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                await self.answers.wait()
                writer.write(ANSWER)
        finally:
            self.connected -= 1


def asking(origin: str) -> SourceClient:
    return SourceClient(
        Credentials({}),
        base_urls={"open_library": origin},
        rate_overrides={"open_library": 1_000},
    )


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.005)


def test_a_burst_opens_as_many_as_it_needs_and_one_is_enough_after_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connections, "KEPT_SECONDS", 0.2)

    async def scenario() -> None:
        vendor = Hosted()
        async with serving_bytes(vendor) as origin:
            async with asking(origin) as client:
                vendor.answers.clear()
                burst = [asyncio.create_task(client.ask(OpenLibrary(), book())) for _ in range(6)]
                await until(lambda: vendor.connected == 6)
                vendor.answers.set()
                for reply in await asyncio.gather(*burst):
                    assert (reply.result, reply.attempts) == ("not_found", 1)

                while vendor.connected > 1:
                    reply = await client.ask(OpenLibrary(), book())
                    assert (reply.result, reply.attempts) == ("not_found", 1)
                    await asyncio.sleep(0.02)
                assert vendor.opened == 6
            await until(lambda: vendor.connected == 0)

    asyncio.run(asyncio.wait_for(scenario(), 20))


def test_a_question_that_is_given_up_takes_its_connection_with_it() -> None:
    async def scenario() -> None:
        vendor = Hosted()
        async with serving_bytes(vendor) as origin:
            async with asking(origin) as client:
                vendor.answers.clear()
                given_up = asyncio.create_task(client.ask(OpenLibrary(), book()))
                await until(lambda: vendor.connected == 1)
                given_up.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await given_up
                vendor.answers.set()
                # Its late answer would be taken for the next one's.
                reply = await client.ask(OpenLibrary(), book())
                assert (reply.result, vendor.opened) == ("not_found", 2)
            await until(lambda: vendor.connected == 0)

    asyncio.run(asyncio.wait_for(scenario(), 20))
