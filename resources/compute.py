"""DuckDB in memory: computes over Arrow, keeps nothing."""

import itertools
import os
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

MEMORY_LIMIT = "2GiB"
"""Memory DuckDB may hold before it spills to its temporary directory."""

_Settings = tuple[int, str]

_idle: defaultdict[_Settings, list[duckdb.DuckDBPyConnection]] = defaultdict(list)
"""Opened DuckDBs that nobody uses, by threads and memory. To open one takes 15 ms, and many a
computation less."""

_numbers = itertools.count()


@contextmanager
def duckdb_connection(
    threads: int | None = None, memory_limit: str = MEMORY_LIMIT
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Give an empty in-memory DuckDB with bounded memory, in UTC.

    It is nobody else's, and what is in it is gone at the end; its settings stay as they are
    here. A `cursor()` of it would not see its tables.

    Args:
        threads: Threads it may use; None takes one for each core.
        memory_limit: Memory it may hold before it spills.
    """
    settings = (threads or os.cpu_count() or 1, memory_limit)
    idle = _idle[settings]
    try:
        instance = idle.pop()
    except IndexError:
        instance = _opened(*settings)
    name = f"computation_{next(_numbers)}"
    try:
        instance.execute(f"ATTACH ':memory:' AS {name}")
        connection = instance.cursor()
        try:
            connection.execute(f"USE {name}")
            yield connection
        finally:
            connection.close()
        instance.execute(f"DETACH {name}")
    except BaseException:
        # It may be in the middle of something: nobody else gets it.
        instance.close()
        raise
    idle.append(instance)


def _opened(threads: int, memory_limit: str) -> duckdb.DuckDBPyConnection:
    instance = duckdb.connect(":memory:")
    instance.execute(f"SET memory_limit = '{memory_limit}'")
    instance.execute(f"SET threads = {threads}")
    instance.execute("SET preserve_insertion_order = false")
    # Not in the working directory, which is where DuckDB would spill. In a directory of its own:
    # the files of two would have the same names.
    spill = Path(tempfile.gettempdir()) / f"pricing-duckdb-{os.getpid()}-{next(_numbers)}"
    instance.execute(f"SET temp_directory = '{spill}'")
    # A moment's text, and its Arrow and Parquet type, follow the session's zone.
    instance.execute("SET GLOBAL TimeZone = 'UTC'")
    return instance
