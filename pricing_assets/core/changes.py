"""What differs between two builds of examples: a DuckDB statement over both."""

from collections.abc import Collection

from pricing_assets.core.training import (
    CHANGES,
    DESCRIBED_CHANGES,
    EXAMPLES,
    UNCOMPARED,
)

KEY = ("item_id", "category", "natural_key", "variant")
"""Columns that say whose the difference is."""

COMPARED = tuple(c.name for c in EXAMPLES if c.role != "key" and c.name not in (*KEY, *UNCOMPARED))
"""Columns whose difference makes an example a changed one."""


def keyed(examples: str, columns: Collection[str]) -> str:
    """Return a relation of examples with its variants: before version 2.1 all were plain.

    Args:
        columns: That the relation has.
    """
    return examples if "variant" in columns else f"(SELECT *, '' AS variant FROM {examples})"


def changes_sql(before: str, after: str, compared: tuple[str, ...] = COMPARED) -> str:
    """Return the statement that gives the examples that were added, removed or changed.

    Args:
        before: Relation of the examples of one build; see `keyed`.
        after: Relation of the examples of another one.
        compared: Columns that both have.

    Returns:
        A statement with the columns of `changes`, one row an item that differs.
    """
    both = "b.item_id IS NOT NULL AND a.item_id IS NOT NULL"
    differing = ", ".join(
        f"CASE WHEN {both} AND b.{name} IS DISTINCT FROM a.{name} THEN '{name}' END"
        for name in compared
    )
    expressions = {
        **{name: f"coalesce(a.{name}, b.{name})" for name in KEY},
        "change": "CASE WHEN b.item_id IS NULL THEN 'added' WHEN a.item_id IS NULL "
        "THEN 'removed' ELSE 'changed' END",
        "columns": f"nullif(concat_ws(',', {differing}), '')",
        **{f"{name}_before": f"b.{name}" for name in DESCRIBED_CHANGES},
        **{name: f"a.{name}" for name in DESCRIBED_CHANGES},
    }
    columns = ", ".join(f"CAST({expressions[c.name]} AS {c.type}) AS {c.name}" for c in CHANGES)
    return (
        f"SELECT * FROM (SELECT {columns} FROM {before} b FULL JOIN {after} a "
        "ON a.item_id = b.item_id AND a.variant = b.variant) "
        "WHERE change <> 'changed' OR columns IS NOT NULL"
    )


def no_changes_sql(after: str) -> str:
    """Return the statement for a first build: every example is added."""
    return changes_sql(f"(SELECT * FROM {after} LIMIT 0)", after)
