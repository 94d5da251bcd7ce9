"""Rules against leaks in a built training set: each is one statement that finds what breaks it.

A rule looks at the files alone, as anyone who trains on them does: relations examples and
sales, and the manifest. Every row of its statement is a sentence on what is wrong; no row
means that the rule holds.
"""

from collections.abc import Callable, Mapping
from typing import Any

from pricing_assets.core.training import TABLES

Rule = Callable[[Mapping[str, Any]], str]
"""Takes a manifest and returns the DuckDB statement of a rule."""

NEAR_PERFECT_R2 = 0.95
"""R2 of one feature against the label above which it must have been computed from it."""

LEAST_ROWS = 30
"""Examples below which a near-perfect fit is chance."""

LEAST_ROWS_A_VALUE = 5
"""Mean examples for each value of a text below which its group means only repeat the label."""

NUMERIC = ("INTEGER", "BIGINT", "DOUBLE", "DECIMAL(12,2)")

NOTHING = "SELECT CAST(NULL AS VARCHAR) AS wrong WHERE false"


def declared_roles(manifest: Mapping[str, Any]) -> str:
    """Every column of the files has a declared role, and none without a column."""
    parts = []
    for name, table in manifest["tables"].items():
        declared = ", ".join(_quoted(c["name"]) for c in table["columns"])
        parts.append(
            f"SELECT '{name}.' || column_name || ' has no declared role' AS wrong "
            f"FROM (DESCRIBE {name}) WHERE column_name NOT IN ({declared})"
        )
    return " UNION ALL ".join(parts)


def derived_feature(manifest: Mapping[str, Any]) -> str:
    """No column that was computed from the label is declared a feature."""
    wrong = [
        f"{name}.{column['name']} was computed from the label and is declared a feature"
        for name, table in manifest["tables"].items()
        for column in table["columns"]
        if column["role"] == "feature"
        and _contract_role(name, column["name"]) in ("label", "label-derived")
    ]
    return _sentences(wrong)


def near_perfect_feature(manifest: Mapping[str, Any]) -> str:
    """No single feature explains the label: linearly by a number, by group means of a text."""
    features = [c for c in manifest["tables"]["examples"]["columns"] if c["role"] == "feature"]
    (label,) = [
        c["name"] for c in manifest["tables"]["examples"]["columns"] if c["role"] == "label"
    ]
    parts = [
        _fit(column["name"], label)
        if column["type"].replace(" ", "") in NUMERIC
        else _groups(column["name"], label)
        for column in features
    ]
    if not parts:
        return NOTHING
    # Read once, not twice a feature: to open the files took half of the time of all rules.
    columns = ", ".join([column["name"] for column in features] + [label])
    return (
        f"WITH features AS MATERIALIZED (SELECT {columns} FROM examples) "
        "SELECT 'examples.' || feature || ' alone explains the label: R2 ' || "
        "CAST(round(r2, 4) AS VARCHAR) AS wrong "
        f"FROM ({' UNION ALL '.join(parts)}) WHERE r2 > {NEAR_PERFECT_R2} AND isfinite(r2)"
    )


def work_on_both_sides(manifest: Mapping[str, Any]) -> str:
    """A work is on one side of the split, with all its editions and sales."""
    return (
        "SELECT 'work ' || work_key || ' is in ' || string_agg(DISTINCT split, ' and ' "
        "ORDER BY split) AS wrong FROM (SELECT work_key, split FROM examples "
        "UNION SELECT work_key, split FROM sales) GROUP BY work_key "
        "HAVING count(DISTINCT split) > 1"
    )


def later_than_as_of(manifest: Mapping[str, Any]) -> str:
    """Nothing was observed, and nothing sold, after the as-of."""
    moment = f"TIMESTAMPTZ '{manifest['as_of']}'"
    parts = [
        f"SELECT '{table} has ' || item_id || ' with {column} ' || CAST({column} AS VARCHAR) "
        f"|| ', after the as-of' AS wrong FROM {table} WHERE {column} > {moment}"
        for table, column in (
            ("examples", "last_observed_at"),
            ("examples", "last_sold_at"),
            ("sales", "observed_at"),
            ("sales", "sold_at"),
        )
    ]
    return " UNION ALL ".join(parts)


def only_sales(manifest: Mapping[str, Any]) -> str:
    """What labels are made of was sold: no estimate, no ask, no offer."""
    return (
        "SELECT 'sales has ' || item_id || ' with a price of kind ' || kind AS wrong "
        "FROM sales WHERE kind IS DISTINCT FROM 'sold'"
    )


def label_of_sales(manifest: Mapping[str, Any]) -> str:
    """A label is the median of the item's sales, as many as it says."""
    return (
        "SELECT 'label of ' || e.item_id || ' ' || e.variant || ' is not the median of its ' || "
        "CAST(e.sold_comps_count AS VARCHAR) || ' sales' AS wrong FROM examples e LEFT JOIN ("
        "SELECT item_id, variant, count(*) AS n, CAST(round(quantile_cont("
        "CAST(price AS DECIMAL(18, 6)), 0.5), 2) AS DECIMAL(12, 2)) AS price "
        "FROM sales WHERE kind = 'sold' GROUP BY item_id, variant) s USING (item_id, variant) "
        "WHERE s.n IS DISTINCT FROM e.sold_comps_count OR s.price IS DISTINCT FROM e.target_price"
    )


def simulated_rows(manifest: Mapping[str, Any]) -> str:
    """Outside the sandbox profile there is no simulated row."""
    if manifest["simulated"]:
        return NOTHING
    parts = [
        f"SELECT '{table} has ' || item_id || ' from ' || {column} AS wrong "
        f"FROM {table} WHERE contains({column}, 'sandbox:')"
        for table, column in (
            ("examples", "sold_sources"),
            ("examples", "metadata_source"),
            ("sales", "source"),
        )
    ]
    return " UNION ALL ".join(parts)


RULES: Mapping[str, Rule] = {
    rule.__name__: rule
    for rule in (
        declared_roles,
        derived_feature,
        near_perfect_feature,
        work_on_both_sides,
        later_than_as_of,
        only_sales,
        label_of_sales,
        simulated_rows,
    )
}
"""All rules by name."""


def _contract_role(table: str, column: str) -> str | None:
    if table not in TABLES:
        return None
    return next((c.role for c in TABLES[table].columns if c.name == column), None)


def _fit(feature: str, label: str) -> str:
    """R2 of the least-squares line, from sums that any order of rows gives alike."""
    x, y = f"CAST({feature} AS DOUBLE)", f"CAST({label} AS DOUBLE)"
    sums = f"count(*) AS n, fsum({x}) AS x, fsum({y}) AS y"
    return (
        f"SELECT '{feature}' AS feature, power(fsum(({x} - x / n) * ({y} - y / n)), 2) / nullif("
        f"fsum(power({x} - x / n, 2)) * fsum(power({y} - y / n, 2)), 0) AS r2 FROM features, "
        f"(SELECT {sums} FROM features WHERE {feature} IS NOT NULL) "
        f"WHERE {feature} IS NOT NULL AND n >= {LEAST_ROWS} HAVING count(*) > 0"
    )


def _groups(feature: str, label: str) -> str:
    """R2 of the means of the groups (eta squared), where a value is not nearly a row's own."""
    y = f"CAST({label} AS DOUBLE)"
    known = f"(SELECT {feature}, {label} FROM features WHERE {feature} IS NOT NULL)"
    return (
        f"SELECT '{feature}' AS feature, fsum(n * power(mean - middle, 2)) / nullif(max(total), 0) "
        f"AS r2 FROM (SELECT fsum({y}) / count(*) AS mean, count(*) AS n FROM {known} "
        f"GROUP BY {feature}), (SELECT fsum(power({y} - middle, 2)) AS total, "
        f"max(middle) AS middle FROM {known}, (SELECT fsum({y}) / count(*) AS middle FROM {known}))"
        f" HAVING sum(n) >= {LEAST_ROWS} AND count(*) > 1 "
        f"AND sum(n) >= {LEAST_ROWS_A_VALUE} * count(*)"
    )


def _sentences(wrong: list[str]) -> str:
    if not wrong:
        return NOTHING
    return " UNION ALL ".join(f"SELECT {_quoted(sentence)} AS wrong" for sentence in wrong)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
