"""Holding the rules of `core.leakage` against a build's files."""

from pathlib import Path

from pricing_assets.core.leakage import RULES
from pricing_assets.store.training_places import Build
from resources.compute import duckdb_connection

SHOWN = 5
"""Sentences of a rule that are shown; the number of all is told."""


def leaks(build: Build) -> dict[str, list[str]]:
    """Return for every rule that does not hold what is wrong, the first few sentences."""
    found: dict[str, list[str]] = {}
    with duckdb_connection() as duck:
        for table in build.manifest["tables"]:
            path = Path(build.path) / f"{table}.parquet"
            duck.execute(f"CREATE VIEW {table} AS SELECT * FROM read_parquet('{path}')")
        for name, rule in RULES.items():
            rows = duck.execute(f"SELECT wrong FROM ({rule(build.manifest)}) ORDER BY 1").fetchmany(
                SHOWN + 1
            )
            if rows:
                found[name] = [str(wrong) for (wrong,) in rows[:SHOWN]]
                if len(rows) > SHOWN:
                    found[name].append("and more")
    return found
