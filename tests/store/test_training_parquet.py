"""Files whose bytes follow from their rows alone."""

import hashlib
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from pricing_assets.store import training_parquet
from pricing_assets.store.training_parquet import row_sums, write_parquet
from resources.compute import duckdb_connection

ROWS = 20_000

GROUP = 2_048


@pytest.fixture(autouse=True)
def small_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = training_parquet.PARQUET.replace("131072", str(GROUP))
    monkeypatch.setattr(training_parquet, "PARQUET", settings)


def written(path: Path, threads: int, relation: str) -> bytes:
    """The bytes of rows that come from a table of more of them, in the order of a salt."""
    with duckdb_connection(threads) as duck:
        duck.execute(
            "CREATE TABLE rows AS SELECT i, "
            "CASE WHEN i % 3 > 0 THEN 'name ' || i % 50 END AS name, "
            "CAST(i % 1000 AS DECIMAL(12, 2)) / 7 AS price, i < 0 AS new "
            f"FROM range({ROWS} * 2) t(i) ORDER BY hash(i + {threads})"
        )
        write_parquet(duck, relation, ("name", "i"), path)
    assert pq.read_metadata(path).num_rows == ROWS
    return path.read_bytes()


def test_row_groups_and_bytes_are_the_same_on_any_number_of_threads(tmp_path: Path) -> None:
    relation = f"(SELECT * FROM rows WHERE i < {ROWS})"
    first = written(tmp_path / "1.parquet", 1, relation)
    assert written(tmp_path / "8.parquet", 8, relation) == first
    metadata = pq.read_metadata(tmp_path / "1.parquet")
    groups = [metadata.row_group(n).num_rows for n in range(metadata.num_row_groups)]
    assert groups == [GROUP] * (ROWS // GROUP) + [ROWS % GROUP]


def test_what_was_left_out_does_not_show_in_the_bytes(tmp_path: Path) -> None:
    """A column is not declared never null because DuckDB happens to know that it is not."""
    relation = f"(SELECT * FROM rows WHERE i < {ROWS})"
    known = f"(SELECT i, name, price, false AS new FROM rows WHERE i < {ROWS})"
    first = written(tmp_path / "read.parquet", 2, relation)
    assert written(tmp_path / "known.parquet", 2, known) == first
    assert all(field.nullable for field in pq.read_schema(tmp_path / "read.parquet"))


def test_columns_that_are_sorted_as_bytes_are_text_in_the_file(tmp_path: Path) -> None:
    made = "md5(CAST(i AS VARCHAR))"
    text = (
        f"SELECT CAST(CAST({made} AS UUID) AS VARCHAR) AS item_id, "
        f"CASE WHEN i % 9 > 0 THEN {made} || {made} END AS payload_sha256, i % 7 AS i FROM rows"
    )
    carried = (
        f"SELECT CAST(item_id AS UUID) AS item_id, unhex(payload_sha256) AS payload_sha256, i "
        f"FROM ({text})"
    )
    written, sums = {}, {}
    for name, relation in (("text", text), ("bytes", carried)):
        path = tmp_path / f"{name}.parquet"
        with duckdb_connection(4) as duck:
            duck.execute(f"CREATE TABLE rows AS SELECT i FROM range({ROWS}) t(i)")
            write_parquet(duck, f"({relation})", ("i", "item_id"), path)
            sums[name] = row_sums(duck, f"({relation})")
            assert row_sums(duck, f"read_parquet('{path}')") == sums[name]
        written[name] = path.read_bytes()
    assert written["bytes"] == written["text"]
    assert sums["bytes"] == sums["text"]
    table = pq.read_table(tmp_path / "bytes.parquet")
    keys = list(zip(table["i"].to_pylist(), table["item_id"].to_pylist(), strict=True))
    assert keys == sorted(keys)
    assert table["payload_sha256"].null_count > 0


TEXTS = (None, "", "a", "1:a", ";", ":", "a;b", "\x1f", "é")


def test_rows_that_differ_have_different_hashes() -> None:
    """Whatever a text has in it: no value runs into the next one, and NULL is not empty."""
    rows = [(one, other, number) for one in TEXTS for other in TEXTS for number in (None, 1, 11)]
    seen = set()
    with duckdb_connection() as duck:
        duck.execute("CREATE TABLE rows (one VARCHAR, number INTEGER, other VARCHAR)")
        for one, other, number in rows:
            duck.execute("DELETE FROM rows")
            duck.execute("INSERT INTO rows VALUES (?, ?, ?)", [one, number, other])
            seen.add(row_sums(duck, "rows").sha256())
    assert len(seen) == len(rows)


def test_the_hash_of_rows_is_that_of_its_definition() -> None:
    """It has to be recomputable from the file for as long as the schema's version stands."""
    with duckdb_connection() as duck:
        duck.execute(
            "CREATE TABLE rows AS SELECT * FROM (VALUES ('é', TIMESTAMPTZ '1970-01-02 00:00:00+00',"
            " CAST(1.50 AS DECIMAL(12, 2)), 0.25::DOUBLE, true), (NULL, NULL, NULL, NULL, NULL))"
        )
        sums = row_sums(duck, "rows")
    texts = ("2:é86400000000;1.50;0.25;true;", ":;;;;")
    hashes = [hashlib.md5(text.encode(), usedforsecurity=False).digest() for text in texts]
    low, high = (
        sum(int.from_bytes(part, "little") for part in parts)
        for parts in zip(*((digest[:8], digest[8:]) for digest in hashes), strict=True)
    )
    assert sums == (2, low, high)
    assert sums.sha256() == hashlib.sha256(f"2|{low}|{high}".encode()).hexdigest()
