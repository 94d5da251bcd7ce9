"""The Parquet files of a build: their bytes, their logical hashes, and sharing them.

The bytes of a file follow from its rows: they are in a total order, money is DECIMAL, and the
writer's settings and the rows of a group are pinned. So a file whose rows are those of a file
that is there already need not be written: their logical hash tells (`row_sums`).
"""

import hashlib
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import duckdb

from pricing_assets.core.training import SchemaMismatch, Table

ROW_GROUP_ROWS = 131_072

PARQUET = (
    f"FORMAT parquet, PARQUET_VERSION v1, COMPRESSION zstd, COMPRESSION_LEVEL 3, "
    f"ROW_GROUP_SIZE {ROW_GROUP_ROWS}"
)
"""Settings of the Parquet writer; pinned, for the bytes to repeat."""

WIDE = {"UUID": "CAST({name} AS VARCHAR)", "BLOB": "lower(hex({name}))"}
"""Types that columns are carried in, and how they are the text that the file has.

Sorting 9,000,000 sales took 63 s of the processor with ids and hashes as text, and 26 s so.
"""

WRITER = f"DuckDB {duckdb.__version__}"
"""What makes the bytes of a Parquet file, beside its rows and our settings."""


class RowSums(NamedTuple):
    """Sums over the hashes of rows: those of two sets of rows add up to those of both."""

    rows: int = 0
    low: int = 0
    high: int = 0

    def __add__(self, other: "RowSums") -> "RowSums":  # type: ignore[override]
        """Return the sums over the rows of both."""
        return RowSums(self.rows + other.rows, self.low + other.low, self.high + other.high)

    def sha256(self) -> str:
        """Return the logical hash of the rows, whatever their order and their file."""
        return hashlib.sha256(f"{self.rows}|{self.low}|{self.high}".encode()).hexdigest()


class Earlier(Protocol):
    """An earlier build: where it is, and its manifest."""

    @property
    def path(self) -> Path:
        """Its directory."""

    @property
    def manifest(self) -> dict[str, Any]:
        """Its manifest."""


@dataclass(frozen=True, slots=True)
class WrittenFile:
    """A Parquet file of a build: its name, what the manifest says of it, the sums of its rows."""

    name: str
    entry: dict[str, Any]
    sums: RowSums


def write_table(
    duck: duckdb.DuckDBPyConnection, relation: str, table: Table, staging: Path
) -> WrittenFile:
    """Write a table that has one file of the rows of a relation."""
    path = staging / table.file_of()
    write_parquet(duck, relation, table.order, path)
    _check_written(duck, path, table)
    sums = row_sums(duck, f"read_parquet('{path}')")
    return WrittenFile(path.name, _parquet_entry(path, sums), sums)


def write_buckets(
    duck: duckdb.DuckDBPyConnection,
    relation: str,
    table: Table,
    staging: Path,
    there: Earlier | None,
) -> list[WrittenFile]:
    """Write a file of each bucket that a relation has rows of; link one that is there already.

    Args:
        relation: Rows of the table, and their `bucket`.
        staging: The build's directory.
        there: A build whose files would be the same where their rows are.
    """
    (staging / table.name).mkdir(exist_ok=True)
    files, last = [], None
    for bucket, sums in _bucket_sums(duck, relation):
        name = table.file_of(bucket)
        path = staging / name
        entry = there and _linked(there, path, name, sums)
        if not entry:
            rows = f"(SELECT * EXCLUDE (bucket) FROM {relation} WHERE bucket = {bucket})"
            write_parquet(duck, rows, table.order, path)
            entry, last = _parquet_entry(path, sums), path
        files.append(WrittenFile(name, entry, sums))
    if last is not None:  # one statement wrote them all
        _check_written(duck, last, table)
    return files


def write_no_rows(
    duck: duckdb.DuckDBPyConnection, relation: str, table: Table, staging: Path
) -> WrittenFile:
    """Write the first bucket's file of a relation without rows: a table has one at least."""
    path = staging / table.file_of()
    write_parquet(duck, f"(SELECT * EXCLUDE (bucket) FROM {relation} LIMIT 0)", table.order, path)
    return WrittenFile(table.file_of(), _parquet_entry(path, RowSums()), RowSums())


def _linked(there: Earlier, path: Path, name: str, sums: RowSums) -> dict[str, Any] | None:
    """Link the file of an earlier build that has these rows; None where it has not."""
    entry: dict[str, Any] = there.manifest["files"].get(name, {})
    if entry.get("row_hash") != sums.sha256():
        return None
    try:
        _link_or_copy(there.path / name, path)
    except FileNotFoundError:
        return None  # a build that came between took it away
    if _sha256(path) != entry["sha256"]:
        path.unlink()
        return None
    return entry


def _link_or_copy(source: Path, target: Path) -> None:
    """Give a file a second name; where the file system has no links, copy it."""
    try:
        os.link(source, target)
    except FileNotFoundError:
        raise
    except OSError:
        shutil.copyfile(source, target)


def write_parquet(
    duck: duckdb.DuckDBPyConnection, relation: str, order: Sequence[str], path: Path
) -> None:
    """Write a relation in a total order of its rows.

    Args:
        relation: Its ids may be UUIDs, and its hashes bytes: see `WIDE`.
    """
    wide = ", ".join(
        f"{_wide(name, kind)} AS {_quoted(name)}" for name, kind in _described(duck, relation)
    )
    # Statistics of what the rows come from would decide which columns are declared never null.
    duck.execute("SET disabled_optimizers = 'statistics_propagation'")
    duck.execute(
        f"COPY (SELECT {wide} FROM (FROM {relation} ORDER BY {', '.join(order)})) "
        f"TO '{path}' ({PARQUET})"
    )
    duck.execute("RESET disabled_optimizers")


def row_sums(duck: duckdb.DuckDBPyConnection, relation: str) -> RowSums:
    """Return the sums that make a relation's logical hash.

    A row's hash is the MD5 of its values in the order of the columns: of a text its length in
    bytes, a colon and itself; of another value its text (of a moment the microseconds since
    1970) and a semicolon. Of NULL there is only the colon or the semicolon. So no two rows have
    one text. The sums are those of the lower and the upper half of the hashes: whole numbers,
    which add up to the same in any order and on any number of threads.
    """
    found = _sums(duck, relation, _described(duck, relation), "0")
    return found[0][1] if found else RowSums()


def _bucket_sums(duck: duckdb.DuckDBPyConnection, relation: str) -> list[tuple[int, RowSums]]:
    """Return the `row_sums` of every bucket of a relation, without the column `bucket`."""
    columns = [(name, kind) for name, kind in _described(duck, relation) if name != "bucket"]
    return _sums(duck, relation, columns, "bucket")


def _sums(
    duck: duckdb.DuckDBPyConnection,
    relation: str,
    columns: Sequence[tuple[str, str]],
    bucket: str,
) -> list[tuple[int, RowSums]]:
    text = ", ".join(_hashed(name, kind) for name, kind in columns)
    rows = duck.execute(
        "SELECT bucket, count(*), sum(CAST(h & 18446744073709551615 AS HUGEINT)), "
        "sum(CAST(h >> 64 AS HUGEINT)) "
        f"FROM (SELECT {bucket} AS bucket, md5_number(concat({text})) AS h FROM {relation}) "
        "GROUP BY bucket ORDER BY bucket"
    ).fetchall()
    return [(number, RowSums(*sums)) for number, *sums in rows]


def _hashed(name: str, kind: str) -> str:
    if kind == "TIMESTAMP WITH TIME ZONE":
        return f"epoch_us({_quoted(name)}), ';'"
    if kind in ("VARCHAR", *WIDE):
        return f"strlen({_wide(name, kind)}), ':', {_wide(name, kind)}"
    return f"{_quoted(name)}, ';'"


def _wide(name: str, kind: str) -> str:
    return WIDE.get(kind, "{name}").format(name=_quoted(name))


def _quoted(name: str) -> str:
    return f'"{name}"'


def _described(duck: duckdb.DuckDBPyConnection, relation: str) -> list[tuple[str, str]]:
    rows = duck.execute(f"DESCRIBE SELECT * FROM {relation}").fetchall()
    return [(name, kind) for name, kind, *_ in rows]


def _parquet_entry(path: Path, sums: RowSums) -> dict[str, Any]:
    """Return what a manifest says of a Parquet file."""
    return {**file_entry(path), "rows": sums.rows, "row_hash": sums.sha256()}


def file_entry(path: Path) -> dict[str, Any]:
    """Return what a manifest says of a file."""
    return {"sha256": _sha256(path), "bytes": path.stat().st_size}


def rows_of(directory: Path, files: Sequence[str]) -> str:
    """Return the DuckDB relation of the rows of some Parquet files."""
    listed = ", ".join(f"'{directory / name}'" for name in files)
    return f"read_parquet([{listed}])"


def file_problems(directory: Path, manifest: Mapping[str, Any]) -> list[str]:
    """Return a sentence for every file that is not what its manifest says."""
    found = []
    for name, entry in manifest["files"].items():
        path = directory / name
        if not path.is_file():
            found.append(f"{name} is missing")
        elif _sha256(path) != entry["sha256"]:
            found.append(f"{name} is not the file that its manifest names (SHA-256 differs)")
    return found


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _check_written(duck: duckdb.DuckDBPyConnection, path: Path, table: Table) -> None:
    """Hold that a file has the columns that its table declares.

    Raises:
        SchemaMismatch: It has not.
    """
    written = _described(duck, f"read_parquet('{path}')")
    kinds = ", ".join(f"typeof(CAST(NULL AS {c.type}))" for c in table.columns)
    names = [c.name for c in table.columns]
    declared = list(zip(names, duck.execute(f"SELECT {kinds}").fetchall()[0], strict=True))
    if written != declared:
        wrong = sorted(set(written) ^ set(declared))
        raise SchemaMismatch(
            f"{path.name} was not written as declared: {wrong} differ between the file and "
            "pricing_assets.core.training"
        )
