from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pricing_assets.core.answers import ItemQuery
from resources.sources.base import (
    CredentialsRefused,
    PermanentError,
    RetryableError,
    Source,
    UnparsablePayload,
    UnreadableBody,
    error_of_status,
    retry_after_seconds,
)
from resources.sources.ebay_browse import EbayBrowse
from resources.sources.open_library import OpenLibrary
from resources.sources.pokemontcg import PokemonTcg
from resources.sources.searchapi_ebay_sold import SearchApiEbaySold
from resources.sources.serpapi_ebay_sold import SerpApiEbaySold
from tests.resources.sources.conftest import book, item


@given(st.integers(100, 599))
def test_a_status_is_success_retryable_or_permanent(status: int) -> None:
    error = error_of_status(status, "words")
    if 200 <= status < 300:
        assert error is None
    else:
        assert error is not None
        assert error.retryable == (status >= 500 or status in (408, 429))
        assert str(status) in str(error)


@pytest.mark.parametrize(("status", "reads"), [(200, 0), (204, 0), (302, 1), (400, 1), (503, 1)])
def test_a_success_is_not_searched_for_words_about_a_failure(status: int, reads: int) -> None:
    class Wordy(OpenLibrary):
        times_read = 0

        def error_detail(self, response: httpx.Response) -> str:
            type(self).times_read += 1
            return super().error_detail(response)

    assert (Wordy().error(httpx.Response(status, content=b"{}")) is None) is (reads == 0)
    assert Wordy.times_read == reads


def test_refused_credentials_close_the_source() -> None:
    assert isinstance(error_of_status(401, ""), CredentialsRefused)
    assert CredentialsRefused.closes_source
    assert not PermanentError.closes_source
    assert not RetryableError.closes_source


@pytest.mark.parametrize(
    ("value", "seconds"), [("7", 7.0), (" 0 ", 0.0), ("", None), ("soon", None), ("-3", None)]
)
def test_retry_after_in_seconds(value: str, seconds: float | None) -> None:
    assert retry_after_seconds(httpx.Headers({"Retry-After": value})) == seconds


def test_retry_after_as_a_date_is_counted_from_the_servers_clock() -> None:
    server_now = datetime(2031, 5, 1, 12, 0, tzinfo=UTC)
    headers = httpx.Headers(
        {
            "Date": format_datetime(server_now, usegmt=True),
            "Retry-After": format_datetime(server_now + timedelta(seconds=90), usegmt=True),
        }
    )
    assert retry_after_seconds(headers) == 90.0
    headers["Retry-After"] = format_datetime(server_now - timedelta(days=1), usegmt=True)
    assert retry_after_seconds(headers) == 0.0


def test_retry_after_as_a_date_without_a_server_clock() -> None:
    until = datetime.now(UTC) + timedelta(seconds=60)
    seconds = retry_after_seconds(
        httpx.Headers({"Retry-After": format_datetime(until, usegmt=True)})
    )
    assert seconds is not None
    assert 50 < seconds <= 60


@given(st.text(max_size=60))
def test_any_retry_after_is_none_or_not_negative(text: str) -> None:
    headers = httpx.Headers({"Retry-After": text.encode("ascii", "ignore").decode()})
    seconds = retry_after_seconds(headers)
    assert seconds is None or seconds >= 0


def test_a_page_that_is_not_json_names_its_type(query: ItemQuery) -> None:
    page = httpx.Response(200, html="<html>Just a moment…</html>")
    with pytest.raises(UnparsablePayload, match="text/html") as caught:
        OpenLibrary().parse(query, page)
    assert caught.value.path == "body"
    assert isinstance(caught.value, UnreadableBody)


def test_a_404_is_not_found_where_the_vendor_says_so(query: ItemQuery) -> None:
    assert OpenLibrary().parse(query, httpx.Response(404)).result == "not_found"


@pytest.mark.parametrize("source", [SearchApiEbaySold(), SerpApiEbaySold(), EbayBrowse()])
def test_what_is_searched_is_not_asked_about_an_item_without_words(source: Source) -> None:
    assert source.covers(item("card", "base1-2", words="blastoise base set 2"))
    assert not source.covers(item("card", "base1-2", words=""))
    assert source.covers(book())
    # What is asked by the key does not need the words.
    assert PokemonTcg().covers(item("card", "base1-2", words=""))
