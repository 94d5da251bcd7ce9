"""DuckDB for the statements of the rules, opened once in a process.

To open one takes longer than most of their statements. Each test has a connection to it of its
own, with which goes what it registers and its temporary tables.
"""

import atexit
import functools
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import duckdb

from resources.compute import duckdb_connection


@contextmanager
def computing(threads: int = 2) -> Iterator[duckdb.DuckDBPyConnection]:
    """Give a connection to the process's DuckDB of so many threads."""
    with _opened(threads).cursor() as duck:
        duck.execute("SET TimeZone = 'UTC'")
        yield duck


@functools.cache
def _opened(threads: int) -> duckdb.DuckDBPyConnection:
    stack = ExitStack()
    atexit.register(stack.close)
    return stack.enter_context(duckdb_connection(threads))
