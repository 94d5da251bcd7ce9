"""Wikidata and Wikimedia Commons: their formats, and every recorded payload over a socket."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import Response

from pricing_assets.core.answers import ItemQuery
from pricing_assets.core.items import item_id
from resources.sources.base import (
    MissingCredential,
    Outage,
    PermanentError,
    RetryableError,
    UnparsablePayload,
)
from resources.sources.client import Reply, SourceClient
from resources.sources.credentials import Credentials
from resources.sources.wikidata import Wikidata
from resources.sources.wikimedia_commons import WikimediaCommons
from tests.resources.sources.conftest import answered
from tests.resources.sources.test_recorded_payloads import REFERENCE
from tests.resources.sources.vendor_server import serving

WIKIDATA, COMMONS = Wikidata(), WikimediaCommons()
CREDENTIALS = Credentials({"PRICING_CONTACT": "someone@example.org"})


def about(kind: str, name: str) -> ItemQuery:
    return ItemQuery(item_id(kind, name), kind, name)


AUTHOR = about("author", "Ada Lamplighter")
FILE = about("author", "Ada Lamplighter 1999.jpg")


def claim(value: Any, rank: str = "normal") -> dict[str, Any]:
    return {"mainsnak": {"snaktype": "value", "datavalue": {"value": value}}, "rank": rank}


def entities(*numbers: str) -> list[dict[str, Any]]:
    return [claim({"entity-type": "item", "id": number}) for number in numbers]


def time(text: str, precision: int = 11) -> dict[str, Any]:
    return claim({"time": text, "precision": precision})


def entity(**changes: Any) -> dict[str, Any]:
    claims = {
        "P31": entities("Q5"),
        "P106": entities("Q82955", "Q36180"),
        "P569": [time("+1910-03-04T00:00:00Z")],
        "P570": [time("+1985-00-00T00:00:00Z", 9)],
        "P166": entities("Q1", "Q2"),
        "P18": [claim("Old.jpg"), claim("Ada Lamplighter 1999.jpg", "preferred")],
    } | changes
    return {
        "type": "item",
        "id": "Q990001",
        "labels": {"en": {"language": "en", "value": "Ada Lamplighter"}},
        "descriptions": {"en": {"language": "en", "value": "novelist"}},
        "claims": {prop: found for prop, found in claims.items() if found},
        "sitelinks": {"enwiki": {"title": "Ada Lamplighter"}, "dewiki": {}},
    }


def page(of: dict[str, Any], key: str = "Q990001") -> dict[str, Any]:
    return {"entities": {key: of}, "success": 1}


def test_the_request_asks_by_name_and_says_whom_to_write_to() -> None:
    request = WIKIDATA.request(AUTHOR, CREDENTIALS)
    assert request.url.path == "/w/api.php"
    assert request.url.params["titles"] == "Ada Lamplighter"
    assert request.headers["User-Agent"] == "pricing-assets (someone@example.org)"
    assert COMMONS.request(FILE, CREDENTIALS).url.params["titles"] == f"File:{FILE.natural_key}"
    for source in (WIKIDATA, COMMONS):
        with pytest.raises(MissingCredential, match="PRICING_CONTACT"):
            source.request(AUTHOR, Credentials({}))


def test_a_person() -> None:
    answer = WIKIDATA.parse(AUTHOR, answered(page(entity(), key="Q1 redirected")))
    assert answer.problems == ()
    assert answer.fields == {
        "wikidata_id": "Q990001",
        "label": "Ada Lamplighter",
        "description": "novelist",
        "born": "1910-03-04",
        "died": "1985",
        "awards": 2,
        "wikis": 2,
        "image": "Ada Lamplighter 1999.jpg",
    }


@pytest.mark.parametrize(
    ("kind", "changes", "objection"),
    [
        ("author", {"P31": entities("Q4167410")}, "not a human"),
        ("author", {"P31": []}, "an instance of nothing, not a human"),
        ("author", {"P106": entities("Q82955")}, "other occupations than an author's"),
        ("athlete", {}, "other occupations than an athlete's"),
        ("character", {}, "not a character"),
    ],
)
def test_somebody_else_of_the_name_is_not_found(
    kind: str, changes: dict[str, Any], objection: str
) -> None:
    answer = WIKIDATA.parse(about(kind, "x"), answered(page(entity(**changes))))
    assert (answer.result, answer.fields) == ("not_found", {})
    assert objection in answer.problems[-1]


def test_a_character_is_an_instance_of_one() -> None:
    answer = WIKIDATA.parse(
        about("character", "x"), answered(page(entity(P31=entities("Q3658341"), P106=[])))
    )
    assert answer.result == "found"


@pytest.mark.parametrize(
    ("time_value", "born"),
    [
        (time("+1910-03-00T00:00:00Z", 10), "1910-03"),
        (time("-0043-01-01T00:00:00Z", 9), "-0043"),
        (time("+1900-00-00T00:00:00Z", 7), None),
        (claim("soon"), None),
        ({"mainsnak": {"snaktype": "somevalue"}, "rank": "normal"}, None),
    ],
)
def test_a_date_is_as_precise_as_it_is_known(time_value: dict[str, Any], born: str | None) -> None:
    answer = WIKIDATA.parse(AUTHOR, answered(page(entity(P569=[time_value]))))
    assert answer.fields.get("born") == born


@pytest.mark.parametrize("source", [WIKIDATA, COMMONS], ids=lambda source: source.name)
def test_errors_in_a_200(source: Wikidata | WikimediaCommons) -> None:
    def parse(code: str, **headers: str) -> None:
        error = {"error": {"code": code, "info": "Waiting."}}
        source.parse(AUTHOR, answered(error, 200, **headers))

    with pytest.raises(Outage) as lagging:
        parse("maxlag", **{"Retry-After": "5"})
    assert lagging.value.retry_after == 5
    with pytest.raises(RetryableError, match="ratelimited: Waiting"):
        parse("ratelimited")
    with pytest.raises(PermanentError, match="badvalue"):
        parse("badvalue")
    documents: list[Any] = [[], {}, {"query": {}}, {"entities": 3}]
    for document in (*documents, {"query": {"pages": [{"ns": 6}]}}):
        with pytest.raises(UnparsablePayload):
            source.parse(AUTHOR, answered(document))


def test_a_file_with_its_licence_and_whom_to_name() -> None:
    info = {
        "url": "https://upload.example/a.jpg",
        "width": 800,
        "height": "x",
        "mime": "image/jpeg",
        "extmetadata": {
            "LicenseShortName": {"value": "CC BY-SA 4.0"},
            "LicenseUrl": {"value": "https://creativecommons.org/licenses/by-sa/4.0"},
            "Artist": {"value": '<a href="//x">Ann &amp; Bo</a>\n'},
        },
    }
    answer = COMMONS.parse(FILE, answered({"query": {"pages": [{"imageinfo": [info]}]}}))
    assert answer.fields == {
        "url": "https://upload.example/a.jpg",
        "width": 800,
        "mime": "image/jpeg",
        "licence": "CC BY-SA 4.0",
        "licence_url": "https://creativecommons.org/licenses/by-sa/4.0",
        "attribution": "Ann & Bo",
    }
    assert answer.problems[0].startswith("query.pages[0].imageinfo[0].height: ")
    gone = COMMONS.parse(FILE, answered({"query": {"pages": [{"title": "x", "missing": True}]}}))
    assert gone.result == "not_found"


# --- recorded payloads ---------------------------------------------------------------------


def recorded() -> list[Any]:
    cases = []
    for source in (WIKIDATA, COMMONS):
        index = REFERENCE / "payloads" / source.name / "_index.json"
        if not index.is_file():
            skip = pytest.mark.skip(
                reason=f"no recorded payloads at {index}; set PRICING_REFERENCE_DATA"
            )
            cases.append(pytest.param(source, Path(), {}, id=source.name, marks=skip))
            continue
        cases += [
            pytest.param(source, index.parent / entry["file"], entry, id=entry["file"])
            for entry in json.loads(index.read_text())
        ]
    return cases


def ask(source: Wikidata | WikimediaCommons, status: int, body: bytes) -> Reply:
    async def respond(request: Request) -> Response:
        return Response(body, status, headers={"Content-Type": "application/json; charset=utf-8"})

    async def scenario() -> Reply:
        async with (
            serving(respond) as origin,
            SourceClient(CREDENTIALS, base_urls={source.name: origin}) as client,
        ):
            return await client.ask(source, AUTHOR)

    return asyncio.run(scenario())


@pytest.mark.parametrize(("source", "path", "entry"), recorded())
def test_a_recorded_payload_is_read(
    source: Wikidata | WikimediaCommons, path: Path, entry: dict[str, Any]
) -> None:
    body = path.read_bytes()
    reply = ask(source, entry["status"], body)
    assert (reply.status, reply.body, reply.attempts) == (entry["status"], body, 1)
    assert reply.error is None
    assert reply.answer is not None
    document = json.loads(body)
    if source is COMMONS:
        pages = document["query"]["pages"]
        (one,) = pages if isinstance(pages, list) else pages.values()
        told = one["imageinfo"][0]
        assert reply.answer.problems == ()
        assert reply.answer.fields["url"] == told["url"]
        assert reply.answer.fields["width"] == told["width"]
        if "extmetadata" in told:
            assert (
                reply.answer.fields["licence"] == told["extmetadata"]["LicenseShortName"]["value"]
            )
            assert "<" not in str(reply.answer.fields["attribution"])
        return
    # None of the recordings is of a writer: nothing may be taken from one as it is.
    assert (reply.result, reply.answer.fields) == ("not_found", {})
    ((number, raw),) = document["entities"].items()
    if "missing" in raw:
        assert reply.answer.problems == ()
        return
    assert f"entities.{number}: " in reply.answer.problems[-1]
    raw["claims"] |= {"P31": entities("Q5"), "P106": entities("Q36180")}
    again = ask(source, 200, json.dumps(document).encode())
    assert again.result == "found"
    assert again.answer is not None
    assert again.answer.problems == ()
    assert again.answer.fields["wikidata_id"] == number
    assert again.answer.fields["awards"] == len(raw["claims"].get("P166", ()))
    if "labels" in raw:
        assert again.answer.fields["label"] == raw["labels"]["en"]["value"]
        assert again.answer.fields["wikis"] == len(raw["sitelinks"])
    if "P569" in raw["claims"]:
        said = raw["claims"]["P569"][0]["mainsnak"]["datavalue"]["value"]["time"]
        assert said.startswith(f"+{again.answer.fields['born']}T")
    pictures = [c["mainsnak"]["datavalue"]["value"] for c in raw["claims"].get("P18", ())]
    assert again.answer.fields.get("image") == (pictures[0] if pictures else None)
