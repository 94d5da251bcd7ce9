import json
from datetime import timedelta
from decimal import Decimal

import sqlalchemy as sa

from pricing_assets.schema import tables as t
from pricing_assets.store.sources import freshness, register_sources
from resources.database import Database
from resources.sources import registered_sources
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
