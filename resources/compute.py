"""DuckDB in memory: computes over Arrow, keeps nothing."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

MEMORY_LIMIT = "2GiB"
"""Memory DuckDB may hold before it spills to its temporary directory."""


@contextmanager
def duckdb_connection(
    threads: int | None = None, memory_limit: str = MEMORY_LIMIT
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open an in-memory DuckDB with bounded memory, in UTC.

    Args:
        threads: Threads it may use; None takes one for each core.
        memory_limit: Memory it may hold before it spills.
    """
    connection = duckdb.connect(":memory:")
    try:
        connection.execute(f"SET memory_limit = '{memory_limit}'")
        connection.execute(f"SET threads = {threads or os.cpu_count() or 1}")
        connection.execute("SET preserve_insertion_order = false")
        # Not in the working directory, which is where DuckDB would spill.
        spill = Path(tempfile.gettempdir()) / f"pricing-duckdb-{os.getpid()}"
        connection.execute(f"SET temp_directory = '{spill}'")
        # A moment's text, and its Arrow and Parquet type, follow the session's zone.
        connection.execute("SET TimeZone = 'UTC'")
        yield connection
    finally:
        connection.close()
