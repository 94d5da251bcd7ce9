"""Exporting 1,000,000 gated rows to Parquet."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import sqlalchemy as sa

from benchmarks.gate import COMPS
from benchmarks.running import Found, Place, Stopwatch
from benchmarks.synthetic import NOW, load_items, new_database, settle
from pricing_assets.core.gate import V1
from pricing_assets.schema import tables as t
from pricing_assets.store.gate import flag_items, score_items
from resources.database import AnySelect, Database

ROWS = 1_000_000
ROW_GROUP_ROWS = 131_072

MARKET = """,
    'A Book of Some Renown, Volume ' || CAST(i AS VARCHAR) AS title,
    'sandbox:open_library' AS metadata_source,
    CASE WHEN draw(i, 8, 20) > 0 THEN draw(i, 8, 20) / 20.0 END AS quality_score,
    CAST(draw(i, 6, 4000) / 100.0 + 3 AS DECIMAL(12, 2)) AS sold_comps_max,
    draw(i, 9, 1000) / 1000.0 AS sell_through,
    draw(i, 10, 40) AS ebay_active_count,
    'sandbox:searchapi_ebay_sold' AS sold_comps_source
"""

COLUMNS = (
    *("id", "category", "natural_key", "title", "metadata_source", "quality_score"),
    *("sold_comps_count", "sold_comps_median", "sold_comps_max", "sold_comps_is_estimate"),
    *("sold_comps_source", "sold_comps_as_of", "sell_through", "ebay_active_count"),
    *("training_quality_score", "in_training", "in_training_as_of", "updated_at"),
)


def statement() -> AnySelect:
    """Return the rows that are exported: every item that has been gated."""
    return sa.select(*(t.items.c[name] for name in COLUMNS)).where(
        t.items.c.in_training_as_of.is_not(None)
    )


def prepare(place: Place) -> Found:
    """Fill the items, score and gate them."""
    database = new_database(place.url)
    with Stopwatch() as watch:
        load_items(database, ROWS, COMPS + MARKET)
        score_items(database, V1, now=NOW)
        flag_items(database, V1, now=NOW)
    settle(database)
    return Found(watch.seconds)


def ours(place: Place) -> Found:
    """Stream Arrow batches from the database into Parquet."""
    database = Database(place.url)
    with Stopwatch() as watch:
        rows = pa.RecordBatchReader.from_batches(
            database.arrow_schema(statement()), database.iter_arrow(statement())
        )
        # Gathers batches into row groups, and encodes them beside the reading.
        ds.write_dataset(
            rows,
            place.directory,
            format="parquet",
            file_options=ds.ParquetFileFormat().make_write_options(compression="zstd"),
            basename_template="ours{i}.parquet",
            min_rows_per_group=ROW_GROUP_ROWS,
            existing_data_behavior="overwrite_or_ignore",
        )
    return Found(watch.seconds, _outcome(place.directory / "ours0.parquet"))


def pandas_read_sql(place: Place) -> Found:
    """Read the same columns, moments as moments, with pandas and write its `to_parquet`."""
    import pandas as pd

    database = Database(place.url)
    path = place.directory / "pandas.parquet"
    with Stopwatch() as watch, database.connect() as connection:
        frame = pd.read_sql(statement(), connection)
        frame.to_parquet(path, compression="zstd", index=False)
    return Found(watch.seconds, _outcome(path))


def _outcome(path: Path) -> dict[str, Any]:
    table = pq.read_table(path, columns=["id", "sold_comps_median", "quality_score"])
    prices = [v for v in table["sold_comps_median"].to_pylist() if v is not None]
    # pandas on SQLite reads money as floats.
    total = round(sum(map(Decimal, map(str, prices)), Decimal(0)), 2)
    return {
        "rows": table.num_rows,
        "first": min(table["id"].to_pylist()),
        "without_quality": table["quality_score"].null_count,
        "total": str(total),
    }
