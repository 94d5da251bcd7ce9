from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from pricing_assets.core.answers import ItemQuery
from pricing_assets.core.items import item_id
from pricing_assets.schema import tables as t
from pricing_assets.store import comps
from pricing_assets.store.comps import update_comps
from pricing_assets.store.matches import judge_of
from pricing_assets.store.snapshots import build_days
from pricing_assets.store.training_set import build_month
from resources.database import Database
from tests.examples import (
    ASKS,
    COMPLETE,
    DAY,
    NOON,
    SOLD,
    commit,
    isbn,
    item,
    listing,
    reply,
    row,
    rows,
    sales,
    scan,
)

LIBRARY = "open_library"
SEVEN = ["1.00", "2.00", "3.00", "4.00", "5.00", "6.00", "7.00"]


@pytest.fixture
def database(database: Database) -> Database:
    scan(database, 1, 2, 3)
    return database


def stored(database: Database, number: int = 1) -> tuple[Any, ...]:
    found = item(database, number)
    return (
        found.sold_comps_count,
        *(None if amount is None else str(amount) for amount in (
            found.sold_comps_min, found.sold_comps_median, found.sold_comps_max
        )),
    )  # fmt: skip


def test_an_items_comps_are_its_current_sales(database: Database) -> None:
    sales(database, 1, ["10.00", "10.01", "3.50", "99.99"])
    commit(
        database,
        reply(1, ASKS, listings=[listing("a", "5.00", "ask"), listing("b", "6.00", "ask")]),
    )
    assert update_comps(database, now=NOON) == 1
    assert stored(database) == (4, "3.50", "10.01", "99.99")
    found = item(database, 1)
    assert found.estimated_price == Decimal("10.01")
    assert (found.ebay_sold_count, found.ebay_active_count) == (4, 2)
    assert found.sell_through == pytest.approx(4 / 6)
    assert (found.sold_comps_source, found.ebay_currency) == (SOLD, "USD")
    assert found.sold_comps_is_estimate is False
    assert found.sold_comps_as_of == NOON


def test_an_item_has_its_value_and_the_advice(database: Database) -> None:
    commit(
        database,
        reply(
            1,
            SOLD,
            listings=[
                listing(str(n), price, sold_at=NOON - n * DAY, listing_type="auction")
                for n, price in enumerate(["20.00", "21.00", "19.00"] * 4)
            ],
        ),
    )
    commit(database, reply(2, SOLD))
    update_comps(database, now=NOON)
    found = item(database, 1)
    amounts = (found.low_value, found.quick_sale, found.market_value)
    assert Decimal("15.00") < amounts[0] <= amounts[1] < amounts[2]
    assert amounts[2] < found.patient_sale <= found.high_value < Decimal("25.00")
    assert abs(found.market_value - Decimal("20.00")) < Decimal("0.50")
    assert 8 < found.effective_n <= 12
    assert (found.confidence, found.method, found.outliers) == ("high", "sold", 0)
    assert (found.sell_through, found.time_to_sell_days) == (1.0, 8)
    assert found.rarity == pytest.approx(10 / 22)
    assert (found.probability_label, found.probability_score) == ("HIGH", 1.0)
    assert found.advice == "ACCEPT"
    assert found.advice_reason.endswith("and the probability of a sale scores 1.00")
    nothing = item(database, 2)
    assert (nothing.market_value, nothing.effective_n, nothing.method) == (None, 0.0, "none")
    assert (nothing.advice, nothing.rarity) == ("SKIP", 1.0)


def test_comps_and_value_are_of_plain_copies(database: Database) -> None:
    titles = (("a copy", "10.00"), ("a signed copy", "90.00"))
    shown = [replace(listing(title, price), title=title) for title, price in titles]
    commit(database, reply(1, SOLD, listings=shown))
    update_comps(database, now=NOON)
    assert stored(database) == (1, "10.00", "10.00", "10.00")
    assert item(database, 1).market_value == Decimal("10.00")


def test_a_market_that_shows_nothing_has_no_comps(database: Database) -> None:
    commit(database, reply(1, SOLD), reply(2, ASKS, listings=[listing("a", "5.00", "ask")]))
    assert update_comps(database, now=NOON) == 2
    assert stored(database, 1) == stored(database, 2) == (0, None, None, None)
    assert item(database, 1).sell_through is None
    assert (item(database, 2).sell_through, item(database, 2).ebay_active_count) == (0.0, 1)
    assert item(database, 1).estimated_price is None


def test_an_item_whose_market_was_not_fetched_is_left_alone(database: Database) -> None:
    commit(database, reply(1, "open_library", fields=COMPLETE))
    commit(database, reply(2, SOLD, error="answered 503"))
    assert update_comps(database, now=NOON) == 0
    assert item(database, 1).sold_comps_count is item(database, 2).sold_comps_count is None


def test_only_new_evidence_is_computed_again(database: Database) -> None:
    sales(database, 1, SEVEN)
    sales(database, 2, SEVEN)
    assert update_comps(database, now=NOON) == 2
    assert update_comps(database, now=NOON + DAY) == 0
    sales(database, 2, ["100.00"], NOON + DAY)
    assert update_comps(database, now=NOON + DAY) == 1
    assert stored(database, 1) == (7, "1.00", "4.00", "7.00")
    assert stored(database, 2) == (8, "1.00", "4.50", "100.00")
    assert item(database, 2).sold_comps_as_of == NOON + DAY


def test_superseded_sales_do_not_count(database: Database) -> None:
    commit(database, reply(1, SOLD, listings=[listing("a", "5.00"), listing("b", "9.00")]))
    commit(database, reply(1, SOLD, NOON + DAY, listings=[listing("a", "6.00")]))
    update_comps(database, now=NOON + DAY)
    assert stored(database) == (2, "6.00", "7.50", "9.00")


def test_estimates_and_offers_never_count(database: Database) -> None:
    estimate, offer = listing("e", "500.00", "estimate"), listing("o", "1.00", "offer")
    listings = [listing("a", "5.00"), estimate, offer]
    commit(database, reply(1, SOLD, listings=listings))
    update_comps(database, now=NOON)
    assert stored(database) == (1, "5.00", "5.00", "5.00")
    assert item(database, 1).ebay_active_count == 0


def test_many_batches_are_one_result(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comps, "ITEMS_A_BATCH", 2)
    for number in (1, 2, 3):
        sales(database, number, [f"{number}.00"])
    assert update_comps(database, now=NOON) == 3
    assert [stored(database, number)[2] for number in (1, 2, 3)] == ["1.00", "2.00", "3.00"]


def test_a_crash_between_batches_leaves_the_rest(database: Database) -> None:
    sales(database, 1, SEVEN)
    sales(database, 2, SEVEN)
    update_comps(database, now=NOON)
    forgotten = t.items.c.id == item(database, 2).id
    nothing: datetime | None = None
    database.execute(
        sa.update(t.items)
        .values(sold_comps_as_of=nothing, sold_comps_count=nothing)
        .where(forgotten)
    )
    assert update_comps(database, now=NOON + DAY) == 1
    assert stored(database, 2) == (7, "1.00", "4.00", "7.00")


def test_what_is_likelier_another_item_is_kept_and_not_counted(
    database: Database, tmp_path: Path
) -> None:
    commit(database, reply(1, LIBRARY, fields=COMPLETE))
    titles = (
        ("Great Expectations by Charles Dickens", 0.95),
        ("Great Expectations study guide", 0.019),
        ("Great Expectations hardcover", 0.19),
        ("Lot of 3 books: Great Expectations", 0.57),
    )
    shown = [
        replace(listing(str(place), "10.00", kind), title=title)
        for place, (title, _) in enumerate(titles)
        for kind in ("sold", "ask")
    ]
    bid = replace(listing("bid", "3.00", "offer"), title="study guide")
    commit(database, reply(1, SOLD, listings=[*shown, bid]))
    assert [
        (row["title"], row["match_confidence"])
        for row in rows(database, t.price_listings, "kind", "id")
    ] == [*titles, ("study guide", 1.0), *titles]
    update_comps(database, now=NOON)
    assert stored(database)[0] == item(database, 1).ebay_active_count == 2
    build_days(database, [NOON.date()], now=NOON + DAY)
    snapshot = row(database, t.price_snapshots)
    assert (snapshot.sold_count, snapshot.ask_count) == (2, 2)
    built = build_month(
        database,
        "2026-10",
        tmp_path,
        now=NOON + 30 * DAY,
        policy="v1",
        sandbox=False,
        run_id="run",
        internal=True,
    )
    assert built.manifest["observations"] == {"ask": 2, "sold": 2}


def test_each_category_is_matched_by_its_own_rule(database: Database) -> None:
    keys = (("minifigure", "sw0001"), ("card", "1986|fleer|57|michael jordan"), ("book", isbn(9)))
    queries = [ItemQuery(item_id(*key), *key) for key in keys]
    judge = judge_of(database, queries)
    for query, good, bad in zip(
        queries,
        ("Minifigure sw0001", "1986 Fleer Michael Jordan #57 PSA 8", "any title"),
        ("Minifigure sw0002", "1987 Fleer Michael Jordan #59", "any title, ISBN 9780316769174"),
        strict=True,
    ):
        for title, belongs in ((good, True), (bad, False)):
            judged = judge(query, replace(listing("1", "1.00"), title=title))
            assert judged.belongs is belongs, title


def test_what_a_title_says_of_the_copy_is_kept_with_the_price(database: Database) -> None:
    card = ItemQuery(
        item_id("card", "1986|fleer|57|michael jordan"), "card", "1986|fleer|57|michael jordan"
    )
    judge = judge_of(database, [card])
    graded = judge(card, replace(listing("1", "1.00"), title="1986 Fleer Michael Jordan #57 PSA 8"))
    assert (graded.variant.own_price, graded.variant.grader) == ("psa 8", "psa")
    titles = ("Great Expectations", "Great Expectations signed", "Great Expectations lot of 3")
    shown = [
        replace(listing(str(n), "10.00", condition="Used"), title=title, seller_feedback=98.5)
        for n, title in enumerate(titles)
    ]
    commit(database, reply(1, LIBRARY, fields=COMPLETE), reply(1, SOLD, listings=shown))
    assert [
        (r["variant"], r["lot_size"], str(r["price_usd"]), r["condition"], r["seller_feedback"])
        for r in rows(database, t.price_listings, "source_listing_id")
    ] == [
        (None, 1, "10.00", "Used", 98.5),
        ("signed", 1, "10.00", "Used", 98.5),
        (None, 3, "3.33", "Used", 98.5),
    ]


def test_a_sale_after_the_fetch_is_no_comp_of_it(database: Database) -> None:
    later = listing("b", "90.00", sold_at=NOON + DAY)
    commit(database, reply(1, SOLD, listings=[listing("a", "10.00"), later]))
    update_comps(database, now=NOON)
    assert stored(database) == (1, "10.00", "10.00", "10.00")
    assert item(database, 1).market_value == Decimal("10.00")
