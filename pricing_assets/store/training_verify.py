"""Verifying a build: its files by their hashes, its rows, and its labels anew from the evidence."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import sqlalchemy as sa
import zstandard

from pricing_assets.core.answers import ItemQuery, Listing
from pricing_assets.core.changes import keyed
from pricing_assets.core.comps import comps_sql
from pricing_assets.core.training import (
    check_readable,
    columns_of_manifest,
    files_of_manifest,
)
from pricing_assets.core.wording import number_of
from pricing_assets.schema import tables as t
from pricing_assets.store.market import (
    count_sales_once,
    counted,
    observed_as_of,
    reverted_merges,
)
from pricing_assets.store.training_observations import VARIANT
from pricing_assets.store.training_parquet import RowSums, file_problems, row_sums, rows_of
from pricing_assets.store.training_places import Build
from resources.compute import duckdb_connection
from resources.database import Database
from resources.sources import registered_sources
from resources.sources.base import SourceError
from resources.sources.wire import read_json

LABEL_COLUMNS = {
    "target_price": "sold_median",
    "sold_comps_count": "sold_count",
    "sold_comps_min": "sold_min",
    "sold_comps_max": "sold_max",
}
"""Columns of an example with the statistics of the comps that they are."""


class NotATrainingSet(RuntimeError):
    """There is no build at a place; the message says what to name."""


def build_at(path: Path) -> Build:
    """Return the build of a directory.

    Raises:
        NotATrainingSet: There is none.
        SchemaMismatch: It is of a version that this code does not read.
    """
    manifest = path / "manifest.json"
    if not manifest.is_file():
        raise NotATrainingSet(
            f"{path} has no manifest.json: name the directory of a build, such as "
            "data/training_sets/2026-10"
        )
    build = Build(path.resolve(), json.loads(manifest.read_text("utf-8")))
    check_readable(str(build.manifest.get("schema_version")), str(path))
    return build


def content_problems(build: Build) -> list[str]:
    """Return a sentence for every file and table that is not what the manifest says."""
    found = file_problems(build.path, build.manifest)
    with duckdb_connection() as duck:
        for name in build.manifest["tables"]:
            found += _row_problems(duck, build, name)
    return found


def _row_problems(duck: duckdb.DuckDBPyConnection, build: Build, table: str) -> list[str]:
    found: list[str] = []
    total = RowSums()
    for name in files_of_manifest(build.manifest, table):
        if not (build.path / name).is_file():
            return found
        try:
            sums = row_sums(duck, rows_of(build.path, [name]))
        except duckdb.Error as error:
            return [*found, f"{name} cannot be read: {str(error).splitlines()[0]}"]
        if sums.sha256() != build.manifest["files"][name]["row_hash"]:
            found.append(f"{name} has other rows than its manifest says (row hash)")
        total += sums
    if not found and total.sha256() != build.manifest["tables"][table]["row_hash"]:
        found.append(f"{table}: its files have other rows than its manifest says (row hash)")
    return found


def rederived_problems(build: Build, database: Database, count: int) -> tuple[int, list[str]]:
    """Recompute labels from the stored observations and the bodies they were read from.

    Args:
        count: How many examples; the same ones for the same build and count.

    Returns:
        How many were recomputed, and a sentence for everything that differs.
    """
    found: list[str] = []
    examples = _sample(build, count)
    at = datetime.fromisoformat(build.manifest["as_of"])
    for example in examples:
        seen = database.rows(_observations(example["item_id"], at, build.manifest["simulated"]))
        once = _counted_once(seen, database.read_arrow(reverted_merges(at)))
        rows = [row for row in once if row.variant == example["variant"]]
        found += _label_problems(example, rows)
        found += _body_problems(database, example, rows)
    return len(examples), found


def _sample(build: Build, count: int) -> list[dict[str, Any]]:
    columns = {name for name, _ in columns_of_manifest(build.manifest)["examples"]}
    examples = keyed(f"read_parquet('{build.path / 'examples.parquet'}')", columns)
    with duckdb_connection() as duck:
        query = (
            "SELECT item_id, variant, category, natural_key, payload_sha256s, "
            f"{', '.join(LABEL_COLUMNS)} FROM {examples} "
            f"ORDER BY md5('{build.manifest['build_id']}' || item_id || variant), item_id, variant "
            f"LIMIT {count:d}"
        )
        rows: list[dict[str, Any]] = duck.sql(query).to_arrow_table().to_pylist()
        return rows


def _observations(item_id: str, at: datetime, simulated: bool) -> sa.Select[*tuple[Any, ...]]:
    listings = t.price_listings
    statement = sa.select(
        listings.c.item_id, listings.c.kind, listings.c.source, listings.c.source_listing_id,
        listings.c.price, listings.c.currency, listings.c.price_usd, listings.c.payload_sha256,
        listings.c.sold_at, listings.c.observed_at, VARIANT.label("variant"),
    ).where(
        listings.c.item_id == item_id, observed_as_of(at), listings.c.kind == "sold", counted()
    )  # fmt: skip
    return statement if simulated else statement.where(listings.c.source.not_like("sandbox:%"))


def _counted_once(rows: Sequence[sa.Row[Any]], reverted: pa.Table) -> list[sa.Row[Any]]:
    """Return the observations that are the first of their sale."""
    moment = pa.timestamp("us", tz="UTC")
    types = {
        **dict.fromkeys(("item_id", "kind", "source", "source_listing_id"), pa.string()),
        "price_usd": pa.decimal128(12, 2),
        **dict.fromkeys(("sold_at", "observed_at"), moment),
    }
    seen = {name: pa.array([getattr(row, name) for row in rows], types[name]) for name in types}
    with duckdb_connection() as duck:
        duck.register("seen", pa.table({**seen, "place": pa.array(range(len(rows)), pa.int64())}))
        duck.register("reverted", reverted)
        duck.execute("CREATE TABLE observations AS FROM seen")
        count_sales_once(duck)
        kept = duck.execute("SELECT place FROM observations ORDER BY place").fetchall()
    return [rows[place] for (place,) in kept]


def _label_problems(example: Mapping[str, Any], rows: Any) -> list[str]:
    prices = pa.table(
        {
            "item_id": [row.item_id for row in rows],
            "kind": [row.kind for row in rows],
            "price_usd": pa.array([row.price_usd for row in rows], pa.decimal128(12, 2)),
        }
    )
    with duckdb_connection() as duck:
        duck.register("observations", prices)
        made = duck.sql(comps_sql("observations")).to_arrow_table().to_pylist()
    anew = made[0] if made else {}
    return [
        f"{example['natural_key']}: {column} is {example[column]} in the file and "
        f"{anew.get(name)} from the stored observations"
        for column, name in LABEL_COLUMNS.items()
        if example[column] != anew.get(name)
    ]


def _body_problems(database: Database, example: Mapping[str, Any], rows: Any) -> Iterator[str]:
    """Yield what the bodies do not say of the observations that were read from them."""
    key = example["natural_key"]
    named = set((example["payload_sha256s"] or "").split(",")) - {""}
    if named != {row.payload_sha256 for row in rows}:
        yield f"{key}: its observations were read from other bodies than the file names"
    payloads = t.payloads
    bodies = {
        row.sha256: zstandard.ZstdDecompressor().decompress(row.body_zstd)
        for row in database.rows(
            sa.select(payloads.c.sha256, payloads.c.body_zstd).where(
                payloads.c.sha256.in_(sorted({row.payload_sha256 for row in rows}))
            )
        )
    }
    sources = registered_sources()
    query = ItemQuery(example["item_id"], example["category"], key)
    for digest in sorted({row.payload_sha256 for row in rows}):
        of_body = [row for row in rows if row.payload_sha256 == digest]
        if digest not in bodies:
            observations = number_of(len(of_body), "observation")
            yield f"{key}: the body {digest[:16]} of {observations} is gone"
            continue
        if hashlib.sha256(bodies[digest]).hexdigest() != digest:
            yield f"{key}: the body {digest[:16]} is not what its hash says"
            continue
        source = sources.get(of_body[0].source.removeprefix("sandbox:"))
        if source is None:
            continue  # a file of one's own sales: its hash is all there is to hold it by
        try:
            listings = source.read(query, read_json(bodies[digest])).listings
        except (SourceError, ValueError) as error:
            yield f"{key}: the body {digest[:16]} cannot be read again: {error}"
            continue
        yield from _listing_problems(key, of_body, listings)


def _listing_problems(key: str, rows: Any, listings: tuple[Listing, ...]) -> Iterator[str]:
    said = {
        (listing.kind, listing.source_listing_id): (listing.price, listing.currency)
        for listing in reversed(listings)  # of two with one id the first was stored
    }
    for row in rows:
        stored = (row.price, row.currency)
        price, currency = said.get((row.kind, row.source_listing_id), (None, None))
        if price is None or (price.quantize(Decimal("0.01")), currency) != stored:
            yield (
                f"{key}: listing {row.source_listing_id} is stored as {stored[0]} {stored[1]} "
                f"and its body says {price} {currency}"
            )
