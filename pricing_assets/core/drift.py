"""Drift: how much a month's examples differ from those of the month before.

Each measure is one DuckDB statement over two relations. Numbers of rows are whole and a
measure is rounded term by term, so that the order of rows and threads does not show.

- PSI, population stability index (Siddiqi, Credit Risk Scorecards, 2006): the sum over the
  bins of (a - b) ln(a / b), where b and a are a bin's shares before and after. Bins of a
  number are the tenths of the rows before; bins of a text are its values; null is a bin.
  A share of nothing counts as 0.0001. Read as: below 0.1 stable, above 0.25 changed.
- KS, Kolmogorov-Smirnov distance: the greatest difference of the two distribution functions,
  0 to 1. By chance it exceeds 1.36 sqrt((n + m) / (n m)) once in twenty times.
- Level: the change of the label's median in percent.
- Coverage: the share of known items that the gate admits.
- Reasons: rejected items by what they lack, numbers in the reason put aside.
"""

from collections.abc import Sequence

BINS = 10
LEAST_SHARE = 0.0001
STABLE, CHANGED = 0.1, 0.25
"""PSI up to which a column is stable, and from which it changed."""

PSI_NUMBERS = ("target_price", "sold_comps_count", "publication_year", "page_count", "ask_min")
PSI_TEXTS = ("category", "binding", "language", "split")
"""Columns whose drift is measured. Titles and names are new every month by nature."""


def psi_sql(before: str, after: str, column: str, *, numeric: bool) -> str:
    """Return the statement that gives the PSI of a column; null where a side has no rows."""
    if numeric:
        tenths = ", ".join(str(n / BINS) for n in range(1, BINS))
        edges = f"(SELECT quantile_disc({column}, [{tenths}]) AS edges FROM {before})"
        bin_of = (
            f"CASE WHEN {column} IS NOT NULL "
            f"THEN len(list_filter(coalesce(edges, []), lambda e: {column} > e)) END"
        )
    else:
        edges = "(SELECT 0 AS edges)"
        bin_of = column
    counted = " UNION ALL ".join(
        f"SELECT {bin_of} AS bin, {is_before} AS b, {1 - is_before} AS a FROM {side}, {edges}"
        for side, is_before in ((before, 1), (after, 0))
    )
    return f"""
    WITH counted AS ({counted}), bins AS (
        SELECT bin, sum(b) AS b, sum(a) AS a FROM counted GROUP BY bin
    ), shares AS (
        SELECT greatest(b / sum(b) OVER (), {LEAST_SHARE}) AS b,
               greatest(a / sum(a) OVER (), {LEAST_SHARE}) AS a
        FROM bins
        QUALIFY sum(b) OVER () > 0 AND sum(a) OVER () > 0
    )
    SELECT CAST(sum(CAST((a - b) * ln(a / b) AS DECIMAL(18, 9))) AS DOUBLE) FROM shares
    """


def ks_sql(before: str, after: str, column: str) -> str:
    """Return the statement that gives the Kolmogorov-Smirnov distance of a column."""
    return f"""
    WITH counted AS (
        SELECT {column} AS point, 1 AS b, 0 AS a FROM {before} WHERE {column} IS NOT NULL
        UNION ALL SELECT {column}, 0, 1 FROM {after} WHERE {column} IS NOT NULL
    ), steps AS (
        SELECT point, sum(b) AS b, sum(a) AS a FROM counted GROUP BY point
    ), reached AS (
        SELECT sum(b) OVER (ORDER BY point) / nullif(sum(b) OVER (), 0) AS b,
               sum(a) OVER (ORDER BY point) / nullif(sum(a) OVER (), 0) AS a
        FROM steps
    )
    SELECT round(max(abs(a - b)), 9) FROM reached
    """


def level_sql(before: str, after: str, column: str) -> str:
    """Return the statement that gives the medians before and after, and the change in %."""
    return f"""
    SELECT b, a, round((a - b) * 100 / nullif(b, 0), 2)
    FROM (SELECT quantile_disc({column}, 0.5) AS b FROM {before}),
         (SELECT quantile_disc({column}, 0.5) AS a FROM {after})
    """


def reasons_sql(relation: str) -> str:
    """Return the statement that counts rejected items by reason, their own numbers put aside.

    What the policy asks for stays; how many comps an item lacks becomes n, and what it has
    instead, which stands in brackets, is left out.
    """
    general = r"regexp_replace(reason, '[0-9]+ more comps?', 'n more comps', 'g')"
    general = rf"regexp_replace({general}, ' \([^)]*\)', '', 'g')"
    return (
        f"SELECT {general} AS reason, count(*) AS items "
        f"FROM {relation} GROUP BY 1 ORDER BY items DESC, 1"
    )


def reason_changes(
    before: Sequence[tuple[str, int]], after: Sequence[tuple[str, int]]
) -> list[tuple[str, int, int]]:
    """Return (reason, items before, items after), the greatest change first."""
    had, have = dict(before), dict(after)
    rows = [(reason, had.get(reason, 0), have.get(reason, 0)) for reason in {**had, **have}]
    return sorted(rows, key=lambda row: (-abs(row[2] - row[1]), row[0]))


def verdict(psi: float | None) -> str:
    """Return what a PSI means, in a word."""
    if psi is None:
        return "unknown"
    return "stable" if psi < STABLE else "moved" if psi < CHANGED else "changed"
