import hashlib
from collections import Counter

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pricing_assets.core.training import EXAMPLES, split_sql
from resources.compute import duckdb_connection


def splits(works: list[str], threads: int | None = None) -> list[str]:
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
    computed = {name for name in roles if name.startswith("sold_comps")}
    assert {roles[name] for name in (*computed, "training_quality_score")} == {"label-derived"}
    features = {name for name, role in roles.items() if role == "feature"}
    assert not {name for name in features if "sold" in name or "score" in name}


def test_every_column_has_a_meaning_and_a_type_that_duckdb_knows() -> None:
    assert all(column.meaning for column in EXAMPLES)
    with duckdb_connection() as duck:
        for column in EXAMPLES:
            assert duck.execute(f"SELECT CAST(NULL AS {column.type})").fetchall() == [(None,)]
