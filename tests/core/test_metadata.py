import json
from datetime import UTC, datetime, timedelta, timezone
from random import Random

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pricing_assets.core.metadata import (
    EXTRA_FIELDS,
    FIELDS,
    MetadataVersion,
    Value,
    completeness,
    merge,
    merge_sql,
)
from resources.compute import duckdb_connection
from tests.examples import COMPLETE

DAWN = datetime(2026, 1, 1, tzinfo=UTC)
SOURCES = ("open_library", "google_books", "sandbox:open_library", "sandbox:google_books", "a", "b")

names = st.sampled_from([*FIELDS, *EXTRA_FIELDS])
texts = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=12)
values: st.SearchStrategy[Value | None] = (
    st.none() | st.just("") | texts | st.integers(-(10**9), 10**9) | st.sampled_from([9.5, 24.99])
)
versions = st.builds(
    MetadataVersion,
    source=st.sampled_from(SOURCES),
    observed_at=st.integers(0, 5).map(lambda us: DAWN + timedelta(microseconds=us)),
    fields=st.dictionaries(names, values, max_size=8),
)
histories = st.lists(
    versions,
    min_size=1,
    max_size=12,
    unique_by=lambda version: (version.source, version.observed_at),
)


def version(source: str, days: int, **fields: Value | None) -> MetadataVersion:
    return MetadataVersion(source, DAWN + timedelta(days=days), fields)  # type: ignore[arg-type]


def test_the_weights_of_completeness_are_a_whole() -> None:
    assert sum(FIELDS.values()) == pytest.approx(1.0)
    assert completeness(COMPLETE) == 1.0
    assert completeness({}) == completeness({"title": "", "authors": None}) == 0.0
    assert completeness({"isbn10": "1", "subjects": "x"}) == 0.0
    assert completeness({"title": "T", "authors": "A"}) == pytest.approx(0.45)


@given(st.dictionaries(st.sampled_from(list(FIELDS)), texts.filter(bool)), names)
def test_knowing_more_is_never_less_complete(fields: dict[str, str], another: str) -> None:
    assert 0.0 <= completeness(fields) <= completeness({**fields, another: "x"}) <= 1.0


def test_the_better_source_counts_even_where_the_other_spoke_later() -> None:
    merged, origin = merge(
        [
            version("open_library", 0, title="Emma", publisher="Penguin"),
            version("google_books", 9, title="EMMA", language="en"),
        ]
    )
    assert merged == {"title": "Emma", "publisher": "Penguin", "language": "en"}
    assert origin["title"] == ("open_library", DAWN)
    assert origin["language"] == ("google_books", DAWN + timedelta(days=9))


@pytest.mark.parametrize("silence", [None, ""])
def test_silence_never_overwrites(silence: str | None) -> None:
    known = version("google_books", 0, title="Emma", page_count=474)
    later = version("google_books", 5, title=silence, page_count=500)
    better = version("open_library", 6, title=silence)
    assert merge([known, later, better])[0] == {"title": "Emma", "page_count": 500}


def test_zero_is_a_value() -> None:
    assert merge([version("a", 0, page_count=0)])[0] == {"page_count": 0}


@given(histories, st.randoms())
def test_the_order_of_the_versions_does_not_matter(
    history: list[MetadataVersion], random: Random
) -> None:
    shuffled = list(history)
    random.shuffle(shuffled)
    assert merge(shuffled) == merge(history)


@given(st.lists(histories, min_size=1, max_size=6))
@settings(max_examples=20, deadline=None)
def test_its_sql_merges_alike(items: list[list[MetadataVersion]]) -> None:
    relation = pa.table(
        {
            "item_id": [str(place) for place, history in enumerate(items) for _ in history],
            "source": [version.source for history in items for version in history],
            "observed_at": pa.array(
                [version.observed_at for history in items for version in history],
                pa.timestamp("us", tz="UTC"),
            ),
            "fields": [
                json.dumps(dict(version.fields), ensure_ascii=False)
                for history in items
                for version in history
            ],
        }
    )
    with duckdb_connection() as duck:
        duck.register("versions", relation)
        found = {row["item_id"]: row for row in _pylist(duck, merge_sql("versions"))}
    for place, history in enumerate(items):
        merged, origin = merge(history)
        row = found[str(place)]
        assert {name: row[name] for name in (*FIELDS, *EXTRA_FIELDS) if row[name] is not None} == {
            name: str(value) for name, value in merged.items()
        }
        assert row["metadata_source"] == (origin["title"][0] if "title" in origin else None)


def test_moments_are_compared_across_zones() -> None:
    east = timezone(timedelta(hours=9))
    earlier = MetadataVersion("a", datetime(2026, 1, 1, 8, tzinfo=east), {"title": "old"})
    later = MetadataVersion("a", datetime(2026, 1, 1, 0, tzinfo=UTC), {"title": "new"})
    assert merge([later, earlier])[0] == {"title": "new"}


def _pylist(duck: duckdb.DuckDBPyConnection, query: str) -> list[dict[str, object]]:
    found: list[dict[str, object]] = duck.sql(query).to_arrow_table().to_pylist()
    return found
