"""What a source's answers, or a mistake in a source, must not make the client do."""

import asyncio
import gzip
import json
import ssl
import time
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from pricing_assets.core.answers import ItemQuery
from resources import sandbox
from resources.clock import Clock
from resources.settings import Settings
from resources.source_access import SourceAccess
from resources.sources import registered_sources
from resources.sources.client import MAX_BODY_BYTES, Reply, SourceClient
from resources.sources.credentials import Credentials
from resources.sources.ebay_browse import EbayBrowse
from resources.sources.ebay_rest import ClientCredentials
from resources.sources.open_library import OpenLibrary
from tests.resources.sources.conftest import ISBN, book
from tests.resources.sources.vendor_server import Answering, serving, serving_bytes

LIBRARY = OpenLibrary()
BOOK = {f"ISBN:{ISBN}": {"title": "The Lamplighter's Almanac"}}


class Counting:
    def __init__(self, response: Response) -> None:
        self.response = response
        self.requests = 0

    async def __call__(self, request: Request) -> Response:
        self.requests += 1
        return self.response


async def ask(origin: str, source: Any = LIBRARY, count: int = 1) -> list[Reply]:
    async with SourceClient(
        Credentials({"EBAY_CLIENT_ID": "our-client-id", "EBAY_CLIENT_SECRET": "our-secret-value"}),
        base_urls={source.name: origin},
        rate_overrides={source.name: 1000},
        backoff_seconds=0.01,
    ) as client:
        return [await client.ask(source, book()) for _ in range(count)]


# --- where to --------------------------------------------------------------------------------


def test_vendors_are_called_at_their_own_hosts_over_tls() -> None:
    urls = {name: httpx.URL(source.base_url) for name, source in registered_sources().items()}
    assert {url.scheme for url in urls.values()} == {"https"}
    for name, source in registered_sources().items():
        if "book" not in source.categories:
            continue
        values = dict.fromkeys(source.credential_names, "a-value")
        request = source.request(book(), Credentials(values))
        assert request.url.host == urls[name].host


def test_an_address_of_another_protocol_is_an_error_that_says_so() -> None:
    (reply,) = asyncio.run(ask("ftp://127.0.0.1:9"))
    assert reply.result == "error"
    assert "cannot be asked (UnsupportedProtocol); check its address" in (reply.error or "")


def test_the_sandbox_profile_calls_the_sandbox_alone(tmp_path: Path) -> None:
    settings = Settings(tmp_path, "sqlite://", profile="sandbox", sandbox_url="http://127.0.0.1:9")

    async def scenario() -> list[Reply]:
        with SourceAccess(settings, Clock(datetime(2026, 10, 20, tzinfo=UTC))) as access:
            assert set(access.sources) == set(sandbox.registered_vendors())
            async with access.client() as client:
                client._backoff_seconds = 0.01
                return [
                    await client.ask(source, book())
                    for source in access.sources.values()
                    if "book" in source.categories
                ]

    for reply in asyncio.run(scenario()):
        assert "ConnectError" in (reply.error or ""), reply.error


def test_a_source_cannot_send_to_another_host() -> None:
    stranger = Counting(JSONResponse(BOOK))

    async def scenario() -> list[Reply]:
        async with serving(stranger) as elsewhere, serving(stranger) as own:

            class Astray(OpenLibrary):
                def request(self, query: ItemQuery, credentials: Credentials) -> httpx.Request:
                    return httpx.Request("GET", f"{elsewhere}/api/books")

            class TokenAstray(EbayBrowse):
                def auth(self, credentials: Credentials) -> httpx.Auth:
                    return ClientCredentials(
                        f"{elsewhere}/token", self.scope, "our-client-id", "secret"
                    )

            return [*await ask(own, Astray()), *await ask(own, TokenAstray())]

    for reply in asyncio.run(scenario()):
        assert (reply.result, reply.attempts) == ("error", 0)
        assert "127.0.0.1, which is not its own host" in (reply.error or "")
    assert stranger.requests == 0


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_to_another_port_or_scheme_is_not_followed(status: int) -> None:
    stranger = Counting(JSONResponse(BOOK))

    async def scenario() -> list[Reply]:
        async with serving(stranger) as elsewhere:
            replies = []
            for target in (f"{elsewhere}/x", elsewhere.replace("http://", "https://")):
                async with serving(Counting(RedirectResponse(target, status))) as own:
                    replies += await ask(own)
            return replies

    for reply in asyncio.run(scenario()):
        assert (reply.result, reply.attempts, reply.status) == ("error", 1, status)
        assert "not followed" in (reply.error or "")
    assert stranger.requests == 0


# --- TLS ---------------------------------------------------------------------------------


def self_signed(directory: Path) -> ssl.SSLContext:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    file = directory / "server.pem"
    file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context


def test_a_server_that_nobody_vouches_for_is_refused(tmp_path: Path) -> None:
    heard = b""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal heard
        heard += await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

    async def scenario() -> list[Reply]:
        async with serving_bytes(answer, self_signed(tmp_path)) as origin:
            return await ask(origin)

    (reply,) = asyncio.run(scenario())
    assert reply.result == "error"
    assert "CERTIFICATE_VERIFY_FAILED" in (reply.error or "")
    assert heard == b"", "nothing was said to it"


def test_one_connection_carries_several_questions_to_a_server_that_is_vouched_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    connections = 0

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        while await reader.readuntil(b"\r\n\r\n"):
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

    async def scenario() -> list[Reply]:
        server = self_signed(tmp_path)
        voucher = ssl.create_default_context(cafile=tmp_path / "server.pem")
        monkeypatch.setattr("resources.sources.client._ssl_context", lambda: voucher)
        async with serving_bytes(answer, server) as origin:
            return await ask(origin, count=3)

    replies = asyncio.run(scenario())
    assert [(reply.result, reply.error) for reply in replies] == [("not_found", None)] * 3
    assert connections == 1


# --- how much ----------------------------------------------------------------------------


def head(length: int, *more: str) -> bytes:
    lines = ("HTTP/1.1 200 OK", f"Content-Length: {length}", *more, "", "")
    return "\r\n".join(lines).encode()


def test_what_lies_behind_the_announced_end_is_no_answer_to_the_next_question() -> None:
    smuggled = json.dumps({f"ISBN:{ISBN}": {"title": "Smuggled"}}).encode()
    true = json.dumps(BOOK).encode()
    connections = 0

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await reader.readuntil(b"\r\n\r\n")
        if connections == 1:
            writer.write(head(2) + b"{}" + head(len(smuggled)) + smuggled)
            await reader.readuntil(b"\r\n\r\n")
        writer.write(head(len(true)) + true)
        await reader.read()

    async def scenario() -> list[Reply]:
        async with serving_bytes(answer) as origin:
            return await ask(origin, count=2)

    first, second = asyncio.run(scenario())
    assert first.body == b"{}"
    assert (second.body, second.attempts) == (true, 2)


def test_a_length_that_is_not_reached_is_a_broken_answer() -> None:
    connections = 0

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await reader.readuntil(b"\r\n\r\n")
        writer.write(head(10_000) + json.dumps(BOOK).encode())

    async def scenario() -> list[Reply]:
        async with serving_bytes(answer) as origin:
            return await ask(origin)

    (reply,) = asyncio.run(scenario())
    assert (reply.result, reply.attempts, reply.body, connections) == ("error", 4, b"", 4)
    assert "RemoteProtocolError" in (reply.error or "")


@pytest.mark.parametrize("encoding", ["identity", "gzip"])
def test_a_body_of_any_announced_length_is_read_up_to_the_limit(encoding: str) -> None:
    sent = 0

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await reader.readuntil(b"\r\n\r\n")
        writer.write(head(10**12, f"Content-Encoding: {encoding}"))
        block = b" " * 2**20
        if encoding == "gzip":
            writer.write(gzip.compress(b" " * 64 * 2**20))
            await writer.drain()
        while True:
            writer.write(block)
            sent += len(block)
            await writer.drain()

    async def scenario() -> list[Reply]:
        async with serving_bytes(answer) as origin:
            return await ask(origin)

    started = time.monotonic()
    (reply,) = asyncio.run(scenario())
    assert (reply.result, reply.attempts, reply.body) == ("error", 1, b"")
    assert "10 MiB" in (reply.error or "")
    assert sent < 4 * MAX_BODY_BYTES
    assert time.monotonic() - started < 5


# --- how long ----------------------------------------------------------------------------


class Impatient(OpenLibrary):
    connect_timeout = 0.3
    read_timeout = 0.3
    total_timeout = 0.7


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()
    await asyncio.sleep(5)


async def half_a_head(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\nContent-")
    await reader.read()


async def head_by_drips(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\n")
    while True:
        writer.write(b"X-Drip: 1\r\n")
        await writer.drain()
        await asyncio.sleep(0.1)


async def body_by_drips(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(head(1_000))
    while True:
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(0.1)


@pytest.mark.parametrize(
    ("answer", "limit", "sign"),
    [
        (silent, Impatient.read_timeout, "ReadTimeout"),
        (half_a_head, Impatient.read_timeout, "ReadTimeout"),
        (head_by_drips, Impatient.total_timeout, "did not finish its answer within"),
        (body_by_drips, Impatient.total_timeout, "did not finish its answer within"),
    ],
)
def test_silence_and_drips_have_their_own_limits(
    answer: Answering, limit: float, sign: str
) -> None:
    async def scenario() -> list[Reply]:
        async with serving_bytes(answer) as origin:
            return await ask(origin, Impatient())

    (reply,) = asyncio.run(scenario())
    assert (reply.result, reply.attempts) == ("error", 4)
    assert sign in (reply.error or "")
    assert limit * 1000 <= reply.latency_ms < limit * 1000 + 400


def test_a_connection_that_is_not_taken_has_a_limit_too() -> None:
    import socket

    async def scenario() -> list[Reply]:
        # A queue of one that is full: the system answers no further connection.
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            listener.listen(0)
            port = listener.getsockname()[1]
            fillers = [socket.socket() for _ in range(4)]
            for filler in fillers:
                filler.setblocking(False)
                filler.connect_ex(("127.0.0.1", port))
            await asyncio.sleep(0.05)
            try:
                return await ask(f"http://127.0.0.1:{port}", Impatient())
            finally:
                for filler in fillers:
                    filler.close()

    (reply,) = asyncio.run(scenario())
    assert (reply.result, reply.attempts) == ("error", 4)
    assert "ConnectTimeout" in (reply.error or "")
    assert 300 <= reply.latency_ms < 700
