"""Writing a build: its Parquet files, its manifest, its documents, its DuckDB file.

The bytes of a Parquet file follow from its rows: they are in a total order, money is DECIMAL,
and the writer's settings and the rows of a group are pinned.
"""

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import duckdb
import pyarrow.parquet as pq

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

NARROW = {
    "item_id": ("CAST(item_id AS UUID)", "CAST(item_id AS VARCHAR)"),
    "payload_sha256": ("unhex(payload_sha256)", "lower(hex(payload_sha256))"),
}
"""Columns that are carried through the sort as bytes, with how, and how they are text again.

Sorting 9,000,000 sales took 63 s of the processor with them as text, and 26 s so.
"""


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
    licences: Mapping[str, Mapping[str, Any]],
    agreements: Sequence[Mapping[str, Any]],
    before: Earlier | None,
    month_before: Earlier | None,
) -> dict[str, Any]:
    """Write a build into a directory and return its manifest.

    Args:
        duck: Has the relations examples, sales, rejected, comps, verdicts and observations.
        staging: An empty directory.
        identity: What the build follows from.
        licences: Of all sources, by name.
        agreements: Of all sources that the build may have; kept are those that it has.
        before: The build that `changes` compares with.
        month_before: The month that the card's drift compares with.

    Raises:
        SchemaMismatch: The tables changed since the build before and their version did not.
    """
    _check_schema(before)
    duck.execute(f"CREATE VIEW changes AS {_changes(before)}")
    files: dict[str, Any] = {}
    hashes: dict[str, str] = {}
    for table in TABLES.values():
        path = staging / f"{table.name}.parquet"
        narrowed = [column.name for column in table.columns if column.name in NARROW]
        rows = write_parquet(duck, table.name, table.order, path, narrowed)
        _check_written(duck, path, table)
        # What follows reads the file: it is computed once, and the memory is left to the next.
        duck.execute(f"CREATE OR REPLACE VIEW {table.name} AS FROM read_parquet('{path}')")
        files[path.name] = file_entry(path, rows)
        hashes[table.name] = row_hash(duck, f"read_parquet('{path}')")
    found = facts(duck, staging, identity, month_before)
    present = _present(duck)
    manifest: dict[str, Any] = {
        **identity,
        "build_id": _build_id(identity, hashes),
        "rows": {name: files[f"{name}.parquet"]["rows"] for name in TABLES},
        **{name: found[name] for name in ("splits", "items_considered", "observations", "sources")},
        "agreements": [entry for entry in agreements if entry["source"] in present],
        "licences": {name: licences.get(name, {}) for name in found["sources"]},
        "before": before and {key: before.manifest[key] for key in ("build_id", "month", "as_of")},
        "tables": {
            table.name: {
                "meaning": table.meaning,
                "order": list(table.order),
                "row_hash": hashes[table.name],
                "columns": [
                    {"name": c.name, "type": c.type, "role": c.role, "meaning": c.meaning}
                    for c in table.columns
                ],
            }
            for table in TABLES.values()
        },
        "files": files,
    }
    for name, text in (
        ("card.md", card(manifest, found)),
        ("card.html", page(manifest, found)),
        ("croissant.json", json.dumps(croissant(manifest), indent=2) + "\n"),
    ):
        (staging / name).write_text(text, encoding="utf-8")
        files[name] = file_entry(staging / name)
    (staging / "facts.json").write_text(json.dumps(found, indent=1) + "\n", "utf-8")
    files["facts.json"] = file_entry(staging / "facts.json")
    (staging / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n", "utf-8")
    _write_duckdb(staging / "training_set.duckdb", staging, manifest)
    return manifest


def _present(duck: duckdb.DuckDBPyConnection) -> set[str]:
    """Return the sources that the build has anything of."""
    query = "SELECT source FROM observations UNION SELECT source FROM versions"
    return {source for (source,) in duck.execute(query).fetchall()}


def write_parquet(
    duck: duckdb.DuckDBPyConnection,
    relation: str,
    order: Sequence[str],
    path: Path,
    narrowed: Collection[str] = (),
) -> int:
    """Write a relation in a total order of its rows; return their number.

    Args:
        narrowed: Columns of `NARROW` that it has.
    """
    narrow = _replaced({name: NARROW[name][0] for name in narrowed})
    wide = _replaced({name: NARROW[name][1] for name in narrowed})
    # Statistics of what the rows come from would decide which columns are declared never null.
    duck.execute("SET disabled_optimizers = 'statistics_propagation'")
    duck.execute(
        f"COPY (SELECT *{wide} FROM (SELECT *{narrow} FROM {relation} "
        f"ORDER BY {', '.join(order)})) TO '{path}' ({PARQUET})"
    )
    duck.execute("RESET disabled_optimizers")
    return int(pq.read_metadata(path).num_rows)


def _replaced(expressions: Mapping[str, str]) -> str:
    replaced = ", ".join(f"{expression} AS {name}" for name, expression in expressions.items())
    return f" REPLACE ({replaced})" if replaced else ""


def row_hash(duck: duckdb.DuckDBPyConnection, relation: str) -> str:
    """Return the logical hash of a relation's rows, whatever their order and their file.

    SHA-256 over the number of rows and the sums of the two halves of each row's MD5: whole
    numbers, which add up to the same in any order and on any number of threads.
    """
    ((count, low, high),) = duck.execute(
        "SELECT count(*), sum(CAST(h & 18446744073709551615 AS HUGEINT)), "
        "sum(CAST(h >> 64 AS HUGEINT)) "
        f"FROM (SELECT md5_number(CAST(to_json(r) AS VARCHAR)) AS h FROM {relation} r)"
    ).fetchall()
    return hashlib.sha256(f"{count}|{low or 0}|{high or 0}".encode()).hexdigest()


def file_entry(path: Path, rows: int | None = None) -> dict[str, Any]:
    """Return what a manifest says of a file."""
    entry = {"sha256": _sha256(path), "bytes": path.stat().st_size}
    return entry if rows is None else {**entry, "rows": rows}


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


def _check_written(duck: duckdb.DuckDBPyConnection, path: Path, table: Table) -> None:
    written = [
        (name, kind)
        for name, kind, *_ in duck.execute(
            f"DESCRIBE SELECT * FROM read_parquet('{path}')"
        ).fetchall()
    ]
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
