import base64
import re
from collections.abc import Callable
from decimal import Decimal

import dagster as dg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pricing_assets.assets import presentation
from pricing_assets.schema import tables as t

PICTURE = re.compile(r"!\[(.*)\]\(data:image/png;base64,([A-Za-z0-9+/=]+)\)")


def test_a_column_schema_has_types_meanings_and_what_may_be_null() -> None:
    columns = {c.name: c for c in presentation.column_schema(t.price_listings).columns}
    assert set(columns) == {column.name for column in t.price_listings.columns}
    assert columns["price"].type == "decimal128(12, 2)"
    assert columns["price"].description == "as shown, without shipping"
    assert columns["observed_at"].type == "timestamp[us, tz=UTC]"
    assert columns["price"].constraints.nullable is False
    assert columns["price_usd"].constraints.nullable is True


def test_a_column_schema_may_be_of_some_columns() -> None:
    schema = presentation.column_schema(t.items, "in_training", "title")
    assert {column.name for column in schema.columns} == {"in_training", "title"}


@given(st.lists(st.lists(st.none() | st.text() | st.integers(), min_size=2, max_size=2)))
def test_a_table_keeps_its_shape_whatever_its_cells_hold(rows: list[list[object]]) -> None:
    text = presentation.markdown_table(("a", "b"), rows).value
    assert text is not None
    if not rows:
        assert text == "*none*"
        return
    lines = text.split("\n")
    assert len(lines) == len(rows) + 2
    for line in lines:
        assert len(re.findall(r"(?<!\\)\|", line)) == 3


def test_a_long_cell_is_cut_and_none_is_empty() -> None:
    shown = presentation.markdown_table(("a", "b"), [("x" * 500, None)]).value
    assert shown is not None
    last = shown.splitlines()[-1]
    assert len(last) < 80
    assert last.endswith("|  |")


def test_a_column_may_be_as_narrow_as_a_word_of_its_name() -> None:
    shown = presentation.markdown_table(("sold_comps_count", "title"), [(3, "x_y")]).value
    assert shown == "| sold comps count | title |\n| --- | --- |\n| 3 | x_y |"


@pytest.mark.parametrize(
    ("draw", "values"),
    [
        (presentation.bars, ("items", [("one", 1), ("two", 2)])),
        (presentation.bars, ("items", [])),
        (presentation.line, ("items", [("2026-10", 4), ("2026-11", 9)])),
        (presentation.line, ("items", [])),
        (presentation.histogram, ("USD", (0, 5, 10), (3, 4))),
        (presentation.bars, ("USD", [("money", float(Decimal("1.10")))])),
    ],
)
def test_a_plot_is_a_png(
    draw: Callable[..., dg.MarkdownMetadataValue], values: tuple[object, ...]
) -> None:
    match = PICTURE.fullmatch(draw("Title", *values).value or "")
    assert match is not None
    assert match[1] == "Title"
    assert base64.b64decode(match[2]).startswith(b"\x89PNG\r\n")
