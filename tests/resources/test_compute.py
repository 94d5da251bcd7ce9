import os
import subprocess
import sys

import duckdb
import pytest

from resources.compute import duckdb_connection


def setting(duck: duckdb.DuckDBPyConnection, name: str) -> object:
    return duck.execute(f"SELECT current_setting('{name}')").fetchall()[0][0]


def test_memory_and_threads_are_bounded() -> None:
    with duckdb_connection(threads=1) as duck:
        assert setting(duck, "memory_limit") == "2.0 GiB"
        assert setting(duck, "threads") == 1
    with duckdb_connection() as duck:
        assert setting(duck, "threads") == (os.cpu_count() or 1)


def test_moments_are_in_utc_wherever_it_runs() -> None:
    program = (
        "from resources.compute import duckdb_connection\n"
        "with duckdb_connection() as duck:\n"
        "    noon = duck.sql(\"SELECT TIMESTAMPTZ '2026-10-20 12:00:00+00' AS noon\")\n"
        "    print(noon.to_arrow_table().schema.field('noon').type, end=' ')\n"
        "    print(noon.project('CAST(noon AS VARCHAR)').fetchall()[0][0])\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "TZ": "America/New_York"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout == "timestamp[us, tz=UTC] 2026-10-20 12:00:00+00\n"


def test_it_is_closed_and_keeps_nothing() -> None:
    with duckdb_connection() as duck:
        duck.execute("CREATE TABLE kept AS SELECT 1")
    with pytest.raises(duckdb.ConnectionException):
        duck.execute("SELECT 1")
    with duckdb_connection() as other, pytest.raises(duckdb.CatalogException):
        other.execute("SELECT * FROM kept")


def test_what_was_interrupted_is_used_by_nobody_else() -> None:
    def interrupted() -> None:
        with duckdb_connection(threads=1) as duck:
            duck.execute("SET GLOBAL default_order = 'desc'")
            raise ZeroDivisionError

    with duckdb_connection(threads=1) as duck:
        before = setting(duck, "default_order")
    with pytest.raises(ZeroDivisionError):
        interrupted()
    with duckdb_connection(threads=1) as duck:
        assert setting(duck, "default_order") == before != "DESCENDING"


def test_two_at_once_have_nothing_in_common() -> None:
    with duckdb_connection() as one, duckdb_connection() as other:
        one.execute("CREATE TABLE kept AS SELECT 1")
        with pytest.raises(duckdb.CatalogException):
            other.execute("SELECT * FROM kept")
        assert setting(one, "temp_directory") != setting(other, "temp_directory")
