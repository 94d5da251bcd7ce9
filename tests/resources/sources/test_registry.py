from collections.abc import Iterator
from pathlib import Path

import pytest

import resources.sources
from pricing_assets.core.categories import CATEGORIES
from resources.sources import registered_sources
from resources.sources.base import Source


def test_every_source_is_found_and_complete() -> None:
    found = registered_sources()
    assert {name: source.kind for name, source in found.items()} == {
        "bricklink_catalogue": "metadata",
        "bricklink_sold": "sold",
        "bricklink_stock": "ask",
        "ebay_browse": "ask",
        "google_books": "metadata",
        "open_library": "metadata",
        "pokemontcg": "metadata",
        "rebrickable": "metadata",
        "searchapi_ebay_sold": "sold",
    }
    for source in found.values():
        assert isinstance(source, Source)
        assert source.rate_per_second > 0
        assert set(source.categories) <= set(CATEGORIES)
        assert set(source.optional_credential_names) <= set(source.credential_names)
        assert source.base_url.startswith("https://")
        assert source.licence.note


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
