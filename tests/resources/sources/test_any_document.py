"""Whatever a vendor of cards or minifigures sends, reading it is an answer or a named error."""

import copy
import json
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pricing_assets.core.answers import ItemQuery
from pricing_assets.core.categories import CATEGORIES
from resources.sources import registered_sources
from resources.sources.base import SourceError
from tests.resources.sources import test_bricklink, test_pokemontcg, test_rebrickable

SHAPES: dict[str, tuple[ItemQuery, Any]] = {
    "bricklink_sold": (test_bricklink.FIGURE, test_bricklink.guide(test_bricklink.sale())),
    "bricklink_stock": (test_bricklink.FIGURE, test_bricklink.guide({"unit_price": "1.0"})),
    "bricklink_catalogue": (test_bricklink.FIGURE, test_bricklink.figure()),
    "rebrickable": (test_rebrickable.FIGURE, test_rebrickable.figure()),
    "pokemontcg": (test_pokemontcg.CARD, {"data": test_pokemontcg.card()}),
}

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(["", "0", "-1", "1e400", "NaN", "\x00", "2026-13-01", "USD", "N"])
    | st.text(max_size=6)
)
documents = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=6,
)


def places(document: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of all values of a document, its own first."""
    inner: list[tuple[Any, Any]] = []
    if isinstance(document, dict):
        inner = list(document.items())
    elif isinstance(document, list):
        inner = list(enumerate(document))
    return [path, *(found for key, value in inner for found in places(value, (*path, key)))]


def changed(document: Any, path: tuple[Any, ...], value: Any) -> Any:
    if not path:
        return value
    whole = copy.deepcopy(document)
    part = whole
    for key in path[:-1]:
        part = part[key]
    part[path[-1]] = value
    return whole


@pytest.mark.parametrize("name", SHAPES)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_one_changed_value_is_survived(name: str, data: st.DataObject) -> None:
    query, document = SHAPES[name]
    path = data.draw(st.sampled_from(places(document)))
    body = json.dumps(changed(document, path, data.draw(documents))).encode("utf-8")
    status = data.draw(st.sampled_from([200, 200, 200, 404, 429, 500]))
    source = registered_sources()[name]
    try:
        answer = source.parse(query, httpx.Response(status, content=body))
    except SourceError:
        return
    fields = {field.name for field in CATEGORIES[query.category].fields}
    assert set(answer.fields) <= fields
    for value in answer.fields.values():
        assert isinstance(value, str | int | float)
        assert value != ""
        assert not isinstance(value, int) or abs(value) < 2**31
        assert "\x00" not in str(value)
    for listing in answer.listings:
        assert round(listing.price, 2) > 0
        assert 1 <= listing.quantity < 2**31
        assert len(listing.source_listing_id) <= 128
        assert len(listing.currency) == 3
        assert listing.sold_at is None or listing.sold_at.tzinfo is not None
    assert all(": " in problem for problem in answer.problems)
