from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

import resources.sources
from pricing_assets.core.categories import CATEGORIES
from pricing_assets.core.people import PERSON_KINDS, PERSON_SOURCES
from resources.sources import registered_sources
from resources.sources.base import Source


def test_every_source_is_found_and_complete() -> None:
    found = registered_sources()
    assert {name: source.kind for name, source in found.items()} == {
        "booksrun": "offer",
        "bookscouter": "offer",
        "decodo_amazon": "metadata",
        "decodo_bookfinder": "ask",
        "ecb": "rates",
        "frankfurter": "rates",
        "bricklink_catalogue": "metadata",
        "bricklink_sold": "sold",
        "bricklink_stock": "ask",
        "ebay_browse": "ask",
        "ebay_marketplace_insights": "sold",
        "google_books": "metadata",
        "open_library": "metadata",
        "pokemontcg": "metadata",
        "rebrickable": "metadata",
        "searchapi_ebay_sold": "sold",
        "serpapi_ebay_sold": "sold",
        "wikidata": "people",
        "wikimedia_commons": "image",
    }
    for source in found.values():
        assert isinstance(source, Source)
        assert source.rate_per_second > 0
        known = PERSON_KINDS if source.kind in PERSON_SOURCES else CATEGORIES
        assert set(source.categories) <= set(known)
        assert (not source.categories) is (source.kind == "rates")
        assert source.base_url.startswith("https://")
        assert source.licence.note
        assert set(source.optional_credential_names) <= set(source.credential_names)


def test_only_what_was_chosen_is_asked_unless_an_operator_switches_it_on() -> None:
    asked = {name for name, source in registered_sources().items() if source.active_by_default}
    assert asked == {
        "booksrun", "bricklink_catalogue", "bricklink_sold", "bricklink_stock", "ebay_browse",
        "ecb", "frankfurter", "google_books", "open_library", "pokemontcg", "rebrickable",
        "searchapi_ebay_sold",
        "wikidata", "wikimedia_commons",
    }  # fmt: skip


def test_an_answer_stays_good_as_long_as_its_kind_changes_slowly() -> None:
    days = {"metadata": 90, "sold": 30, "ask": 3, "offer": 7, "rates": 1}
    days |= {"people": 180, "image": 180}
    for source in registered_sources().values():
        assert source.freshness == timedelta(days=days[source.kind]), source.name


@pytest.fixture
def extra_modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setattr(resources.sources, "__path__", [*resources.sources.__path__, str(tmp_path)])
    yield tmp_path
    import sys

    for name in ("extra_vendor", "other_vendor"):
        sys.modules.pop(f"resources.sources.{name}", None)
        vars(resources.sources).pop(name, None)


MODULE = """
from datetime import timedelta
import httpx
from resources.sources.open_library import OpenLibrary as Base
class Extra(Base):
    name = "{name}"
"""


def test_a_new_module_is_a_new_source(extra_modules: Path) -> None:
    (extra_modules / "extra_vendor.py").write_text(MODULE.format(name="extra"))
    assert registered_sources()["extra"].name == "extra"
    assert "open_library" in registered_sources()


def test_two_sources_of_one_name_are_refused(extra_modules: Path) -> None:
    (extra_modules / "other_vendor.py").write_text(MODULE.format(name="google_books"))
    with pytest.raises(ValueError, match="google_books"):
        registered_sources()
