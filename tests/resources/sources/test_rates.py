"""The publishers of exchange rates, over a socket."""

import asyncio
import io
import json
import zipfile
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from resources.exchange_rates import read_exchange_rates
from resources.sources.client import Credentials, Reply, SourceClient
from resources.sources.ecb import Ecb
from resources.sources.frankfurter import Frankfurter
from resources.sources.rates import RateSource, rates_query
from tests.resources.sources.conftest import book
from tests.resources.sources.vendor_server import Respond, serving

TODAY = date(2026, 11, 20)
HISTORY = b"Date,USD,GBP,\n2026-11-20,1.25,0.8,\n"
XML = (
    b'<?xml version="1.0"?><Cube><Cube time="2026-11-20"><Cube currency="USD" rate="1.2"/></Cube>'
    b"</Cube>"
)
PERIOD = {"base": "EUR", "rates": {"2026-11-20": {"USD": 1.25}}}


def zipped(content: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("eurofxref-hist.csv", content)
    return file.getvalue()


def ask(source: RateSource, respond: Respond, days: int = 10) -> Reply:
    async def scenario() -> Reply:
        async with (
            serving(respond) as origin,
            SourceClient(
                Credentials({}), base_urls={source.name: origin}, backoff_seconds=0.01
            ) as client,
        ):
            return await client.ask(source, rates_query(TODAY - timedelta(days=days), TODAY))

    return asyncio.run(scenario())


async def ecb(request: Request) -> Response:
    """Serve the ECB's two files."""
    bodies = {
        "/stats/eurofxref/eurofxref-hist.zip": zipped(HISTORY),
        "/stats/eurofxref/eurofxref-hist-90d.xml": XML,
    }
    return Response(bodies[request.url.path])


@pytest.mark.parametrize(("days", "euro"), [(3, "1.2"), (85, "1.2"), (86, "1.25"), (9999, "1.25")])
def test_the_ecb_is_asked_for_the_smallest_file_that_has_the_period(days: int, euro: str) -> None:
    reply = ask(Ecb(), ecb, days)
    assert (reply.result, reply.attempts, reply.error) == ("found", 1, None)
    rates = read_exchange_rates(reply.body).to_pylist()
    assert [r["usd_per_unit"] for r in rates if r["currency"] == "EUR"] == [Decimal(euro)]


def test_frankfurter_is_asked_for_the_period() -> None:
    heard: list[str] = []

    async def frankfurter(request: Request) -> Response:
        heard.append(f"{request.url.path}?{request.url.query}")
        return JSONResponse(PERIOD)

    assert ask(Frankfurter(), frankfurter).result == "found"
    assert heard == ["/v1/2026-11-10..2026-11-20?base=EUR"]


def test_a_body_without_rates_is_an_error_that_says_why() -> None:
    async def page(request: Request) -> Response:
        return Response(b"<html><p>maintenance</html>")

    async def gone(request: Request) -> Response:
        return JSONResponse({"message": "not found"}, 404)

    garbled = ask(Ecb(), page)
    assert (garbled.result, garbled.attempts) == ("error", 2)
    assert "ecb about rates 2026-11-10..2026-11-20: body: not XML" in (garbled.error or "")
    refused = ask(Frankfurter(), gone)
    assert "answered 404: not found" in (refused.error or "")


def test_they_are_not_asked_about_an_item() -> None:
    assert not Ecb().covers(book())
    assert not Frankfurter().covers(book())


def test_recorded_answers_of_frankfurter(reference_data: Path) -> None:
    directory = reference_data / "payloads" / "frankfurter"
    entries = json.loads((directory / "_index.json").read_bytes())
    euro = []
    for entry in entries:
        body = (directory / entry["file"]).read_bytes()
        document = json.loads(body)

        async def recorded(
            request: Request, body: bytes = body, status: int = entry["status"]
        ) -> Response:
            return Response(body, status)

        reply = ask(Frankfurter(), recorded)
        if entry["status"] != 200:
            assert "not found" in (reply.error or "")
        elif isinstance(document, dict) and "USD" not in {document["base"], *document["rates"]}:
            assert "no rate to USD" in (reply.error or "")
        else:
            assert reply.result == "found", reply.error
            if isinstance(document, dict):
                rates = read_exchange_rates(reply.body).to_pylist()
                euro += [r["usd_per_unit"] for r in rates if r["currency"] == "EUR"]
    assert len(euro) >= 8
    # One day's euro, through three bases and amounts that round differently.
    assert max(euro) - min(euro) < Decimal("0.001")
