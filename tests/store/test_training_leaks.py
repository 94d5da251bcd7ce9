import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from pricing_assets.core.leakage import RULES
from pricing_assets.schema import tables as t
from pricing_assets.store import training_set
from pricing_assets.store.training_leaks import Leaking, leaks
from pricing_assets.store.training_observations import usable_sql
from pricing_assets.store.training_places import Build
from pricing_assets.store.training_set import build_month
from tests.training_sets import LATER, NOVEMBER, OCTOBER, BuiltSets, altered, built_sets, copied

__all__ = ("built_sets",)


@pytest.mark.parametrize("month", [OCTOBER, NOVEMBER])
def test_what_is_built_leaks_nothing(built_sets: BuiltSets, month: str) -> None:
    build = built_sets.month(month)
    assert build.manifest["rows"]["examples"] > 30
    assert leaks(build) == {}


BROKEN = [
    (
        "near_perfect_feature",
        "examples",
        "UPDATE examples SET page_count = CAST(target_price * 10 AS INTEGER)",
        "page_count alone explains the label",
    ),
    (
        "near_perfect_feature",
        "examples",
        "UPDATE examples SET binding = CASE WHEN target_price < 40 THEN 'cheap' ELSE 'dear' END, "
        "target_price = CASE WHEN target_price < 40 THEN 10 ELSE 90 END",
        "binding alone explains the label",
    ),
    (
        "work_on_both_sides",
        "examples",
        "UPDATE examples SET split = 'elsewhere' "
        "WHERE natural_key = (SELECT min(natural_key) FROM examples)",
        "work OL[0-9]+W is in elsewhere and ",
    ),
    (
        "later_than_as_of",
        "sales",
        "UPDATE sales SET observed_at = observed_at + INTERVAL 60 DAY "
        "WHERE natural_key = (SELECT min(natural_key) FROM sales)",
        "after the as-of",
    ),
    (
        "later_than_as_of",
        "examples",
        "UPDATE examples SET last_sold_at = TIMESTAMPTZ '2027-01-01 00:00:00+00'",
        "after the as-of",
    ),
    ("only_sales", "sales", "UPDATE sales SET kind = 'estimate'", "of kind estimate"),
    ("only_sales", "sales", "UPDATE sales SET kind = 'ask' WHERE price > 50", "of kind ask"),
    (
        "label_of_sales",
        "examples",
        "UPDATE examples SET target_price = ask_min WHERE ask_min IS NOT NULL",
        "is not the median of its",
    ),
    (
        "simulated_rows",
        "sales",
        "UPDATE sales SET source = 'sandbox:' || source",
        "from sandbox:searchapi_ebay_sold",
    ),
    (
        "simulated_rows",
        "examples",
        "UPDATE examples SET metadata_source = 'sandbox:open_library'",
        "from sandbox:open_library",
    ),
    (
        "declared_roles",
        "examples",
        "ALTER TABLE examples ADD COLUMN sold_next_week DECIMAL(12, 2)",
        "sold_next_week has no declared role",
    ),
]


@pytest.mark.parametrize(("rule", "table", "statement", "says"), BROKEN)
def test_a_leak_breaks_its_rule(
    built_sets: BuiltSets, tmp_path: Path, rule: str, table: str, statement: str, says: str
) -> None:
    build = altered(built_sets.month(OCTOBER), tmp_path / "set", table, statement)
    found = leaks(build)
    assert re.search(says, " ".join(found[rule])), found


def test_a_column_from_the_label_that_is_declared_a_feature_is_found(
    built_sets: BuiltSets, tmp_path: Path
) -> None:
    build = copied(built_sets.month(OCTOBER), tmp_path / "set")
    for column in build.manifest["tables"]["examples"]["columns"]:
        if column["name"] == "sold_comps_median":
            column["role"] = "feature"
    found = leaks(build)
    assert "sold_comps_median was computed from the label" in found["derived_feature"][0]
    assert "sold_comps_median alone explains the label" in found["near_perfect_feature"][0]


def test_a_build_that_leaks_is_not_shown(
    built_sets: BuiltSets, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = tmp_path / "sets"

    def october(at: datetime | None = None) -> Build:
        return build_month(
            *(built_sets.database, OCTOBER, directory),
            now=LATER,
            policy="v1",
            sandbox=False,
            run_id="run",
            at=at,
            internal=True,
        )

    shown = october(datetime(2026, 10, 21, tzinfo=UTC))
    place = shown.path.resolve()
    listings = t.price_listings
    one = sa.select(sa.func.min(listings.c.id)).scalar_subquery()
    sold = sa.select(listings.c.sold_at).where(listings.c.id == one)
    before = built_sets.database.scalar(sold)
    change = sa.update(listings).where(listings.c.id == one)
    # It says that it sold in the future, a date that was read wrongly, and is not left out.
    built_sets.database.execute(change.values(sold_at=LATER))
    careless = usable_sql(LATER)
    monkeypatch.setattr(training_set, "usable_sql", lambda _: careless)
    try:
        with pytest.raises(Leaking, match=r"later_than_as_of: .* after the as-of"):
            october()
    finally:
        built_sets.database.execute(change.values(sold_at=before))
    monkeypatch.undo()
    assert shown.path.resolve() == place
    assert list(directory.glob(".*building")) == []
    assert october().path.resolve() != place


def test_simulated_rows_are_welcome_in_the_sandbox(built_sets: BuiltSets, tmp_path: Path) -> None:
    statement = "UPDATE sales SET source = 'sandbox:' || source"
    build = altered(built_sets.month(OCTOBER), tmp_path / "set", "sales", statement)
    assert "simulated_rows" not in leaks(Build(build.path, {**build.manifest, "simulated": True}))


def test_every_rule_has_a_leak_that_breaks_it() -> None:
    assert {rule for rule, *_ in BROKEN} | {"derived_feature"} == set(RULES)


def test_many_leaks_are_told_as_a_few(built_sets: BuiltSets, tmp_path: Path) -> None:
    build = altered(
        built_sets.month(OCTOBER), tmp_path / "set", "sales", "UPDATE sales SET kind = 'ask'"
    )
    assert leaks(build)["only_sales"][-1] == "and more"
    assert len(leaks(build)["only_sales"]) == 6
