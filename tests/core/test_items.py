import uuid

from hypothesis import given
from hypothesis import strategies as st

from pricing_assets.core.items import ITEM_NAMESPACE, item_id

keys = st.text(min_size=1, max_size=20)


def test_an_id_never_changes() -> None:
    assert item_id("book", "9780439023481") == "fd6a38ab-dee4-5fd3-a6b2-b70d4b2587e9"


@given(keys)
def test_an_id_is_a_uuid_of_version_5(key: str) -> None:
    found = uuid.UUID(item_id("book", key))
    assert found.version == 5
    assert found == uuid.uuid5(ITEM_NAMESPACE, f"book:{key}")
    assert item_id("book", key) == str(found)


@given(keys, keys)
def test_another_key_or_category_is_another_item(one: str, other: str) -> None:
    assert (item_id("book", one) == item_id("book", other)) == (one == other)
    assert item_id("book", one) != item_id("card", one)
