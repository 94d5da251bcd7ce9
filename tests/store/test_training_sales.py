"""The sales in buckets of items: which are written again, and what a build shares with another."""

import errno
import os
import shutil
from pathlib import Path

import duckdb
import pytest

from pricing_assets.core.training import BUCKETS, bucket_sql
from pricing_assets.loading import load_training_set
from pricing_assets.store import training_sales
from pricing_assets.store.training_parquet import WRITER
from pricing_assets.store.training_places import Build
from pricing_assets.store.training_set import _same_writer
from pricing_assets.store.training_verify import content_problems
from resources.database import Database
from tests.examples import NOON, SOLD, book, commit, database, listing, reply, scan
from tests.store.test_training_set import MONTH, build, content, filled, migrated_url

__all__ = ("database", "filled", "migrated_url")

NEW = (40, 41, 42)
"""Books of which a sale is learnt later, before the same as-of."""


def bucket(number: int) -> str:
    """The file of a book's sales."""
    return f"sales/{int(book(number).item_id[:2], 16) * BUCKETS // 256:02}.parquet"


def inodes(made: Build) -> dict[str, int]:
    return {f"sales/{path.name}": path.stat().st_ino for path in (made.path / "sales").iterdir()}


def learn_more(database: Database) -> None:
    scan(database, *NEW, origin="more")
    commit(database, *(reply(n, SOLD, listings=[listing("x", "30.00")]) for n in NEW))


def test_only_the_buckets_whose_rows_changed_are_written_again(
    filled: Database, tmp_path: Path
) -> None:
    before = build(filled, tmp_path / "sets", at=NOON)
    old, written = inodes(before), content(before)
    learn_more(filled)
    made = build(filled, tmp_path / "sets", at=NOON)
    touched = {bucket(number) for number in NEW}
    kept = old.keys() - touched
    assert len(kept) > len(touched)
    new = inodes(made)
    assert {name for name in new if new[name] != old.get(name)} == touched
    after = content(made)
    assert all(after[name] == written[name] for name in kept)
    assert all(after[name] != written.get(name) for name in touched)
    # With what was there and without it, the same bytes.
    scratch = build(filled, tmp_path / "scratch", at=NOON)
    assert not inodes(scratch).items() & new.items()
    assert content(scratch) == after
    # The build before can be taken away: a link is a file of its own.
    for place in (tmp_path / "sets" / ".builds" / MONTH).iterdir():
        if place != made.path.resolve():
            shutil.rmtree(place)
    assert content_problems(made) == []
    assert content(made) == after


def test_a_damaged_file_is_written_and_not_linked(filled: Database, tmp_path: Path) -> None:
    before = build(filled, tmp_path, at=NOON)
    name = next(name for name in inodes(before) if name not in map(bucket, NEW))
    body = (before.path / name).read_bytes()
    (before.path / name).write_bytes(body[:-1])
    learn_more(filled)
    made = build(filled, tmp_path, at=NOON)
    assert (made.path / name).read_bytes() == body
    assert content_problems(made) == []


@pytest.mark.parametrize("differs", ["code_sha256", "writer", "schema_version"])
def test_what_another_code_or_writer_wrote_is_not_linked(tmp_path: Path, differs: str) -> None:
    identity = {"code_sha256": "c", "schema_version": "3.0"}
    manifest = {**identity, "writer": WRITER}
    there = Build(tmp_path, manifest)
    assert _same_writer(there, identity) is there
    assert _same_writer(Build(tmp_path, {**manifest, differs: "other"}), identity) is None
    assert _same_writer(None, identity) is None


def test_where_files_cannot_be_linked_they_are_copied(
    filled: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build(filled, tmp_path / "sets", at=NOON)
    learn_more(filled)
    linked = os.link

    def refuses(source: Path, target: Path) -> None:
        if "sales" in Path(target).parts:
            raise OSError(errno.EXDEV, "no links here")
        linked(source, target)

    monkeypatch.setattr(os, "link", refuses)
    made = build(filled, tmp_path / "sets", at=NOON)
    assert content(made) == content(build(filled, tmp_path / "scratch", at=NOON))


def test_passes_of_any_size_give_the_same_bytes(
    filled: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = content(build(filled, tmp_path / "one"))
    monkeypatch.setattr(training_sales, "ROWS_AT_ONCE", 100)
    assert content(build(filled, tmp_path / "some")) == one


@pytest.mark.parametrize("observations", [0, 1, 999_999, 1_000_000, 10_000_000, 10**9])
def test_every_bucket_is_gone_through_once(observations: int) -> None:
    found = [
        place
        for first, last in training_sales._passes(observations)
        for place in range(first, last + 1)
    ]
    assert found == list(range(BUCKETS))


def test_the_bucket_of_an_id_is_of_its_first_byte() -> None:
    ids = [f"{first:02x}ffffff-0000-4000-8000-000000000000" for first in range(256)]
    with duckdb.connect() as duck:
        duck.execute("CREATE TABLE ids AS SELECT CAST(unnest(?) AS UUID) AS id", [ids])
        found = duck.execute(f"SELECT id, {bucket_sql('id')} FROM ids ORDER BY 2, 1").fetchall()
    assert [place for _, place in found] == [first * BUCKETS // 256 for first in range(256)]


def test_a_set_without_a_sale_has_an_empty_table(database: Database, tmp_path: Path) -> None:
    from tests.examples import ASKS

    scan(database, 1)
    commit(database, reply(1, ASKS, listings=[listing("a", "9.00", "ask")]))
    made = build(database, tmp_path)
    assert made.manifest["tables"]["sales"]["files"] == ["sales/00.parquet"]
    assert content_problems(made) == []
    loaded = load_training_set(MONTH, table="sales", as_="arrow", directory=tmp_path)
    assert (loaded.num_rows, loaded.num_columns) == (0, 16)
