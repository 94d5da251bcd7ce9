"""The observations of a build, some buckets of items at a time, and the sales that are in them.

Everything that follows from the observations of an item is made of its bucket alone: which of
its sales are one, its comps, its verdicts, its rows of `sales`. So the memory that a build takes
grows with the items, and not with the observations.
"""

from collections.abc import Iterator
from itertools import pairwise

import duckdb
import pyarrow as pa

from pricing_assets.core.training import BUCKETS
from pricing_assets.store.market import count_sales_once

ROWS_AT_ONCE = 1_000_000
"""Observations in memory at once, as near as whole buckets allow."""


def observed_by_bucket(
    duck: duckdb.DuckDBPyConnection, reverted: pa.Table
) -> Iterator[tuple[int, int]]:
    """Make the table `observations` of some buckets of items after others, with every sale once.

    Of a sale that was seen more than once it has the first report.

    Args:
        duck: Has the relation `allowed`.
        reverted: As `store.market.reverted_merges` gives it.

    Yields:
        The first and the last of the buckets, while their observations are there.
    """
    duck.register("reverted", reverted)
    ((count,),) = duck.execute("SELECT count(*) FROM allowed").fetchall()
    for first, last in _passes(count):
        duck.execute(
            "CREATE OR REPLACE TABLE observations AS FROM allowed "
            f"WHERE bucket BETWEEN {first} AND {last}"
        )
        count_sales_once(duck)
        yield first, last


def _passes(observations: int) -> Iterator[tuple[int, int]]:
    count = min(observations // ROWS_AT_ONCE + 1, BUCKETS)
    for first, end in pairwise(BUCKETS * place // count for place in range(count + 1)):
        yield first, end - 1
