"""Writing a build: its Parquet files, its manifest, its documents, its DuckDB file.

The bytes of a Parquet file follow from its rows: they are in a total order, money is DECIMAL,
and the writer's settings and the rows of a group are pinned.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import duckdb

from pricing_assets.core.changes import COMPARED, changes_sql, keyed, no_changes_sql
from pricing_assets.core.croissant import croissant
from pricing_assets.core.training import (
    REPEATABLE,
    SCHEMA_VERSION,
    SPLITS,
    TABLES,
    SchemaMismatch,
    Table,
    check_versions,
    columns_of_manifest,
    columns_of_tables,
)
from pricing_assets.core.training_card import card
from pricing_assets.core.training_page import page
from pricing_assets.store.training_facts import facts

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


def write_build(
    duck: duckdb.DuckDBPyConnection,
    staging: Path,
    identity: Mapping[str, Any],
    *,
    sales: Sequence["WrittenFile"],
    licences: Mapping[str, Mapping[str, Any]],
    agreements: Sequence[Mapping[str, Any]],
    before: Earlier | None,
    month_before: Earlier | None,
) -> dict[str, Any]:
    """Write a build into a directory and return its manifest.

    Args:
        duck: Has the relations examples, rejected, comps, verdicts, tallies and versions.
        staging: The build's directory, with its sales.
        identity: What the build follows from.
        sales: The files of the sales, which are written.
        licences: Of all sources, by name.
        agreements: Of all sources that the build may have; kept are those that it has.
        before: The build that `changes` compares with.
        month_before: The month that the card's drift compares with.

    Raises:
        SchemaMismatch: The tables changed since the build before and their version did not.
    """
    _check_schema(before)
    relations = {"changes": f"({_changes(before)})"}
    parts = {"sales": sales}
    for table in TABLES.values():
        if table.name not in parts:
            relation = relations.get(table.name, table.name)
            parts[table.name] = [_write_table(duck, relation, table, staging)]
        # What follows reads the file: it is computed once, and the memory is left to the next.
        files = [part.name for part in parts[table.name]]
        duck.execute(f"CREATE OR REPLACE VIEW {table.name} AS FROM {rows_of(staging, files)}")
    found = facts(duck, staging, identity, month_before)
    present = {*found["sources"], *_sources(duck)}
    sums = {name: sum((part.sums for part in parts[name]), RowSums()) for name in TABLES}
    hashes = {name: sums[name].sha256() for name in TABLES}
    entries = {part.name: part.entry for name in TABLES for part in parts[name]}
    manifest: dict[str, Any] = {
        **identity,
        "build_id": _build_id(identity, hashes),
        "rows": {name: sums[name].rows for name in TABLES},
        **{name: found[name] for name in ("splits", "items_considered", "observations", "sources")},
        "agreements": [entry for entry in agreements if entry["source"] in present],
        "licences": {name: licences.get(name, {}) for name in found["sources"]},
        "writer": WRITER,
        "before": before and {key: before.manifest[key] for key in ("build_id", "month", "as_of")},
        "tables": {
            table.name: {
                "meaning": table.meaning,
                "order": list(table.order),
                "row_hash": hashes[table.name],
                "files": [part.name for part in parts[table.name]],
                "columns": [
                    {"name": c.name, "type": c.type, "role": c.role, "meaning": c.meaning}
                    for c in table.columns
                ],
            }
            for table in TABLES.values()
        },
        "files": entries,
    }
    for name, text in (
        ("card.md", card(manifest, found)),
        ("card.html", page(manifest, found)),
        ("croissant.json", json.dumps(croissant(manifest), indent=2) + "\n"),
    ):
        (staging / name).write_text(text, encoding="utf-8")
        entries[name] = file_entry(staging / name)
    (staging / "facts.json").write_text(json.dumps(found, indent=1) + "\n", "utf-8")
    entries["facts.json"] = file_entry(staging / "facts.json")
    (staging / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n", "utf-8")
    _write_duckdb(staging / "training_set.duckdb", staging, manifest)
    return manifest


def _sources(duck: duckdb.DuckDBPyConnection) -> set[str]:
    """Return the sources of the metadata that the build could use."""
    rows = duck.execute("SELECT DISTINCT source FROM versions").fetchall()
    return {source for (source,) in rows}


@dataclass(frozen=True, slots=True)
class WrittenFile:
    """A Parquet file of a build: its name, what the manifest says of it, the sums of its rows."""

    name: str
    entry: dict[str, Any]
    sums: RowSums


def _write_table(
    duck: duckdb.DuckDBPyConnection, relation: str, table: Table, staging: Path
) -> WrittenFile:
    path = staging / table.file_of()
    write_parquet(duck, relation, table.order, path)
    check_written(duck, path, table)
    sums = row_sums(duck, f"read_parquet('{path}')")
    return WrittenFile(path.name, parquet_entry(path, sums), sums)


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
    for bucket, sums in bucket_sums(duck, relation):
        name = table.file_of(bucket)
        path = staging / name
        entry = there and _linked(there, path, name, sums)
        if not entry:
            rows = f"(SELECT * EXCLUDE (bucket) FROM {relation} WHERE bucket = {bucket})"
            write_parquet(duck, rows, table.order, path)
            entry, last = parquet_entry(path, sums), path
        files.append(WrittenFile(name, entry, sums))
    if last is not None:  # one statement wrote them all
        check_written(duck, last, table)
    return files


def write_no_rows(
    duck: duckdb.DuckDBPyConnection, relation: str, table: Table, staging: Path
) -> WrittenFile:
    """Write the first bucket's file of a relation without rows: a table has one at least."""
    path = staging / table.file_of()
    write_parquet(duck, f"(SELECT * EXCLUDE (bucket) FROM {relation} LIMIT 0)", table.order, path)
    return WrittenFile(table.file_of(), parquet_entry(path, RowSums()), RowSums())


def _linked(there: Earlier, path: Path, name: str, sums: RowSums) -> dict[str, Any] | None:
    """Link the file of an earlier build that has these rows; None where it has not."""
    entry: dict[str, Any] = there.manifest["files"].get(name, {})
    if entry.get("row_hash") != sums.sha256():
        return None
    try:
        link_or_copy(there.path / name, path)
    except FileNotFoundError:
        return None  # a build that came between took it away
    if _sha256(path) != entry["sha256"]:
        path.unlink()
        return None
    return entry


def link_or_copy(source: Path, target: Path) -> None:
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


def bucket_sums(duck: duckdb.DuckDBPyConnection, relation: str) -> list[tuple[int, RowSums]]:
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


def parquet_entry(path: Path, sums: RowSums) -> dict[str, Any]:
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


def _build_id(identity: Mapping[str, Any], hashes: Mapping[str, str]) -> str:
    decided = {**identity, "row_hashes": {name: hashes[name] for name in REPEATABLE}}
    return hashlib.sha256(json.dumps(decided, sort_keys=True).encode()).hexdigest()[:16]


def _check_schema(before: Earlier | None) -> None:
    if before is not None:
        check_versions(
            before.manifest["schema_version"],
            columns_of_manifest(before.manifest),
            SCHEMA_VERSION,
            columns_of_tables(),
        )


def check_written(duck: duckdb.DuckDBPyConnection, path: Path, table: Table) -> None:
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


def _changes(before: Earlier | None) -> str:
    if before is None:
        return no_changes_sql("examples")
    known = {name for name, _ in columns_of_manifest(before.manifest)["examples"]}
    return changes_sql(
        keyed(f"read_parquet('{before.path / 'examples.parquet'}')", known),
        "examples",
        tuple(name for name in COMPARED if name in known),
    )


def _write_duckdb(path: Path, directory: Path, manifest: Mapping[str, Any]) -> None:
    with duckdb.connect(str(path)) as duck:
        duck.execute("SET TimeZone = 'UTC'")
        for name in ("examples", "rejected", "changes"):
            duck.execute(
                f"CREATE TABLE {name} AS SELECT * FROM read_parquet(?)",
                [str(directory / f"{name}.parquet")],
            )
        for split in SPLITS:
            duck.execute(f"CREATE VIEW {split} AS SELECT * FROM examples WHERE split = '{split}'")
        # The older system's reader asks for these columns of its table.
        duck.execute(
            "CREATE VIEW cached_books AS SELECT *, natural_key AS isbn, 1 AS in_training, "
            "binding AS cover_type, 0 AS signed, CAST(NULL AS VARCHAR) AS printing, "
            "CAST(json_object('sold_count', sold_comps_count, 'active_count', ask_count, "
            "'sold_median', sold_comps_median, 'sell_through', "
            "sold_comps_count / (sold_comps_count + ask_count), 'currency', 'USD') AS VARCHAR) "
            "AS market_json FROM examples WHERE category = 'book'"
        )
        duck.execute("CREATE TABLE manifest (key VARCHAR, value VARCHAR)")
        duck.executemany(
            "INSERT INTO manifest VALUES (?, ?)",
            [[key, json.dumps(value)] for key, value in manifest.items()],
        )
