import hashlib
import json
from collections import Counter

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pricing_assets.core.training import (
    EXAMPLES,
    SCHEMA_VERSION,
    TABLES,
    SchemaMismatch,
    check_readable,
    check_versions,
    columns_of_tables,
    required_bump,
    split_sql,
)
from resources.compute import duckdb_connection


def splits(works: list[str], threads: int = 2) -> list[str]:
    with duckdb_connection(threads) as duck:
        duck.register("works", pa.table({"place": range(len(works)), "work": works}))
        query = f"SELECT {split_sql('work')} FROM works ORDER BY place"
        return [split for (split,) in duck.execute(query).fetchall()]


def reference_split(work: str) -> str:
    digest = hashlib.sha256(f"pricing-assets/split/1|{work}".encode()).hexdigest()
    bucket = int(digest[:8], 16) % 100
    return "train" if bucket < 80 else "validation" if bucket < 90 else "test"


@given(st.lists(st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]))))
@settings(max_examples=20, deadline=None)
def test_a_work_is_where_its_hash_puts_it(works: list[str]) -> None:
    assert splits(works) == [reference_split(work) for work in works]


def test_a_work_stays_on_its_side_for_ever() -> None:
    works = ["OL1W", "OL2W", "OL0W", "OL12W", "OL14W", "OL19W"]
    assert splits(works) == ["train"] * 2 + ["validation"] * 2 + ["test"] * 2


def test_the_shares_are_80_10_and_10_percent() -> None:
    shares = Counter(splits([f"OL{number}W" for number in range(20_000)]))
    assert shares["train"] / 20_000 == pytest.approx(0.8, abs=0.01)
    assert shares["validation"] / 20_000 == pytest.approx(0.1, abs=0.01)
    assert shares["test"] / 20_000 == pytest.approx(0.1, abs=0.01)


def test_what_was_computed_from_the_label_is_no_feature() -> None:
    roles = {column.name: column.role for column in EXAMPLES}
    assert len(roles) == len(EXAMPLES)
    assert [name for name, role in roles.items() if role == "label"] == ["target_price"]
    computed = {name for name in roles if name.startswith("sold_comps")} | {"spread_percent"}
    assert {roles[name] for name in (*computed, "training_quality_score")} == {"label-derived"}
    features = {name for name, role in roles.items() if role == "feature"}
    assert not {name for name in features if "sold" in name or "score" in name}


def test_every_column_has_a_meaning_and_a_type_that_duckdb_knows() -> None:
    assert all(column.meaning for column in EXAMPLES)
    with duckdb_connection() as duck:
        for column in EXAMPLES:
            assert duck.execute(f"SELECT CAST(NULL AS {column.type})").fetchall() == [(None,)]


WRITTEN = {"2.0": "f7df5d18f16efb23", "2.1": "b94852bbd8339168", "3.0": "b94852bbd8339168"}
"""Hash of the columns of every version that was released: a change of them needs a new one."""


def test_the_columns_are_those_of_their_version() -> None:
    text = json.dumps(columns_of_tables(), sort_keys=True)
    assert WRITTEN[SCHEMA_VERSION] == hashlib.sha256(text.encode()).hexdigest()[:16], (
        "the columns changed: raise SCHEMA_VERSION, and add it here with its hash"
    )


@pytest.mark.parametrize("name", TABLES)
def test_every_table_has_unique_columns_with_a_role(name: str) -> None:
    table = TABLES[name]
    assert len({c.name for c in table.columns}) == len(table.columns)
    assert set(table.order) <= {c.name for c in table.columns}
    assert all(c.role for c in table.columns)


BEFORE = {"t": [("a", "VARCHAR"), ("b", "BIGINT")]}


@pytest.mark.parametrize(
    ("after", "bump"),
    [
        (BEFORE, None),
        ({"t": [("b", "BIGINT"), ("a", "VARCHAR")]}, None),
        ({"t": [*BEFORE["t"], ("c", "DATE")]}, "minor"),
        ({**BEFORE, "u": [("a", "VARCHAR")]}, "minor"),
        ({"t": [("a", "VARCHAR")]}, "major"),
        ({"t": [("a", "VARCHAR"), ("b", "DOUBLE")]}, "major"),
        ({}, "major"),
    ],
)
def test_a_change_of_the_tables_raises_the_version(
    after: dict[str, list[tuple[str, str]]], bump: str | None
) -> None:
    assert required_bump(BEFORE, after) == bump
    enough = {None: "2.3", "minor": "2.4", "major": "3.0"}[bump]
    check_versions("2.3", BEFORE, enough, after)
    if bump is not None:
        with pytest.raises(SchemaMismatch, match=f"{bump} change, so raise .* to {enough}"):
            check_versions("2.3", BEFORE, "2.3", after)


def test_an_older_code_does_not_build_upon_a_newer_version() -> None:
    with pytest.raises(SchemaMismatch, match="newer release"):
        check_versions("3.0", BEFORE, "2.9", BEFORE)


@pytest.mark.parametrize("version", ["2.1", "4.0", "None", "", "two"])
def test_only_the_own_major_version_is_read(version: str) -> None:
    with pytest.raises(SchemaMismatch, match="that/place has schema version"):
        check_readable(version, "that/place")
    check_readable(f"{SCHEMA_VERSION.split('.')[0]}.99", "that/place")
