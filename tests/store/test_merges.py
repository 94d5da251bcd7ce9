from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from pricing_assets.core.gate import V1
from pricing_assets.schema import tables as t
from pricing_assets.store.comps import update_comps
from pricing_assets.store.gate import flag_items, score_items
from pricing_assets.store.merges import NotMerged, merges_of, unmerge
from pricing_assets.store.snapshots import build_days
from pricing_assets.store.training_places import Build
from pricing_assets.store.training_set import build_month
from pricing_assets.store.training_verify import rederived_problems
from resources.database import Database
from tests.examples import DAY, NOON, SOLD, book, commit, item, listing, reply, row, rows, scan

OTHER = "serpapi_ebay_sold"
HOUR = timedelta(hours=1)


@pytest.fixture
def database(database: Database) -> Database:
    scan(database, 1, 2)
    return database


def show(database: Database, source: str, ids: Sequence[str], *, hours: int = 0) -> None:
    """Let a source show sales of book 1 that are ten days apart, each with its id and price."""
    sold = [
        listing(name, f"1{place}.00", sold_at=NOON - (30 - 10 * place) * DAY)
        for place, name in enumerate(ids)
    ]
    commit(database, reply(1, source, NOON + hours * HOUR, listings=sold))


def counted(database: Database, hours: int) -> int | None:
    now = NOON + hours * HOUR
    update_comps(database, now=now)
    score_items(database, V1, now=now)
    flag_items(database, V1, now=now)
    found = item(database, 1)
    assert found.in_training_as_of == found.sold_comps_as_of == found.market_fetched_at
    count: int | None = found.sold_comps_count
    return count


def revert(database: Database, name: str, hours: int) -> None:
    unmerge(
        *(database, book(1).item_id, OTHER, name),
        user_id="ann",
        reason="two copies",
        now=NOON + hours * HOUR,
    )


def test_a_sale_that_two_sources_show_counts_once_and_is_on_record(database: Database) -> None:
    show(database, SOLD, ["a", "b", "c"])
    show(database, OTHER, ["x", "y", "z"], hours=1)
    assert counted(database, 2) == 3
    assert [
        (m.source, m.source_listing_id, m.first_source, m.first_listing_id, m.decided_at)
        for m in merges_of(database, book(1).item_id)
    ] == [
        (OTHER, name, SOLD, first, NOON + 2 * HOUR)
        for name, first in (("x", "a"), ("y", "b"), ("z", "c"))
    ]


def test_a_merge_that_was_reverted_is_never_made_again(database: Database) -> None:
    show(database, SOLD, ["a", "b", "c"])
    show(database, OTHER, ["x", "y", "z"], hours=1)
    assert counted(database, 2) == 3
    revert(database, "y", 3)
    assert counted(database, 4) == 4
    record = row(database, t.sale_merges, t.sale_merges.c.source_listing_id == "y")
    assert (record.reverted_at, record.reverted_by, record.reason) == (
        *(NOON + 3 * HOUR, "ann"),
        "two copies",
    )
    # The source corrects its title: another observation of the same listing.
    sold = [replace(listing("y", "11.00", sold_at=NOON - 20 * DAY), title="corrected")]
    commit(database, reply(1, OTHER, NOON + 5 * HOUR, listings=sold))
    assert counted(database, 6) == 4
    with pytest.raises(NotMerged, match="is not merged with another sale"):
        revert(database, "y", 7)
    assert row(database, t.sale_merges, t.sale_merges.c.source_listing_id == "y") == record


def test_a_correction_takes_a_merge_from_the_record(database: Database) -> None:
    show(database, SOLD, ["a"])
    show(database, OTHER, ["x"], hours=1)
    assert counted(database, 2) == 1
    sold = [listing("x", "99.00", sold_at=NOON - 30 * DAY)]
    commit(database, reply(1, OTHER, NOON + 3 * HOUR, listings=sold))
    assert counted(database, 4) == 2
    assert rows(database, t.sale_merges) == []


def test_undated_sales_are_never_merged(database: Database) -> None:
    for source in (SOLD, OTHER):
        commit(database, reply(1, source, listings=[listing(f"{source}-1", "10.00")]))
    assert counted(database, 1) == 2


def test_a_past_day_counts_as_it_did_before_a_merge_was_reverted(database: Database) -> None:
    show(database, SOLD, ["a", "b"])
    show(database, OTHER, ["x", "y"], hours=1)
    counted(database, 2)
    revert(database, "x", 24)
    before, after = NOON.date(), NOON.date() + DAY
    # The reverted merge is the news of the next day.
    assert [b.rows for b in build_days(database, [before, after], now=NOON + 9 * DAY)] == [1, 1]
    assert {s["snapshot_date"]: s["sold_count"] for s in rows(database, t.price_snapshots)} == {
        before: 2,
        after: 3,
    }


def test_a_training_set_has_a_sale_once_and_verifies(database: Database, tmp_path: Path) -> None:
    for source in (SOLD, OTHER):
        sold = [
            listing(f"{source}-{n}", f"{20 + n}.00", sold_at=NOON - 5 * n * DAY) for n in range(9)
        ]
        commit(database, reply(1, source, NOON + len(source) * HOUR, listings=sold))
    assert counted(database, 48) == 9

    def build(day: int, at: int | None = None) -> Build:
        return build_month(
            database,
            "2026-10",
            tmp_path,
            now=NOON + day * DAY,
            policy="v1",
            sandbox=False,
            run_id="run",
            at=None if at is None else NOON + at * DAY,
            internal=True,
        )

    first = build(3)
    assert first.manifest["rows"]["sales"] == 9
    examples, problems = rederived_problems(first, database, 5)
    # The bodies of these examples are no vendor's.
    assert examples == 1
    assert [said for said in problems if "cannot be read again" not in said] == []
    unmerge(
        database,
        book(1).item_id,
        *(SOLD, f"{SOLD}-3"),
        user_id="ann",
        reason="two copies",
        now=NOON + 4 * DAY,
    )
    assert build(5).manifest["rows"]["sales"] == 10
    assert build(5, at=3).manifest["rows"]["sales"] == 9
