"""Writing a build: its tables, its manifest, its documents, its DuckDB file."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb

from pricing_assets.core.changes import COMPARED, changes_sql, keyed, no_changes_sql
from pricing_assets.core.croissant import croissant
from pricing_assets.core.training import (
    REPEATABLE,
    SCHEMA_VERSION,
    SPLITS,
    TABLES,
    check_versions,
    columns_of_manifest,
    columns_of_tables,
)
from pricing_assets.core.training_card import card
from pricing_assets.core.training_page import page
from pricing_assets.store.training_facts import facts
from pricing_assets.store.training_parquet import (
    WRITER,
    Earlier,
    RowSums,
    WrittenFile,
    file_entry,
    rows_of,
    write_table,
)


def write_build(
    duck: duckdb.DuckDBPyConnection,
    staging: Path,
    identity: Mapping[str, Any],
    *,
    sales: Sequence[WrittenFile],
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
            parts[table.name] = [write_table(duck, relation, table, staging)]
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
