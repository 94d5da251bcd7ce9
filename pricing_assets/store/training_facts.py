"""What a build's documents say: counts, distributions, policies, drift, from its tables."""

from collections.abc import Mapping
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from pricing_assets.core.drift import (
    PSI_NUMBERS,
    PSI_TEXTS,
    ks_sql,
    level_sql,
    psi_sql,
    reason_changes,
    reasons_sql,
)
from pricing_assets.core.gate import POLICIES, tier_sql
from pricing_assets.core.periods import MICROSECONDS_A_DAY
from pricing_assets.core.training import EXAMPLES

if TYPE_CHECKING:
    from pricing_assets.store.training_parquet import Earlier

LABEL_EDGES = (0, 5, 10, 15, 20, 30, 50, 100, 200, 500)
COUNT_EDGES = (0, 8, 12, 16, 20, 30, 50, 100)
AGE_EDGES = (0, 7, 30, 60, 90, 180, 365)
"""Lower ends of the bars in the documents' charts; the last one is open."""

REASONS_SHOWN = 12


def facts(
    duck: duckdb.DuckDBPyConnection,
    directory: Path,
    identity: Mapping[str, Any],
    month_before: "Earlier | None",
) -> dict[str, Any]:
    """Return what a build's documents say, ready for JSON.

    Args:
        duck: Has examples, sales, rejected, comps, verdicts and tallies.
        directory: The build's directory, its Parquet files written.
        identity: What the build follows from.
        month_before: What the drift is measured against; None where there is none.
    """
    moment = f"TIMESTAMPTZ '{identity['as_of']}'"
    elapsed = f"epoch_us({moment}) - epoch_us(coalesce(sold_at, observed_at))"
    age = f"({elapsed}) // {MICROSECONDS_A_DAY}"
    admitted, rejected = _count(duck, "examples"), _count(duck, "rejected")
    return {
        "items_considered": admitted + rejected,
        "admitted": admitted,
        "splits": _pairs(duck, "SELECT split, count(*) FROM examples GROUP BY 1 ORDER BY 1"),
        "observations": _pairs(
            duck, "SELECT kind, CAST(sum(n) AS BIGINT) FROM tallies GROUP BY 1 ORDER BY 1"
        ),
        "sources": _pairs(
            duck, "SELECT source, CAST(sum(n) AS BIGINT) FROM tallies GROUP BY 1 ORDER BY 1"
        ),
        "by_category": _lists(
            duck,
            "SELECT category, split, count(*), count(*) FILTER (WHERE time_holdout) "
            "FROM examples GROUP BY 1, 2 ORDER BY 1, 2",
        ),
        "tiers": _pairs(
            duck,
            f"SELECT {tier_sql('training_quality_score')}, count(*) FROM "
            "(SELECT training_quality_score FROM examples "
            "UNION ALL SELECT training_quality_score FROM rejected) GROUP BY 1 ORDER BY 1",
        ),
        "missing": _missing(duck),
        "label": _quantiles(duck, "target_price", "examples"),
        "label_histogram": _histogram(duck, "target_price", "examples", LABEL_EDGES),
        "comps_histogram": _histogram(duck, "sold_comps_count", "examples", COUNT_EDGES),
        "age_histogram": _histogram(duck, age, "sales WHERE in_examples", AGE_EDGES),
        "policies": {name: _policy(duck, name) for name in POLICIES},
        "reasons": _lists(duck, reasons_sql("rejected"))[:REASONS_SHOWN],
        "changes": _pairs(duck, "SELECT change, count(*) FROM changes GROUP BY 1 ORDER BY 1"),
        "drift": _drift(duck, month_before, admitted, rejected),
    }


def _policy(duck: duckdb.DuckDBPyConnection, name: str) -> dict[str, Any]:
    judged = f"comps JOIN verdicts USING (item_id, variant) WHERE policy = '{name}'"
    return {
        "admits": POLICIES[name].admits(),
        "description": POLICIES[name].description,
        **{
            key: {
                **_quantiles(duck, "sold_median", f"{judged} AND {condition}"),
                "histogram": _histogram(
                    duck, "sold_median", f"{judged} AND {condition}", LABEL_EDGES
                ),
            }
            for key, condition in (("admitted", "passed"), ("rejected", "NOT passed"))
        },
    }


def _drift(
    duck: duckdb.DuckDBPyConnection, earlier: "Earlier | None", admitted: int, rejected: int
) -> dict[str, Any] | None:
    if earlier is None:
        return None
    before, was_rejected = (
        f"read_parquet('{earlier.path / name}.parquet')" for name in ("examples", "rejected")
    )
    known = {column["name"] for column in earlier.manifest["tables"]["examples"]["columns"]}

    def one(query: str) -> Any:
        return _plain(duck.execute(query).fetchall()[0][0])

    level = duck.execute(level_sql(before, "examples", "target_price")).fetchall()[0]
    had = earlier.manifest["rows"]["examples"], earlier.manifest["rows"]["rejected"]
    return {
        "month": earlier.manifest["month"],
        "build_id": earlier.manifest["build_id"],
        "psi": {
            name: one(psi_sql(before, "examples", name, numeric=name in PSI_NUMBERS))
            for name in (*PSI_NUMBERS, *PSI_TEXTS)
            if name in known
        },
        "ks": {
            name: one(ks_sql(before, "examples", name)) for name in PSI_NUMBERS if name in known
        },
        "level": [_plain(value) for value in level],
        "coverage": [_share(*had), _share(admitted, rejected)],
        "rows": [had[0], admitted],
        "reasons": reason_changes(
            duck.execute(reasons_sql(was_rejected)).fetchall(),
            duck.execute(reasons_sql("rejected")).fetchall(),
        )[:REASONS_SHOWN],
    }


def _missing(duck: duckdb.DuckDBPyConnection) -> dict[str, int]:
    names = [column.name for column in EXAMPLES if column.role == "feature"]
    counts = ", ".join(f"count(*) - count({name})" for name in names)
    return dict(
        zip(names, duck.execute(f"SELECT {counts} FROM examples").fetchall()[0], strict=True)
    )


def _quantiles(duck: duckdb.DuckDBPyConnection, column: str, relation: str) -> dict[str, Any]:
    row = duck.execute(
        f"SELECT count(*), min({column}), quantile_disc({column}, 0.25), "
        f"quantile_disc({column}, 0.5), quantile_disc({column}, 0.75), max({column}) "
        f"FROM {relation}"
    ).fetchall()[0]
    names = ("count", "min", "q25", "median", "q75", "max")
    return {name: _plain(value) for name, value in zip(names, row, strict=True)}


def _histogram(
    duck: duckdb.DuckDBPyConnection, value: str, relation: str, edges: tuple[int, ...]
) -> list[list[Any]]:
    """Count rows by the greatest edge that their value reaches; as (label, count), zeros too."""
    counts = ", ".join(
        f"count(*) FILTER (WHERE {value} >= {low}"
        + (f" AND {value} < {high})" if high is not None else ")")
        for low, high in zip(edges, (*edges[1:], None), strict=True)
    )
    row = duck.execute(f"SELECT {counts} FROM {relation}").fetchall()[0]
    labels = [f"{low} to {high}" for low, high in pairwise(edges)]
    return [[label, n] for label, n in zip([*labels, f"{edges[-1]}+"], row, strict=True)]


def _pairs(duck: duckdb.DuckDBPyConnection, query: str) -> dict[str, Any]:
    return dict(duck.execute(query).fetchall())


def _lists(duck: duckdb.DuckDBPyConnection, query: str) -> list[list[Any]]:
    return [list(row) for row in duck.execute(query).fetchall()]


def _count(duck: duckdb.DuckDBPyConnection, relation: str) -> int:
    return int(duck.execute(f"SELECT count(*) FROM {relation}").fetchall()[0][0])


def _share(admitted: int, rejected: int) -> float | None:
    known = admitted + rejected
    return round(admitted / known, 6) if known else None


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, Decimal) else value
