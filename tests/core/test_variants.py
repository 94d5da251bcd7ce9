import json
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from pricing_assets.core.variants import breakdown_sql, own_value_sql
from resources.compute import duckdb_connection
from tests.core.test_valuation import NOW, Seen, relation, sold, valued

KINDS = ("condition", "grader", "grade")


def computed(observations: Sequence[Seen], conditions: Sequence[str | None]) -> dict[str, Any]:
    """The own value and the breakdown of every item."""
    seen = relation(observations)
    for name in KINDS:
        said = conditions if name == "condition" else [None] * len(observations)
        seen = seen.append_column(name, pa.array(said, pa.string()))
    with duckdb_connection() as duck:
        duck.register("observations", seen)
        params = {"moment": NOW}
        own = duck.sql(own_value_sql("observations"), params=params).to_arrow_table()
        duck.register("own", own)
        statement = breakdown_sql("observations", "own")
        entries = dict(duck.sql(statement, params=params).fetchall())
    return {
        row["item_id"]: {**row, "breakdown": json.loads(entries.get(row["item_id"], "[]"))}
        for row in own.to_pylist()
    }


VARIANTS = st.sampled_from([None, None, "signed", "psa 8"])
CONDITIONS = st.sampled_from([None, "Used", "New"])
SEEN = st.builds(
    Seen,
    kind=st.sampled_from(["sold", "sold", "sold", "ask", "offer"]),
    price=st.decimals("0.00", "60.00", places=2),
    days=st.integers(-1, 80).map(float),
    item=st.sampled_from(["1", "2"]),
    variant=VARIANTS,
)


@given(st.lists(st.tuples(SEEN, CONDITIONS), min_size=1, max_size=14))
@settings(max_examples=8, deadline=None)
def test_an_entry_is_the_value_of_its_sales_alone(
    seen: list[tuple[Seen, str | None]],
) -> None:
    found = computed([one for one, _ in seen], [condition for _, condition in seen])
    kinds = {
        (one.item, condition, one.variant)
        for one, condition in seen
        if one.kind == "sold" and one.price > 0 and one.at <= NOW
    }
    assert {
        (item, entry["condition"], entry["variant"])
        for item, row in found.items()
        for entry in row["breakdown"]
    } == kinds
    for item, row in found.items():
        keys = [[entry[name] or "" for name in (*KINDS, "variant")] for entry in row["breakdown"]]
        assert keys == sorted(keys)
        for entry in row["breakdown"]:
            alone = [
                one
                for one, condition in seen
                if one.kind == "sold"
                and (one.item, condition, one.variant)
                == (item, entry["condition"], entry["variant"])
            ]
            ((_, value),) = valued(alone).items()
            assert (entry["n"], entry["median"], entry["market"]) == (
                *(value["n"], str(value["median"])),
                str(value["market"]),
            )


def test_the_own_value_is_that_of_plain_copies_where_any_sold() -> None:
    plain, signed = sold("10.00", "11.00"), [replace(s, variant="signed") for s in sold("90.00")]
    found = computed([*plain, *signed], [None] * 3)["1"]
    ((_, alone),) = valued(plain).items()
    assert (found["market"], found["n"]) == (alone["market"], 2)
    assert [entry["premium"] for entry in found["breakdown"]] == [
        None,
        round(90 / float(alone["market"]) - 1, 2),
    ]
    only = computed(signed, [None])["1"]
    assert (only["market"], only["n"]) == (Decimal("90.00"), 1)
    assert [entry["premium"] for entry in only["breakdown"]] == [None]
