import json
from datetime import timedelta
from decimal import Decimal

import pytest
import sqlalchemy as sa

from pricing_assets.schema import tables as t
from pricing_assets.store.source_settings import UnknownSource, stored_name, switch
from pricing_assets.store.sources import freshness, register_sources
from resources.database import Database
from resources.sources import registered_sources
from resources.sources.open_library import OpenLibrary
from tests.examples import rows

REGISTERED = registered_sources()
ACTIVE = {name for name, source in REGISTERED.items() if source.active_by_default}


def active(database: Database) -> set[str]:
    return {row["name"] for row in rows(database, t.data_sources) if row["is_active"]}


def test_every_source_has_its_row(database: Database) -> None:
    register_sources(database, REGISTERED, "")
    stored = {row["name"]: row for row in rows(database, t.data_sources)}
    assert set(stored) == set(REGISTERED)
    for name, source in REGISTERED.items():
        row = stored[name]
        assert row["kind"] == source.kind
        assert json.loads(row["categories"]) == list(source.categories)
        assert row["rate_per_second"] == source.rate_per_second
        assert row["cost_per_call_usd"] == source.cost_per_call_usd
        assert isinstance(row["cost_per_call_usd"], Decimal)
        assert json.loads(row["licence"])["train"] == source.licence.train
        assert row["is_active"] is source.active_by_default
    assert freshness(database) == {name: REGISTERED[name].freshness for name in ACTIVE}


def test_what_an_operator_has_set_stays(database: Database) -> None:
    mine = t.data_sources.c.name == "open_library"
    database.execute(sa.update(t.data_sources).values(freshness_days=1.5).where(mine))
    register_sources(database, REGISTERED, "")
    register_sources(database, REGISTERED, "sandbox:")
    register_sources(database, REGISTERED, "")
    assert freshness(database)["open_library"] == timedelta(days=1.5)


def test_the_other_profiles_sources_stay_and_are_not_asked(database: Database) -> None:
    register_sources(database, REGISTERED, "sandbox:")
    assert active(database) == {f"sandbox:{name}" for name in ACTIVE}
    assert set(freshness(database)) == active(database)
    assert len(rows(database, t.data_sources)) == 2 * len(REGISTERED)
    register_sources(database, REGISTERED, "")
    assert active(database) == ACTIVE


def test_a_source_that_lost_its_credentials_is_not_asked(database: Database) -> None:
    usable = {name: source for name, source in REGISTERED.items() if name != "ebay_browse"}
    register_sources(database, usable, "")
    assert active(database) == ACTIVE - {"ebay_browse"}
    register_sources(database, {}, "")
    assert active(database) == set()
    register_sources(database, REGISTERED, "")
    assert active(database) == ACTIVE


def test_a_source_that_comes_with_a_new_version_gets_its_row(database: Database) -> None:
    off = t.data_sources.c.name == "bookscouter"
    database.execute(sa.delete(t.data_sources).where(off))
    register_sources(database, REGISTERED, "")
    assert {row["name"] for row in rows(database, t.data_sources)} == set(REGISTERED)


def test_a_row_from_before_its_source_knew_a_category_has_it(database: Database) -> None:
    register_sources(database, REGISTERED, "sandbox:")
    mine = t.data_sources.c.name.in_(("searchapi_ebay_sold", "sandbox:searchapi_ebay_sold"))
    database.execute(sa.update(t.data_sources).values(categories='["book"]').where(mine))
    register_sources(database, REGISTERED, "")
    stored = {row["name"]: row["categories"] for row in rows(database, t.data_sources)}
    assert stored["searchapi_ebay_sold"] == '["book", "card"]'
    assert stored["sandbox:searchapi_ebay_sold"] == '["book"]'  # its profile is not at hand


def test_the_operators_switch_outlives_every_registration(database: Database) -> None:
    switch(database, "ebay_browse", enabled=False)
    for prefix in ("", "sandbox:", ""):
        register_sources(database, REGISTERED, prefix)
    assert active(database) == ACTIVE - {"ebay_browse"}
    register_sources(database, REGISTERED, "", unusable={"ebay_browse"})
    switch(database, "ebay_browse", enabled=True)
    register_sources(database, REGISTERED, "", unusable={"ebay_browse"})
    assert "ebay_browse" not in active(database)
    register_sources(database, REGISTERED, "")
    assert active(database) == ACTIVE


class _Costly(OpenLibrary):
    name = "costly"
    active_by_default = False


def test_a_source_that_is_off_by_default_is_asked_when_it_is_switched_on(
    database: Database,
) -> None:
    sources = {**REGISTERED, "costly": _Costly()}
    register_sources(database, sources, "")
    assert active(database) == ACTIVE
    switch(database, "costly", enabled=True)
    register_sources(database, sources, "")
    assert active(database) == ACTIVE | {"costly"}


def test_a_source_without_credentials_has_its_row_and_is_not_asked(database: Database) -> None:
    register_sources(database, REGISTERED, "sandbox:", unusable={"ebay_browse"})
    assert "sandbox:ebay_browse" in {row["name"] for row in rows(database, t.data_sources)}
    assert "sandbox:ebay_browse" not in active(database)


@pytest.mark.parametrize(
    ("name", "prefix", "stored"),
    [
        ("open_library", "", "open_library"),
        ("open_library", "sandbox:", "sandbox:open_library"),
        ("sandbox:open_library", "", "sandbox:open_library"),
        ("sandbox:open_library", "sandbox:", "sandbox:open_library"),
    ],
)
def test_a_name_is_taken_with_or_without_its_prefix(
    database: Database, name: str, prefix: str, stored: str
) -> None:
    register_sources(database, REGISTERED, "sandbox:")
    assert stored_name(database, name, prefix) == stored


def test_an_unknown_name_is_answered_with_the_close_ones(database: Database) -> None:
    with pytest.raises(UnknownSource, match="did you mean open_library"):
        stored_name(database, "open_libary", "")
    with pytest.raises(
        UnknownSource, match="ebay_browse, ebay_marketplace_insights, ecb, frankfurter"
    ):
        stored_name(database, "zzz", "")


def test_sources_of_one_account_are_stored_with_its_allowance_also_where_they_were_before(
    database: Database,
) -> None:
    table = t.data_sources
    names = [name for name, s in registered_sources().items() if s.allowance == "bricklink"]
    assert names == ["bricklink_catalogue", "bricklink_sold", "bricklink_stock"]
    ours = table.c.name.in_(names)

    def stored() -> list[tuple[str | None, int | None]]:
        found = database.rows(sa.select(table).where(ours).order_by(table.c.name))
        return [(row.allowance, row.daily_call_budget) for row in found]

    def register_again() -> None:
        register_sources(database, registered_sources(), "")

    assert stored() == [("bricklink", 5_000)] * 3
    # As a database was before there were allowances, with one budget that was set.
    database.execute(sa.update(table).where(ours).values(allowance=None, daily_call_budget=None))
    one = table.c.name == "bricklink_sold"
    database.execute(sa.update(table).where(one).values(daily_call_budget=900))
    register_again()
    assert stored() == [("bricklink", 5_000), ("bricklink", 900), ("bricklink", 5_000)]
    # What an operator lifts stays lifted.
    database.execute(sa.update(table).where(ours).values(daily_call_budget=None))
    register_again()
    assert stored() == [("bricklink", None)] * 3
