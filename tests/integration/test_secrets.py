"""Canaries: every secret that could be known is planted, echoed by faults, and looked for."""

import asyncio
import base64
import importlib
import json
import logging
import pkgutil
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
import sqlalchemy as sa
import uvicorn
import zstandard

from pricing_assets.schema import tables as t
from resources import sandbox
from resources.clock import Clock
from resources.sandbox.catalogue import bundled_catalogue
from resources.sandbox.failing import ReachableProtocol
from resources.sandbox.faults import FaultPlan
from resources.sandbox.server import create_app
from resources.settings import Settings
from resources.source_access import SourceAccess
from resources.sources import registered_sources
from resources.sources.credentials import Credentials
from tests.integration.test_pipeline import everything_stored
from tests.runs import NOON, SANDBOX_SOURCES, Platform, isbns, new_platform, pricing_here

NAMES = sorted({n for source in registered_sources().values() for n in source.credential_names})
CANARIES = {name: f"c4n4ry+{name}/of=ours&x" for name in NAMES}

ECHOES: list[dict[str, Any]] = [
    {"kind": "echo_body", "share": 0.3},
    {"kind": "echo_error", "share": 0.2, "status": 503},
    {"kind": "echo_error", "share": 0.15, "status": 400, "permanent": True},
    {"kind": "echo_redirect", "share": 0.15, "permanent": True},
    {"kind": "reset", "share": 0.1},
]
PLAN = FaultPlan.model_validate(
    {
        "seed": 5,
        "faults": {
            **dict.fromkeys(SANDBOX_SOURCES, ECHOES),
            "ebay_token": [{"kind": "echo_error", "every": 2, "status": 500}],
        },
    }
)


def written_forms() -> Iterator[str]:
    for value in CANARIES.values():
        yield from (value, quote(value, safe=""), quote(value), quote_plus(value))
        yield json.dumps(value)[1:-1].replace("/", "\\/")
    login = f"{CANARIES['EBAY_CLIENT_ID']}:{CANARIES['EBAY_CLIENT_SECRET']}"
    yield base64.b64encode(login.encode()).decode()
    yield "v^1.1#sandbox#"  # how eBay's token begins here
    yield quote("v^1.1#sandbox#", safe="")


FORMS = tuple(written_forms())


@contextmanager
def echoing_sandbox() -> Iterator[str]:
    """A sandbox in this process, since it is to accept the canaries."""
    app = create_app(bundled_catalogue(100), plan=PLAN)
    config = uvicorn.Config(app, http=ReachableProtocol, log_level="error", lifespan="off")
    server = uvicorn.Server(config)
    listener = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listener])))
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(10)
        listener.close()


@pytest.fixture
def planted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory whose `.env` has the canaries; the sandbox accepts them."""
    lines = [f"{name}='{value}'" for name, value in CANARIES.items()]
    (tmp_path / ".env").write_text("\n".join(lines))
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PYTHON_DOTENV_DISABLED")
    monkeypatch.setattr(sandbox, "credential", CANARIES.__getitem__)
    for module_info in pkgutil.iter_modules(sandbox.__path__, "resources.sandbox."):
        if module_info.name.endswith("__main__"):
            continue
        module = importlib.import_module(module_info.name)
        if hasattr(module, "credential"):
            monkeypatch.setattr(module, "credential", CANARIES.__getitem__)
    return tmp_path


def replies_of(platform: Platform) -> list[Any]:
    """The client's own replies, as a program would print them."""
    from pricing_assets.core.answers import ItemQuery
    from pricing_assets.core.items import item_id

    async def scenario() -> list[Any]:
        with SourceAccess(platform.settings, platform.clock) as access:
            async with access.client() as client:
                pairs = [
                    (source, ItemQuery(item_id("book", isbn), "book", isbn))
                    for isbn in isbns(8, start=60)
                    for source in access.sources.values()
                ]
                replies = [reply async for reply in client.ask_many(pairs)]
                return [client, access, *replies, *(r.body for r in replies)]

    return asyncio.run(scenario())


@pytest.mark.slow
def test_no_secret_of_any_source_is_written_or_shown(
    planted: Path,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    assert all(Credentials.from_env().get(name) == value for name, value in CANARIES.items())
    with echoing_sandbox() as url, new_platform(planted, url, Clock(NOON)) as platform:
        platform.scan(isbns(24))
        platform.run()
        shown = replies_of(platform)
        # A sandbox that is gone: exceptions of the connection, with the request in them.
        away = platform.with_sandbox("http://127.0.0.1:9")
        away.scan(isbns(1, start=45), "more.txt")
        away.run()
        status = pricing_here("status")
        stored = list(everything_stored(platform))
        payloads = platform.rows(sa.select(t.payloads.c.source, t.payloads.c.body_zstd))
        errors = platform.rows(sa.select(t.api_calls.c.source, t.api_calls.c.error))
    unpack = zstandard.ZstdDecompressor().decompress
    bodies = [(row.source, unpack(row.body_zstd).decode()) for row in payloads]

    # The secrets did come back, from every source, in bodies that were kept and in errors.
    for source in SANDBOX_SOURCES:
        echoed = [text for name, text in bodies if name == f"sandbox:{source}" and "***" in text]
        assert any("you_asked" in text for text in echoed), source
        assert any("GET http" in (row.error or "") for row in errors if source in row.source)

    out, err = capfd.readouterr()
    places = {
        "stdout": out, "stderr": err, "log": caplog.text, "replies": repr(shown),
        "status": status.stdout + status.stderr, "settings": repr(platform.settings),
        "credentials": repr(Credentials.from_env()), "errors": repr(errors),
        **{f"payload {number} of {source}": text for number, (source, text) in enumerate(bodies)},
        **{name: text for name, text in stored if name != str(planted / ".env")},
    }  # fmt: skip
    assert len(places) > 100
    for place, text in places.items():
        for form in FORMS:
            assert form not in text, f"{form} in {place}"


def test_the_environment_wins_over_the_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYTHON_DOTENV_DISABLED")
    monkeypatch.chdir(tmp_path)
    home = tmp_path / "elsewhere"
    home.mkdir()
    monkeypatch.setenv("PRICING_HOME", str(home))
    (home / ".env").write_text(
        "EBAY_CLIENT_ID=home\nEBAY_CLIENT_SECRET=home\nSEARCHAPI_API_KEY='$HOME#1'\n"
    )
    (tmp_path / ".env").write_text(
        "EBAY_CLIENT_ID=here\nGOOGLE_BOOKS_API_KEY=here\nPRICING_PROFILE=live\n"
    )
    monkeypatch.delenv("PRICING_PROFILE")
    monkeypatch.setenv("GOOGLE_BOOKS_API_KEY", "environment")
    credentials = Credentials.from_env()
    assert credentials.get("GOOGLE_BOOKS_API_KEY") == "environment"
    assert credentials.get("EBAY_CLIENT_ID") == "here"
    assert credentials.get("EBAY_CLIENT_SECRET") == "home"
    assert credentials.get("SEARCHAPI_API_KEY") == "$HOME#1"
    assert Settings.from_env().profile == "live"
    monkeypatch.setenv("PYTHON_DOTENV_DISABLED", "1")
    assert Credentials.from_env().get("EBAY_CLIENT_ID") is None
