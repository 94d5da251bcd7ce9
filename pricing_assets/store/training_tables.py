"""The tables of a training set as they follow from what was known: DuckDB statements.

What is known of the items is put together first (`place`), then what follows from their
observations, some buckets of items at a time (`weigh`), then the tables (`derive`). An id is a
UUID and a hash is bytes until they are written.
"""

from datetime import datetime

import duckdb

from pricing_assets.core.comps import comps_sql
from pricing_assets.core.editions import work_fingerprint_sql
from pricing_assets.core.evidence import AGGREGATES, evidence_sql
from pricing_assets.core.gate import POLICIES
from pricing_assets.core.metadata import MERGED, TITLES, merge_sql
from pricing_assets.core.training import (
    EXAMPLES,
    FULL_WEIGHT_COMPS,
    HOLDOUT_DAYS,
    REJECTED,
    SALES,
    Column,
    bucket_sql,
    split_sql,
)
from pricing_assets.core.works import works_sql

COPY = "item_id, variant"
"""What has comps and a verdict of its own: a signed copy is not worth what a plain one is."""


DESCRIBED = tuple(
    name for name in MERGED if name in TITLES or name in {column.name for column in EXAMPLES}
)
"""Fields of the metadata that an example has."""


CARRIED = {"item_id": "UUID", "payload_sha256": "BLOB"}
"""Types of columns before they are written: half as wide, and sorted in half the time."""


def place(duck: duckdb.DuckDBPyConnection) -> None:
    """Make `known`, what was said of the items, and `sides`, the items with work and split.

    Args:
        duck: Has the relations versions, items and accepted.
    """
    duck.execute(
        "CREATE VIEW known AS SELECT item_id, source, observed_at, "
        "CAST(fields AS JSON) AS fields FROM versions"
    )
    # Over all that was known, not only what is admitted: an edition that is admitted later
    # must find its work on the side where it is.
    named = merge_sql("known", ("title", "authors", "work_key"))
    editions = (
        "(SELECT i.item_id, n.work_key, "
        f"{work_fingerprint_sql('n.title', 'n.authors')} AS fingerprint "
        f"FROM items i LEFT JOIN ({named}) n USING (item_id))"
    )
    # Once an item, not once a sale: the hash of a work is the dearest expression here.
    duck.execute(
        f"CREATE TABLE sides AS SELECT i.*, work_key, {split_sql('work_key')} AS split, "
        f"{bucket_sql('i.item_id')} AS bucket "
        f"FROM items i JOIN ({works_sql(editions, 'accepted')}) w USING (item_id)"
    )


def weigh(
    duck: duckdb.DuckDBPyConnection, policy: str, at: datetime, first: int, last: int
) -> None:
    """Add what follows from the observations of some buckets, and make their sales `sold`.

    That is added to `comps`, the statistics and the evidence of every copy with observations,
    `verdicts` of all policies on them, `admitted` by the chosen one, `bodies` of what is
    admitted, and `tallies` of the observations.

    Args:
        duck: Has `sides`, and all observations of some buckets of items as `observations`.
        policy: Name of the gate's policy.
        at: The as-of.
        first: The first of the buckets.
        last: The last one.
    """
    comps = comps_sql(
        "observations",
        AGGREGATES
        + ", string_agg(DISTINCT source, ',' ORDER BY source) FILTER (WHERE kind = 'sold') "
        "AS sold_sources, max(observed_at) FILTER (WHERE kind = 'sold') AS last_observed_at",
        COPY,
    )
    duck.execute(f"CREATE OR REPLACE TABLE weighed AS {evidence_sql(f'({comps})', _moment(at))}")
    duck.execute(
        "CREATE OR REPLACE TABLE judged AS "
        + " UNION ALL ".join(gate.verdict_sql("weighed", COPY) for gate in POLICIES.values())
    )
    duck.execute(
        f"CREATE OR REPLACE TABLE passed AS SELECT {COPY}, score FROM judged "
        f"WHERE policy = '{policy}' AND passed"
    )
    # Each body once a copy before their names are joined: most comps share one.
    bodies = (
        f"SELECT {COPY}, lower(string_agg(hex(payload_sha256), ',' ORDER BY payload_sha256)) "
        f"AS payload_sha256s FROM (SELECT DISTINCT {COPY}, payload_sha256 FROM observations "
        f"SEMI JOIN passed USING ({COPY}) WHERE kind = 'sold') GROUP BY {COPY}"
    )
    for table, rows in (
        ("comps", "FROM weighed"),
        ("verdicts", "FROM judged"),
        ("admitted", "FROM passed"),
        ("bodies", bodies),
        ("tallies", "SELECT kind, source, count(*) AS n FROM observations GROUP BY kind, source"),
    ):
        duck.execute(f"CREATE TABLE IF NOT EXISTS {table} AS FROM ({rows}) LIMIT 0")
        duck.execute(f"INSERT INTO {table} {rows}")
    items = f"(FROM sides WHERE bucket BETWEEN {first} AND {last})"
    duck.execute(f"CREATE OR REPLACE TABLE sold AS {_sales_sql(items, _moment(at))}")


def derive(duck: duckdb.DuckDBPyConnection, policy: str, at: datetime) -> None:
    """Make the relations examples and rejected of what all buckets gave.

    Args:
        duck: Has what `place` and `weigh` make.
        policy: Name of the gate's policy.
        at: The as-of.
    """
    for table in ("observations", "sold", "weighed", "judged", "passed"):
        duck.execute(f"DROP TABLE {table}")
    duck.execute("CREATE VIEW wanted AS FROM known SEMI JOIN admitted USING (item_id)")
    duck.execute(f"CREATE TABLE described AS {merge_sql('wanted', DESCRIBED)}")
    _derive_examples(duck, _moment(at))
    _derive_rejected(duck, policy, _moment(at))


def _derive_examples(duck: duckdb.DuckDBPyConnection, moment: str) -> None:
    titles = ", ".join(f"d.{name}" for name in TITLES)
    expressions = {
        "category": "w.category",
        "natural_key": "w.natural_key",
        "work_key": "w.work_key",
        "title": f"coalesce({titles})",
        "target_price": "a.sold_median",
        "sold_comps_count": "a.sold_count",
        "sold_comps_min": "a.sold_min",
        "sold_comps_median": "a.sold_median",
        "sold_comps_max": "a.sold_max",
        "training_quality_score": "a.score",
        "weight": f"least(a.sold_count, {FULL_WEIGHT_COMPS}) / {FULL_WEIGHT_COMPS}",
        "split": "w.split",
        "time_holdout": _held_out("a.last_sold_at", moment),
        "payload_sha256s": "b.payload_sha256s",
        **{
            name: f"a.{name}"
            for name in (
                *("item_id", "variant", "ask_count", "ask_min", "sold_sources", "spread_percent"),
                *("last_sold_at", "last_observed_at", "match_percent"),
            )
        },
    }
    duck.execute(
        f"CREATE VIEW examples AS SELECT {_columns(EXAMPLES, expressions, 'd')} FROM "
        f"(FROM admitted JOIN comps USING ({COPY})) a "
        "JOIN sides w ON w.item_id = a.item_id "
        "JOIN bodies b ON b.item_id = a.item_id AND b.variant = a.variant "
        "LEFT JOIN described d ON d.item_id = a.item_id"
    )


def _sales_sql(items: str, moment: str) -> str:
    """Return the statement of the sales of some items, with the bucket of each."""
    expressions = {
        "category": "w.category",
        "natural_key": "w.natural_key",
        "work_key": "w.work_key",
        "price": "o.price_usd",
        "weight": "o.match_confidence",
        "split": "w.split",
        "time_holdout": _held_out("coalesce(o.sold_at, o.observed_at)", moment),
        "in_examples": "a.item_id IS NOT NULL",
    }
    return (
        f"SELECT {_columns(SALES, expressions, 'o')}, o.bucket FROM observations o "
        f"JOIN {items} w ON w.item_id = o.item_id "
        "LEFT JOIN passed a ON a.item_id = o.item_id AND a.variant = o.variant "
        "WHERE o.kind = 'sold'"
    )


def _derive_rejected(duck: duckdb.DuckDBPyConnection, policy: str, moment: str) -> None:
    # An item is known from its first scan on; one without any observation lacks them all.
    unseen = f"(FROM items WHERE created_at <= {moment}) ANTI JOIN comps USING (item_id)"
    nothing = ", ".join(
        f"CAST(NULL AS BIGINT) AS {name}"
        for name in ("sold_count", "spread_percent", "sale_age_days", "match_percent", "ask_count")
    )
    duck.execute(
        f"CREATE VIEW unseen AS SELECT item_id, '' AS variant, {nothing}, "
        f"CAST(NULL AS DECIMAL(12, 2)) AS sold_median FROM {unseen}"
    )
    verdict = POLICIES[policy].verdict_sql("unseen", COPY)
    expressions = {
        "category": "w.category",
        "natural_key": "w.natural_key",
        "training_quality_score": "v.score",
        "reason": "v.reason",
        "admitted_by": "other.names",
        "sold_comps_count": "coalesce(c.sold_count, 0)",
        "sold_comps_median": "c.sold_median",
        "ask_count": "coalesce(c.ask_count, 0)",
        **{name: f"c.{name}" for name in ("spread_percent", "sale_age_days", "match_percent")},
    }
    duck.execute(
        f"CREATE VIEW rejected AS SELECT {_columns(REJECTED, expressions, 'v')} FROM "
        f"(SELECT * FROM verdicts WHERE policy = '{policy}' AND NOT passed "
        f"UNION ALL {verdict}) v JOIN sides w ON w.item_id = v.item_id "
        "LEFT JOIN comps c ON c.item_id = v.item_id AND c.variant = v.variant "
        f"LEFT JOIN (SELECT {COPY}, string_agg(policy, ',' ORDER BY policy) AS names "
        f"FROM verdicts WHERE passed GROUP BY {COPY}) other "
        "ON other.item_id = v.item_id AND other.variant = v.variant"
    )


def _moment(at: datetime) -> str:
    return f"TIMESTAMPTZ '{at.isoformat()}'"


def _held_out(sold: str, moment: str) -> str:
    return f"{sold} > {moment} - INTERVAL {HOLDOUT_DAYS} DAY"


def _columns(columns: tuple[Column, ...], expressions: dict[str, str], otherwise: str) -> str:
    """Return the select list of a table: an expression a column, or the column of a relation."""
    return ", ".join(
        f"CAST({expressions.get(c.name, f'{otherwise}.{c.name}')} "
        f"AS {CARRIED.get(c.name, c.type)}) AS {c.name}"
        for c in columns
    )
