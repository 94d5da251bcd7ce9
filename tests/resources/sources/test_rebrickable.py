import asyncio
import json
import time
from typing import Any

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import Response

from resources.sources.base import (
    CredentialsRefused,
    MissingCredential,
    RetryableError,
    UnparsablePayload,
)
from resources.sources.client import Reply, SourceClient
from resources.sources.credentials import Credentials
from resources.sources.rebrickable import Rebrickable
from tests.resources.sources.conftest import answered, item
from tests.resources.sources.vendor_server import serving

SOURCE = Rebrickable()
CREDENTIALS = Credentials({"REBRICKABLE_API_KEY": "k1"})
FIGURE = item("minifigure", "fig-000123")


def figure(**changes: Any) -> dict[str, Any]:
    return {
        "set_num": "fig-000123",
        "name": "Lamplighter, Hat and Scarf",
        "num_parts": 5,
        "set_img_url": "https://cdn.example/media/sets/fig-000123.jpg",
        "set_url": "https://rebrickable.example/minifigs/fig-000123/",
        "last_modified_dt": "2020-08-27T16:39:09.450613Z",
    } | changes


def test_the_request_carries_the_key_in_a_header() -> None:
    request = SOURCE.request(FIGURE, CREDENTIALS)
    assert request.url.path == "/api/v3/lego/minifigs/fig-000123/"
    assert request.url.query == b""
    assert request.headers["Authorization"] == "key k1"
    with pytest.raises(MissingCredential, match="REBRICKABLE_API_KEY"):
        SOURCE.request(FIGURE, Credentials({}))


def test_a_figure() -> None:
    answer = SOURCE.parse(FIGURE, answered(figure()))
    assert answer.fields == {
        "name": "Lamplighter, Hat and Scarf",
        "set_number": "fig-000123",
        "part_count": 5,
        "image": "https://cdn.example/media/sets/fig-000123.jpg",
    }
    assert answer.problems == ()


def test_what_is_not_said_is_absent_and_what_cannot_be_read_is_reported() -> None:
    sparse = SOURCE.parse(FIGURE, answered(figure(num_parts=0, set_img_url=None)))
    assert set(sparse.fields) == {"name", "set_number"}
    assert sparse.problems == ()
    bad = SOURCE.parse(FIGURE, answered(figure(num_parts="five", set_img_url=["a"])))
    assert set(bad.fields) == {"name", "set_number"}
    assert [problem.partition(": ")[0] for problem in bad.problems] == ["num_parts", "set_img_url"]


def test_another_figure_is_not_ours() -> None:
    answer = SOURCE.parse(FIGURE, answered(figure(set_num="fig-000124")))
    assert answer.result == "not_found"
    assert answer.problems == ("set_num: asked about fig-000123, answered about fig-000124",)


@pytest.mark.parametrize(
    "document",
    [[], {}, figure(name=None), figure(name=""), {"count": 0, "results": []}, "fig-000123"],
)
def test_what_is_no_figure_is_unparsable(document: object) -> None:
    with pytest.raises(UnparsablePayload):
        SOURCE.parse(FIGURE, answered(document))


def test_errors_are_told_apart() -> None:
    assert SOURCE.parse(FIGURE, answered({"detail": "Not found."}, 404)).result == "not_found"
    with pytest.raises(CredentialsRefused, match="Invalid token"):
        SOURCE.parse(FIGURE, answered({"detail": "Invalid token."}, 401))
    with pytest.raises(RetryableError) as caught:
        SOURCE.parse(FIGURE, answered({"detail": "Expected available in 17 seconds."}, 429))
    assert caught.value.retry_after == 17
    with pytest.raises(RetryableError) as caught:
        SOURCE.parse(
            FIGURE,
            answered({"detail": "available in 17 seconds"}, 429, **{"Retry-After": "3"}),
        )
    assert caught.value.retry_after == 3
    with pytest.raises(RetryableError) as caught:
        SOURCE.parse(FIGURE, answered({"detail": "Throttled."}, 429))
    assert caught.value.retry_after is None
    with pytest.raises(UnparsablePayload, match="text/html"):
        SOURCE.parse(FIGURE, httpx.Response(200, html="<html>One moment</html>"))


def test_only_its_own_numbers_are_asked_about() -> None:
    assert SOURCE.covers(FIGURE)
    assert not SOURCE.covers(item("minifigure", "lmp0007"))


def test_a_throttled_request_waits_as_long_as_the_words_say() -> None:
    arrived: list[float] = []

    async def respond(request: Request) -> Response:
        arrived.append(time.monotonic())
        if len(arrived) == 1:
            document = {"detail": "Request was throttled. Expected available in 1 second."}
            return Response(json.dumps(document), 429)
        return Response(json.dumps(figure()))

    async def scenario() -> Reply:
        async with (
            serving(respond) as origin,
            SourceClient(CREDENTIALS, base_urls={SOURCE.name: origin}) as client,
        ):
            return await client.ask(SOURCE, FIGURE)

    reply = asyncio.run(scenario())
    assert (reply.result, reply.attempts) == ("found", 2)
    assert arrived[1] - arrived[0] >= 1
