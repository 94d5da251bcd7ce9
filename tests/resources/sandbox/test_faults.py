import asyncio
import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pricing_assets.core.answers import Answer, ItemQuery
from resources.sandbox import base_path, credential
from resources.sandbox.catalogue import bundled_catalogue
from resources.sandbox.faults import FaultPlan, Faults, UnreadableFaults, read_faults
from resources.sandbox.market import Market
from resources.sandbox.process import SandboxDidNotStart, SandboxProcess
from resources.sandbox.searchapi_ebay_sold import SearchApiEbaySold
from resources.sources import registered_sources
from resources.sources.client import Reply, SourceClient
from resources.sources.credentials import Credentials
from tests.resources.sources.conftest import book as book_query
from tests.resources.sources.conftest import item as item_query

QUESTIONS = [str(number) for number in range(400)]


def plan(*faults: dict[str, Any], source: str = "open_library", seed: int = 0) -> FaultPlan:
    return FaultPlan.model_validate({"seed": seed, "faults": {source: faults}})


def befallen(of: FaultPlan, questions: list[str] = QUESTIONS) -> dict[str, str]:
    faults = Faults(of)
    due = {question: faults.due("open_library", question) for question in questions}
    return {question: fault.kind for question, fault in due.items() if fault}


def test_a_share_of_the_questions_is_befallen_whatever_their_order() -> None:
    of = plan({"kind": "reset", "share": 0.2}, {"kind": "server_error", "share": 0.1})
    found = befallen(of)
    assert found == befallen(of, QUESTIONS[::-1])
    counts = Counter(found.values())
    assert 55 <= counts["reset"] <= 105
    assert 22 <= counts["server_error"] <= 60
    other = of.model_copy(update={"seed": 1})
    assert befallen(other) != found


@given(every=st.integers(1, 9), count=st.integers(0, 60))
def test_every_nth_question_is_befallen(every: int, count: int) -> None:
    found = befallen(plan({"kind": "reset", "every": every}), QUESTIONS[:count])
    assert list(found) == QUESTIONS[:count][every - 1 :: every]


@given(times=st.integers(1, 4), permanent=st.booleans())
def test_a_question_that_is_asked_again_succeeds_unless_that_is_forbidden(
    times: int, permanent: bool
) -> None:
    fault = {"kind": "reset", "share": 1.0, "times": times, "permanent": permanent}
    faults = Faults(plan(fault))
    failed = [faults.due("open_library", "q") is not None for _ in range(10)]
    assert failed == [permanent or number < times for number in range(10)]
    assert faults.due("google_books", "q") is None


@pytest.mark.parametrize(
    ("document", "complaint"),
    [
        ("faults: {open_library: [{kind: rest, share: 0.1}]}", "faults.open_library[0].kind: "),
        ("faults: {open_library: [{kind: reset, share: 2}]}", "faults.open_library[0].share: "),
        ("faults: {open_library: [{kind: reset}]}", "give either share or every"),
        ("faults: {open_library: [{kind: reset, share: 0.1, evry: 2}]}", "[0].evry: "),
        ("faults: {open_library: [{kind: reset, every: 2, status: 500}]}", "reset has no status"),
        ("faults: {openlibrary: [{kind: reset, every: 2}]}", "faults.openlibrary: no such source"),
        (
            "faults: {open_library: [{kind: expired_token, every: 2}]}",
            "faults.open_library[0].kind: only ebay_browse, ebay_marketplace_insights can have ",
        ),
        (
            "faults: {open_library: [{kind: reset, share: 0.6}, {kind: timeout, share: 0.6}]}",
            "faults.open_library: the shares are more than 1",
        ),
        ("seeds: 3", "seeds: "),
        ("{", "is not .yaml: "),
    ],
)
def test_a_file_that_cannot_be_used_names_the_field(
    tmp_path: Path, document: str, complaint: str
) -> None:
    path = tmp_path / "faults.yaml"
    path.write_text(document)
    with pytest.raises(UnreadableFaults) as refusal:
        read_faults(path)
    assert complaint in str(refusal.value)
    assert str(path) in str(refusal.value)


def test_json_and_an_empty_file_are_read(tmp_path: Path) -> None:
    path = tmp_path / "faults.json"
    path.write_text(json.dumps({"faults": {"open_library": [{"kind": "reset", "every": 3}]}}))
    assert read_faults(path).faults["open_library"][0].every == 3
    empty = tmp_path / "none.yaml"
    empty.write_text("")
    assert read_faults(empty) == FaultPlan()
    with pytest.raises(UnreadableFaults, match=r"nowhere\.yaml cannot be read"):
        read_faults(tmp_path / "nowhere.yaml")


def test_the_sandbox_does_not_start_with_a_bad_file(tmp_path: Path) -> None:
    path = tmp_path / "faults.yaml"
    path.write_text("faults: {open_library: [{kind: reset, share: 2}]}")
    with pytest.raises(SandboxDidNotStart, match=r"faults\.open_library\[0\]\.share"):
        SandboxProcess(size=10, faults=path).start()


# --- on the wire -------------------------------------------------------------------------

BOOKS = [
    book for book in bundled_catalogue(40) if SearchApiEbaySold({}, Market(0)).knows(book.isbn13)
]
ISBNS = [book.isbn13 for book in BOOKS]
SELLING = max(BOOKS, key=lambda book: len(Market(0).sales(book, datetime.now(UTC)))).isbn13
WIRE: list[dict[str, Any]] = [
    {"kind": "too_many_requests", "retry_after": 7},
    {"kind": "too_many_requests"},
    {"kind": "server_error", "status": 503},
    {"kind": "timeout", "seconds": 0.2},
    {"kind": "slow_drip", "seconds": 0.4},
    {"kind": "reset"},
    {"kind": "truncated_body"},
    {"kind": "lying_length"},
    {"kind": "truncated_json"},
    {"kind": "mangled_json"},
    {"kind": "wrong_charset"},
    {"kind": "echo_error"},
    {"kind": "echo_redirect"},
    {"kind": "echo_body"},
]


class Sandbox:
    """A sandbox with one permanent fault for each kind, told apart by the book."""

    def __init__(self, url: str) -> None:
        self.url = url
        # No connection is used again: some faults spoil it for the question that comes next.
        limits = httpx.Limits(max_keepalive_connections=0)
        self.client = httpx.Client(base_url=url, timeout=5, limits=limits)

    def library(self, isbn: str) -> httpx.Response:
        params = {"bibkeys": f"ISBN:{isbn}", "format": "json", "jscmd": "data"}
        return self.client.get("/open_library/api/books", params=params)

    def sold(self, isbn: str) -> httpx.Response:
        params = {
            "engine": "ebay_search", "q": isbn, "filters": "sold_listings",
            "api_key": credential("SEARCHAPI_API_KEY"),
        }  # fmt: skip
        return self.client.get("/searchapi_ebay_sold/api/v1/search", params=params)

    def stats(self) -> dict[str, dict[str, Any]]:
        stats: dict[str, dict[str, Any]] = self.client.get("/_sandbox/stats").json()
        return stats


@contextmanager
def sandbox(tmp_path: Path, **faults: list[dict[str, Any]]) -> Iterator[Sandbox]:
    path = tmp_path / "faults.json"
    path.write_text(json.dumps({"faults": faults}))
    with SandboxProcess(size=40, faults=path, log_path=tmp_path / "log") as process:
        yield Sandbox(process.url)
    assert (tmp_path / "log").read_text() == "", "a fault is no error of the sandbox's own"


def read(get: Any, isbn: str) -> httpx.Response | httpx.TransportError:
    try:
        return get(isbn)  # type: ignore[no-any-return]
    except httpx.TransportError as error:
        return error


def test_each_kind_on_the_wire_and_all_well_the_second_time(tmp_path: Path) -> None:
    # Every nth question has the nth kind: so many questions that each kind comes once.
    count = len(WIRE)
    kinds: list[dict[str, Any]] = [
        {**kind, "every": count - number} for number, kind in enumerate(WIRE)
    ]
    with sandbox(tmp_path, open_library=kinds) as server:
        seen: dict[int, Any] = {}
        for number, isbn in enumerate(ISBNS[:count], start=1):
            # The first of the list whose "every" divides the number: its own.
            seen[number] = read(server.library, isbn)
        by_kind = [seen[count - number] for number in range(count)]
        again = [server.library(isbn) for isbn in ISBNS[:count]]
        stats = server.stats()
    assert [response.status_code for response in again] == [200] * count
    assert all(isinstance(response.json(), dict) for response in again)
    assert sum(stats["faults"]["open_library"].values()) == count
    assert stats["requests"]["open_library"] == 2 * count
    assert stats["429s"] == {}

    (waits, plain, error, silent, drip, reset, cut, short, half, garbled, charset, echo, elsewhere,
     body) = by_kind  # fmt: skip
    assert (waits.status_code, waits.headers["Retry-After"]) == (429, "7")
    assert (plain.status_code, "Retry-After" in plain.headers) == (429, False)
    assert error.status_code == 503
    assert isinstance(silent, httpx.RemoteProtocolError)
    assert isinstance(drip.json(), dict)
    assert drip.elapsed.total_seconds() >= 0.25
    assert isinstance(reset, httpx.ReadError)
    assert isinstance(cut, httpx.RemoteProtocolError)
    for response in (short, half, garbled, charset):
        assert response.status_code == 200
        with pytest.raises(ValueError, match=r"."):
            json.loads(response.content)
    assert int(short.headers["Content-Length"]) == len(short.content)
    assert echo.status_code == 500
    assert "ISBN" in echo.json()["error"]["message"]
    assert elsewhere.status_code == 302
    assert elsewhere.headers["Location"].startswith("http://127.0.0.2:9/")
    assert "python-httpx" in body.json()["you_asked"]


def test_quotas_tokens_and_pages(tmp_path: Path) -> None:
    quota = [{"kind": "quota_exceeded", "every": 2, "permanent": True}]
    with sandbox(
        tmp_path,
        google_books=quota,
        ebay_browse=[{"kind": "expired_token", "every": 1}],
        ebay_token=[{"kind": "server_error", "every": 2}],
        searchapi_ebay_sold=[
            {"kind": "endless_next", "every": 3},
            {"kind": "quota_exceeded", "every": 2},
            {"kind": "duplicate_page", "every": 1},
        ],
    ) as server:
        others = [isbn for isbn in ISBNS if isbn != SELLING]
        doubled, used_up, endless = (server.sold(isbn) for isbn in (SELLING, *others[:2]))
        plain = server.sold(SELLING)
        assert (used_up.status_code, "month" in used_up.json()["error"]) == (429, True)
        ids = [result["item_id"] for result in doubled.json()["organic_results"]]
        assert ids == [result["item_id"] for result in plain.json()["organic_results"]] * 2
        assert len(ids) > 0
        assert endless.json()["pagination"]["next"].startswith(server.url)

        def token() -> httpx.Response:
            return server.client.post(
                "/ebay_browse/identity/v1/oauth2/token",
                auth=(credential("EBAY_CLIENT_ID"), credential("EBAY_CLIENT_SECRET")),
                data={
                    "grant_type": "client_credentials",
                    "scope": "https://api.ebay.com/oauth/api_scope",
                },
            )

        given, failed = token(), token()
        assert (given.status_code, failed.status_code) == (200, 500)
        headers = {"Authorization": f"Bearer {given.json()['access_token']}"}
        search = "/ebay_browse/buy/browse/v1/item_summary/search"
        answers = [
            server.client.get(search, params={"q": SELLING}, headers=headers) for _ in range(2)
        ]
        assert [answer.status_code for answer in answers] == [401, 200]
        assert answers[0].json()["errors"][0]["errorId"] == 1001


PAGED = ("ebay_browse", "ebay_marketplace_insights", "searchapi_ebay_sold", "serpapi_ebay_sold")
WITH_A_QUOTA = (
    *PAGED, "booksrun", "bookscouter", "bricklink_catalogue", "bricklink_sold",
    "bricklink_stock", "google_books",
)  # fmt: skip


def ask(url: str, name: str, *queries: ItemQuery) -> list[Reply]:
    """What the source's own client makes of it."""
    source = registered_sources()[name]

    async def scenario() -> list[Reply]:
        async with SourceClient(
            Credentials({key: credential(key) for key in source.credential_names}),
            base_urls={name: url + base_path(name)},
            rate_overrides={name: 300},
            backoff_seconds=0.01,
        ) as client:
            return [await client.ask(source, query) for query in queries]

    return asyncio.run(scenario())


def test_every_vendor_with_a_quota_says_in_its_own_words_that_it_is_used_up(
    tmp_path: Path,
) -> None:
    quota = [{"kind": "quota_exceeded", "every": 1, "permanent": True}]
    with sandbox(tmp_path, **dict.fromkeys(WITH_A_QUOTA, quota)) as server:
        for name in WITH_A_QUOTA:
            known = registered_sources()[name].categories[0] == "book"
            query = book_query(SELLING) if known else item_query("minifigure", "sw0010")
            first, second = ask(server.url, name, query, query)
            assert first.result == "error", name
            # It is not asked again: the day's calls are used up.
            assert second.postponed, (name, first.error)
        assert server.stats()["faults"] == {name: {"quota_exceeded": 1} for name in WITH_A_QUOTA}


def test_every_vendor_with_pages_may_show_one_twice_or_name_a_next_one_for_ever(
    tmp_path: Path,
) -> None:
    pages = [{"kind": "endless_next", "every": 2}, {"kind": "duplicate_page", "every": 1}]
    token = [{"kind": "expired_token", "every": 3}, *pages]
    of_ebay = ("ebay_browse", "ebay_marketplace_insights")
    others = [isbn for isbn in ISBNS if isbn != SELLING]
    queries = [book_query(isbn) for isbn in (SELLING, *others[:2])]
    faults = dict.fromkeys(PAGED, pages) | dict.fromkeys(of_ebay, token)
    with sandbox(tmp_path, **faults) as server:
        # Asked again, a question has no fault.
        befallen, calm = (
            {name: ask(server.url, name, *queries) for name in PAGED} for _ in range(2)
        )
        made = server.stats()["faults"]
    assert made == {
        name: {"endless_next": 1, "duplicate_page": 1 + (name not in of_ebay)}
        | ({"expired_token": 1} if name in of_ebay else {})
        for name in PAGED
    }
    for name in PAGED:
        answers = [[reply.answer for reply in replies[name]] for replies in (befallen, calm)]
        assert None not in answers[1], name
        for was, is_now in zip(*answers, strict=True):
            assert was is not None
            assert is_now is not None
            assert shown(was) == shown(is_now), name
        assert any(answer and answer.listings for answer in answers[1]), name


def shown(answer: Answer) -> set[tuple[str, Any]]:
    return {(one.source_listing_id, one.price) for one in answer.listings}
