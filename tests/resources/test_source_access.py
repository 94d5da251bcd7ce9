"""Which world the clients talk to: in the sandbox profile nothing and nobody else's."""

import asyncio
import json
from pathlib import Path

import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from resources.clock import Clock
from resources.sandbox import base_path, credential
from resources.settings import Settings
from resources.source_access import SourceAccess
from resources.sources.client import Reply
from tests.resources.sources.conftest import example_of
from tests.resources.sources.vendor_server import serving


def test_the_sandbox_profile_asks_every_source_in_the_sandbox_with_its_own_credentials(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[tuple[str, str]] = []

    async def sandbox(request: Request) -> Response:
        body = (await request.body()).decode()
        heard.append((request.url.path, f"{request.url} {dict(request.headers)} {body}"))
        if request.url.path.endswith("/oauth2/token"):
            return JSONResponse({"access_token": "t", "expires_in": 7200})
        return JSONResponse({"error": "refused"}, 403)

    async def scenario() -> dict[str, Reply]:
        async with serving(sandbox) as origin:
            settings = Settings(tmp_path, "sqlite://", "sandbox", sandbox_url=origin)
            with SourceAccess(settings, Clock()) as access:
                for source in access.sources.values():
                    for name in source.credential_names:
                        monkeypatch.setenv(name, f"real-{name}")
                async with access.client() as client:
                    return {
                        name: await client.ask(source, example_of(source))
                        for name, source in access.sources.items()
                    }

    replies = asyncio.run(scenario())
    assert {reply.source for reply in replies.values()} == {f"sandbox:{name}" for name in replies}
    assert all(reply.status == 403 for reply in replies.values())
    assert {path.split("/")[1] for path, _ in heard} == {base_path(n)[1:] for n in replies}
    assert "real-" not in json.dumps(heard)
    assert credential("SEARCHAPI_API_KEY") in json.dumps(heard)
