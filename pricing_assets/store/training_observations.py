"""The observations of training sets, copied from the database to Parquet, each range of them once.

Observations are appended and superseded, so that most of what a month's build reads is what
the month before read. A range of ids is copied again only when the database says something
else of it: a part's name holds the fingerprint of its rows in the database and the hash of its
bytes. The copies hold all that was ever observed; what a build may use of it is a view.
Deleting them costs time and nothing else.

A part is in the order of the buckets of its items, in small groups of rows, so that reading one
bucket of all parts leaves out the rest of them.
"""

import hashlib
import json
import os
import shutil
import time
import uuid
from binascii import unhexlify
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from functools import partial, reduce
from operator import add
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import sqlalchemy as sa

from pricing_assets.core.judging import WEIGHTS
from pricing_assets.core.training import BUCKETS, bucket_of
from pricing_assets.schema import tables as t
from pricing_assets.store.matches import MILLIONTHS, match_millionths
from resources.database import AnySelect, arrow_type
from resources.snapshot import Reader, Snapshot

RANGE_ROWS = 131_072
"""Ids of a part."""

VARIANT: sa.ColumnElement[str] = sa.func.coalesce(t.price_listings.c.variant, "")
"""What copy an observation is of; empty for a plain one."""

LEFT_SECONDS = 86_400
"""Age from which what is half done was left by a build that was killed."""


@contextmanager
def copied_observations(
    duck: duckdb.DuckDBPyConnection, snapshot: Snapshot, directory: Path
) -> Iterator[None]:
    """Give DuckDB the relation `observed`: every observation of a snapshot, superseded ones too.

    Args:
        directory: Where the copies live; a build next to this one may use them too.
    """
    directory.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".reading-", dir=directory) as reading:
        # Through links of this build's own: another build may tidy up meanwhile.
        copy = partial(_copied, directory, Path(reading))
        parts = [part for part in snapshot.map(copy, _ranges(snapshot)) if part is not None]
        _tidy(directory, {part.name for part in parts})
        if parts:
            listed = ", ".join(f"'{part}'" for part in parts)
            duck.execute(f"CREATE VIEW observed AS SELECT * FROM read_parquet([{listed}])")
        else:
            duck.register("observed", _by_bucket(_SCHEMA.empty_table()))
        yield


def usable_sql(at: datetime) -> str:
    """Return the statement of the observations that a build as of a moment can use.

    What had been observed, and not superseded, by then; with a price in USD; of the item, as
    likely as not (`store.matches.belongs`); sold or asked for. A sale that is dated later than
    that is wrong, whoever says it.
    """
    moment = f"TIMESTAMPTZ '{at.isoformat()}'"
    return (
        "SELECT * EXCLUDE (superseded_at), "
        f"match_millionths / CAST({MILLIONTHS} AS DOUBLE) AS match_confidence "
        f"FROM observed WHERE observed_at <= {moment} "
        f"AND (superseded_at IS NULL OR superseded_at > {moment}) AND price_usd IS NOT NULL "
        f"AND match_millionths >= {round(WEIGHTS.threshold * MILLIONTHS)} "
        f"AND kind IN ('sold', 'ask') AND (sold_at IS NULL OR sold_at <= {moment})"
    )


def _ranges(snapshot: Snapshot) -> Iterator[tuple[int, int]]:
    """Yield the ranges of ids that there are."""
    key = t.price_listings.c.id
    ((last,),) = snapshot.rows(sa.select(sa.func.max(key)))
    for start in range(1, (last or 0) + 1, RANGE_ROWS):
        yield start, start + RANGE_ROWS - 1


def _copied(directory: Path, reading: Path, reader: Reader, ids: tuple[int, int]) -> Path | None:
    """Return where a range of observations can be read, copied now or before; None without any."""
    within = t.price_listings.c.id.between(*ids)
    fingerprint = _fingerprint(reader, within)
    if fingerprint is None:
        return None
    name = f"{ids[0]:012}-{ids[1]:012}-{fingerprint}"
    for part in sorted(directory.glob(f"{name}-*.parquet")):
        link = reading / part.name
        try:
            os.link(part, link)
        except FileNotFoundError:
            continue  # tidied up just now
        if part.stem.endswith(f"-{_digest(link)}"):
            return link
        part.unlink(missing_ok=True)
        link.unlink()
    written = reading / uuid.uuid4().hex
    pq.write_table(
        _by_bucket(reader.read_arrow(_statement().where(within))),
        written,
        row_group_size=max(RANGE_ROWS // BUCKETS, 1),
        compression="lz4",
        use_dictionary=_REPEATED,
        write_statistics=["bucket"],
    )
    link = reading / f"{name}-{_digest(written)}.parquet"
    written.rename(link)
    shown = directory / f".{uuid.uuid4().hex}"
    os.link(link, shown)
    shown.replace(directory / link.name)
    return link


def _tidy(directory: Path, kept: set[str]) -> None:
    """Remove the copies of what the database no longer says, and what a killed build left."""
    for part in directory.glob("*.parquet"):
        if part.name not in kept:
            part.unlink(missing_ok=True)
    for left in directory.glob(".*"):
        with suppress(FileNotFoundError):  # of another build, which has just ended
            if left.stat().st_mtime > time.time() - LEFT_SECONDS:
                continue
            if left.is_dir():
                shutil.rmtree(left, ignore_errors=True)
            else:
                left.unlink()


def _statement() -> AnySelect:
    c = t.price_listings.c
    return sa.select(
        *(c.item_id, c.kind, c.price_usd, c.source, c.source_listing_id),
        *(c.sold_at, c.observed_at, c.superseded_at),
        match_millionths(),
        c.payload_sha256,
        VARIANT.label("variant"),
    )


_SCHEMA = pa.schema([(c.name, arrow_type(c.type)) for c in _statement().selected_columns])

_REPEATED = [
    "item_id",
    "kind",
    "source",
    "observed_at",
    "match_millionths",
    "payload_sha256",
    "variant",
]
"""Columns with few values: of the others a dictionary costs more than it saves."""

_LAYOUT = f"2, {BUCKETS} buckets, {_SCHEMA.to_string()}"
"""What a part holds and how: another layout is another name."""


def _by_bucket(rows: pa.Table) -> pa.Table:
    """Return observations in the order of their items' buckets, ids and hashes as bytes."""
    ids = _bytes(rows["item_id"], pa.uuid())
    hashes = _bytes(rows["payload_sha256"], pa.binary(32))
    begins = pc.utf8_slice_codeunits(rows["item_id"], 0, 2).combine_chunks().dictionary_encode()
    buckets = pa.array(
        [bucket_of(begin) for begin in begins.dictionary.to_pylist()], pa.uint8()
    ).take(begins.indices)
    narrowed = (
        rows.set_column(rows.schema.get_field_index("item_id"), "item_id", ids)
        .set_column(rows.schema.get_field_index("payload_sha256"), "payload_sha256", hashes)
        .append_column("bucket", buckets)
    )
    return narrowed.take(pc.array_sort_indices(buckets))


def _bytes(column: pa.ChunkedArray, kind: pa.DataType) -> pa.Array:
    """Return texts of hexadecimal digits, with hyphens or without, as the bytes that they name."""
    # Each once: an item and a body have many observations.
    coded = column.combine_chunks().dictionary_encode()
    digits = pc.binary_join(
        pa.ListArray.from_arrays([0, len(coded.dictionary)], coded.dictionary), ""
    )[0].as_py()
    storage = pa.binary(kind.byte_width)
    named = pa.Array.from_buffers(
        storage,
        len(coded.dictionary),
        [None, pa.py_buffer(unhexlify(digits.replace("-", "")))],
    )
    values = named.take(coded.indices)
    return values if kind == storage else pa.ExtensionArray.from_storage(kind, values)


def _fingerprint(reader: Reader, within: sa.ColumnElement[bool]) -> str | None:
    """Return what the database says of a range: numbers, sums and ends of its columns."""
    c, of = t.price_listings.c, sa.func

    def whole(column: sa.ColumnElement[Any], scale: int) -> sa.ColumnElement[Any]:
        """Sum a number as a whole one: a sum of floats depends on the order of its rows."""
        return of.sum(sa.cast(column * scale, sa.BigInteger()))

    lengths = [of.length(x) for x in (c.kind, c.source, c.source_listing_id, VARIANT)]
    statement = sa.select(
        *(of.count(), of.sum(reduce(add, lengths))),
        *(of.min(c.item_id), of.min(c.payload_sha256)),
        *(of.count(c.price_usd), whole(c.price_usd, 100)),
        whole(c.match_confidence, MILLIONTHS),
        *(of.min(c.observed_at), of.max(c.observed_at)),
        *(of.count(c.sold_at), of.min(c.sold_at), of.max(c.sold_at)),
        *(of.count(c.superseded_at), of.min(c.superseded_at), of.max(c.superseded_at)),
    ).where(within)
    (found,) = reader.rows(statement)
    if found[0] == 0:
        return None
    # The layout too: a part that an older release wrote lacks what this one reads.
    said = json.dumps([_LAYOUT, *(str(value) for value in found)])
    return hashlib.sha256(said.encode()).hexdigest()[:32]


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:32]
