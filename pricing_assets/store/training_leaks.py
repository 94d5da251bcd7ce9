"""Holding the rules of `core.leakage` against a build's files."""

from pricing_assets.core.leakage import RULES
from pricing_assets.core.training import files_of_manifest
from pricing_assets.store.training_parquet import rows_of
from pricing_assets.store.training_places import Build
from resources.compute import duckdb_connection

SHOWN = 5
"""Sentences of a rule that are shown; the number of all is told."""


class Leaking(RuntimeError):
    """A build was not shown, for it breaks rules against leaks; the message says which."""


def refuse_leaks(build: Build) -> None:
    """Hold that a build breaks no rule.

    Raises:
        Leaking: It does.
    """
    if found := leaks(build):
        broken = "; ".join(f"{name}: {', '.join(wrong)}" for name, wrong in found.items())
        raise Leaking(
            f"the build of {build.manifest['month']} leaks and is not shown; what was shown before "
            f"stays. {broken}. Correct the data or the column's role, then build the month again."
        )


def leaks(build: Build) -> dict[str, list[str]]:
    """Return for every rule that does not hold what is wrong, the first few sentences."""
    found: dict[str, list[str]] = {}
    with duckdb_connection() as duck:
        for table in build.manifest["tables"]:
            files = files_of_manifest(build.manifest, table)
            duck.execute(f"CREATE VIEW {table} AS FROM {rows_of(build.path, files)}")
        for name, rule in RULES.items():
            rows = duck.execute(f"SELECT wrong FROM ({rule(build.manifest)}) ORDER BY 1").fetchmany(
                SHOWN + 1
            )
            if rows:
                found[name] = [str(wrong) for (wrong,) in rows[:SHOWN]]
                if len(rows) > SHOWN:
                    found[name].append("and more")
    return found
