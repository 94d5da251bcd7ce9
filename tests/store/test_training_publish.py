from pathlib import Path

import fsspec
import pytest

from pricing_assets.loading import load_training_set
from pricing_assets.store.training_places import Build
from pricing_assets.store.training_publish import NotPublished, publish_to
from tests.training_sets import OCTOBER, BuiltSets, built_sets, copied

__all__ = ("built_sets",)


def test_a_build_that_is_not_whole_is_not_published(built_sets: BuiltSets, tmp_path: Path) -> None:
    build = copied(built_sets.month(OCTOBER), tmp_path / "set")
    name = build.manifest["tables"]["sales"]["files"][0]
    (build.path / name).write_bytes(b"x")
    with pytest.raises(NotPublished, match=rf"{name}.*Build the month again"):
        publish_to(build, f"file://{tmp_path / 'published'}")
    assert not (tmp_path / "published").exists()


def test_an_unknown_place_says_so(built_sets: BuiltSets) -> None:
    with pytest.raises(NotPublished, match="nowhere://sets cannot be written"):
        publish_to(built_sets.month(OCTOBER), "nowhere://sets")


def test_a_publication_that_breaks_off_leaves_the_one_before(
    built_sets: BuiltSets, tmp_path: Path
) -> None:
    """The pointer is the last thing that is written."""
    url = f"file://{tmp_path / 'published'}"
    first = built_sets.month(OCTOBER)
    publish_to(first, url)
    second = Build(first.path, {**first.manifest, "build_id": "f" * 16})
    place = tmp_path / "published" / OCTOBER / ("f" * 16)
    # A directory stands where the manifest, the last of the data, is to be.
    (place / "manifest.json" / "in the way").mkdir(parents=True)
    with pytest.raises(OSError, match=r"manifest\.json"):
        publish_to(second, url)
    assert (place / "examples.parquet").is_file()
    loaded = load_training_set(OCTOBER, as_="arrow", directory=url)
    assert loaded.num_rows == first.manifest["rows"]["examples"]
    assert fsspec.filesystem("file").exists(str(tmp_path / "published" / OCTOBER / "current.json"))
