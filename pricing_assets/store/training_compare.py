"""Comparing two builds: which examples were added, removed and changed."""

from typing import Any

from pricing_assets.core.changes import COMPARED, changes_sql, keyed
from pricing_assets.core.training import TABLES, columns_of_manifest
from pricing_assets.store.training_places import Build
from resources.compute import duckdb_connection


def differences(
    before: Build, after: Build, limit: int
) -> tuple[dict[str, int], list[dict[str, Any]]]:
    """Return how many examples were added, removed and changed, and the first of them.

    Only columns that both builds have are compared.

    Returns:
        The counts by change, zeros too, and up to `limit` rows of the table `changes`.
    """
    has = [
        {name for name, _ in columns_of_manifest(build.manifest)["examples"]}
        for build in (before, after)
    ]
    compared = tuple(name for name in COMPARED if name in has[0] & has[1])
    old, new = (
        keyed(f"read_parquet('{build.path / 'examples.parquet'}')", columns)
        for build, columns in zip((before, after), has, strict=True)
    )
    with duckdb_connection() as duck:
        duck.execute(f"CREATE TABLE changes AS {changes_sql(old, new, compared)}")
        counted = dict(duck.execute("SELECT change, count(*) FROM changes GROUP BY 1").fetchall())
        order = ", ".join(TABLES["changes"].order)
        rows = duck.sql(f"SELECT * FROM changes ORDER BY {order} LIMIT {limit:d}")
        shown: list[dict[str, Any]] = rows.to_arrow_table().to_pylist()
    return {name: counted.get(name, 0) for name in ("added", "removed", "changed")}, shown
