"""The gate: versioned policies that decide what enters a training set.

A policy is one object. Its thresholds stand here once; the SQL, the reasons shown to
people and the documentation are made from them. Every policy gives its verdict on all items
by one statement, `verdict_sql`, so that policies can be set side by side.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Step:
    """A threshold and the points (hundredths of the score) for reaching it."""

    at_least: int
    points: int


class Gate(Protocol):
    """What every policy can say of items."""

    @property
    def name(self) -> str:
        """How it is stored."""

    @property
    def description(self) -> str:
        """What it looks at, for a person."""

    def admits(self) -> str:
        """Return what an item needs, for a person."""

    def verdict_sql(self, evidence: str, key: str = "item_id") -> str:
        """Return the DuckDB statement that gives the verdict on every item of a relation.

        Args:
            evidence: Relation with the key, sold_count, sold_median, spread_percent,
                sale_age_days and match_percent (see `core.evidence`). The comps in it are
                sold, not estimated.
            key: Columns that tell apart what is judged.

        Returns:
            A statement giving the key, policy, score (0 to 1), passed and reason.
        """


@dataclass(frozen=True, slots=True)
class Policy:
    """A rule over the number and the median (USD) of an item's sold comps.

    score = (points of the highest count step reached + points of the highest median step
    reached) / 100. An item passes with a score of `min_score`, `min_count` comps and a
    median of `min_median`, when the comps are sold and not estimated.

    Attributes:
        count_steps: Steps over the number of comps, highest first.
        median_steps: Steps over the median in USD, highest first.
        min_points: Points an item needs, in hundredths of the score.
    """

    name: str
    description: str
    count_steps: tuple[Step, ...]
    median_steps: tuple[Step, ...]
    min_points: int
    min_count: int
    min_median: int

    def score(self, count: int | None, median: Decimal | None) -> float:
        """Return the training quality score, from 0.0 to 1.0."""
        points = _reached(self.count_steps, count) + _reached(self.median_steps, median)
        return points / 100

    def passes(self, count: int | None, median: Decimal | None, is_estimate: bool) -> bool:
        """Tell whether an item with these comps may be in training."""
        if count is None or median is None or is_estimate:
            return False
        enough = count >= self.min_count and median >= self.min_median
        return enough and self.score(count, median) >= self.min_points / 100

    def score_sql(self, count: str, median: str) -> str:
        """Return the score as an SQL expression over two column names."""
        parts = []
        for column, steps in ((count, self.count_steps), (median, self.median_steps)):
            cases = " ".join(
                f"WHEN {column} >= {step.at_least} THEN {step.points}" for step in steps
            )
            parts.append(f"CASE {cases} ELSE 0 END")
        return f"(({parts[0]}) + ({parts[1]})) / 100.0"

    def passed_sql(self, score: str, count: str, median: str, is_estimate: str) -> str:
        """Return, as an SQL condition over column names, whether an item passes; never null."""
        return (
            f"coalesce({score} >= {self.min_points / 100} AND {count} >= {self.min_count} "
            f"AND {median} >= {self.min_median} AND NOT {is_estimate}, 1 = 0)"
        )

    def reason_sql(self, count: str, median: str, is_estimate: str) -> str:
        """Return, as an SQL expression, why an item passes or what it lacks, for a person.

        The ways to pass are derived from the steps, so "needs 3 more comps, or a median of
        $15" follows from the numbers and cannot disagree with them.
        """
        cases = [
            f"WHEN {is_estimate} THEN 'the comps are estimates: needs sold comps'",
            f"WHEN coalesce({count}, 0) = 0 THEN 'no sold comps: needs at least {self.min_count}'",
        ]
        ways = self.ways_to_pass()
        counts = sorted({way[0] for way in ways})
        medians = sorted({way[1] for way in ways})
        for has_count in [0, *counts]:
            for has_median in [0, *medians]:
                condition = " AND ".join(
                    [_range(count, has_count, counts), _range(median, has_median, medians)]
                )
                cases.append(f"WHEN {condition} THEN {_needs(ways, has_count, has_median, count)}")
        return "CASE " + " ".join(cases) + " ELSE 'no median' END"

    def ways_to_pass(self) -> list[tuple[int, int]]:
        """Return the least demanding (number of comps, median in USD) pairs that pass."""
        pairs = [
            (max(count.at_least, self.min_count), max(median.at_least, self.min_median))
            for count in self.count_steps
            for median in self.median_steps
            if count.points + median.points >= self.min_points
        ]
        return sorted(
            pair
            for pair in set(pairs)
            if not any(
                other != pair and other[0] <= pair[0] and other[1] <= pair[1] for other in pairs
            )
        )

    def admits(self) -> str:
        """Return what an item needs, for a person."""
        return " or ".join(f"{n} comps with a median of ${m}" for n, m in self.ways_to_pass())

    def verdict_sql(self, evidence: str, key: str = "item_id") -> str:
        """Return the DuckDB statement of the verdict; see `Gate.verdict_sql`."""
        names = ("sold_count", "sold_median")
        return (
            f"SELECT {key}, '{self.name}' AS policy, score, "
            f"{self.passed_sql('score', *names, 'false')} AS passed, "
            f"{self.reason_sql(*names, 'false')} AS reason "
            f"FROM (SELECT *, CAST({self.score_sql(*names)} AS DOUBLE) AS score FROM {evidence})"
        )


@dataclass(frozen=True, slots=True)
class Requirement:
    """One thing that the evidence of an item is measured by.

    Attributes:
        column: Of the evidence.
        steps: Best first; the last one is the least that an item needs.
        at_most: Whether less is better.
        needs: What is asked for, for a person, with `{}` for the number.
        has: What there is instead, with `{}` for the number; empty where the lack is counted.
    """

    column: str
    steps: tuple[Step, ...]
    needs: str
    has: str = ""
    at_most: bool = False

    def reached_sql(self, step: Step) -> str:
        """Return, as a condition, whether a step is reached; null counts as not."""
        sign = "<=" if self.at_most else ">="
        return f"coalesce({self.column} {sign} {step.at_least}, false)"

    def points_sql(self) -> str:
        """Return the points of the best step that is reached, as an expression."""
        cases = " ".join(f"WHEN {self.reached_sql(step)} THEN {step.points}" for step in self.steps)
        return f"CASE {cases} ELSE 0 END"

    def lack_sql(self) -> str:
        """Return what is missing, as an expression; null where nothing is."""
        least = self.steps[-1].at_least
        if self.has:
            before, _, after = self.has.partition("{}")
            lack = (
                f"'{self.needs.format(least)} (' || coalesce('{before}' || "
                f"CAST({self.column} AS VARCHAR) || '{after}', 'unknown') || ')'"
            )
        else:
            missing = f"({least} - coalesce({self.column}, 0))"
            lack = (
                f"CAST({missing} AS VARCHAR) || ' {self.needs}' || "
                f"CASE WHEN {missing} = 1 THEN '' ELSE 's' END"
            )
        return f"CASE WHEN NOT {self.reached_sql(self.steps[-1])} THEN {lack} END"


@dataclass(frozen=True, slots=True)
class EvidencePolicy:
    """A rule over the evidence alone: an item passes when it meets every requirement.

    score = sum over the requirements of the points of the best step reached / 100. The price
    is in none of them: to select by the label biases what is learnt from it.
    """

    name: str
    description: str
    requirements: tuple[Requirement, ...]

    def admits(self) -> str:
        """Return what an item needs, for a person."""
        return ", ".join(
            r.needs.format(r.steps[-1].at_least) if r.has else f"{r.steps[-1].at_least} comps"
            for r in self.requirements
        )

    def verdict_sql(self, evidence: str, key: str = "item_id") -> str:
        """Return the DuckDB statement of the verdict; see `Gate.verdict_sql`."""
        points = " + ".join(f"({r.points_sql()})" for r in self.requirements)
        passed = " AND ".join(r.reached_sql(r.steps[-1]) for r in self.requirements)
        lacks = ", ".join(r.lack_sql() for r in self.requirements)
        least = self.requirements[0].steps[-1].at_least
        return (
            f"SELECT {key}, '{self.name}' AS policy, CAST(({points}) / 100 AS DOUBLE) AS score, "
            f"{passed} AS passed, CASE WHEN coalesce(sold_count, 0) = 0 "
            f"THEN 'no sold comps: needs at least {least}' WHEN {passed} THEN 'passes' "
            f"ELSE 'needs ' || concat_ws(' and ', {lacks}) END AS reason FROM {evidence}"
        )


V1 = Policy(
    name="v1",
    description="Number and median of sold comps, weighted 70 to 30.",
    count_steps=(Step(20, 70), Step(8, 40)),
    median_steps=(Step(15, 30), Step(5, 15)),
    min_points=60,
    min_count=8,
    min_median=5,
)
"""Rewards many comps and a price that is worth modelling. 8 to 19 comps need a median of $15."""

V2 = EvidencePolicy(
    name="v2",
    description="Number, spread, recency and match confidence of the sold comps; never the price.",
    requirements=(
        Requirement("sold_count", (Step(20, 40), Step(8, 25)), "more comp"),
        Requirement(
            "spread_percent",
            (Step(50, 25), Step(100, 15)),
            "a spread of at most {} % of the median",
            "it is {} %",
            at_most=True,
        ),
        Requirement(
            "sale_age_days",
            (Step(30, 20), Step(90, 10)),
            "a sale in the last {} days",
            "the latest is {} days old",
            at_most=True,
        ),
        Requirement(
            "match_percent",
            (Step(90, 15), Step(70, 10)),
            "a match confidence of {} %",
            "it is {} %",
        ),
    ),
)
"""Evidence alone, so that cheap items are learnt from as well. Runs beside v1: its verdicts are
kept and shown, and a training set may be built by it; the items' flag stays v1's."""

POLICIES: dict[str, Gate] = {policy.name: policy for policy in (V1, V2)}
"""All policies by name."""

QUALITY_TIERS = (("excellent", 0.8), ("good", 0.6), ("fair", 0.4), ("poor", 0.0))
"""Names of score ranges, with the score from which each holds, best first."""


def tier_sql(score: str) -> str:
    """Return the name of the quality tier of a score as an SQL expression."""
    cases = " ".join(
        f"WHEN {score} >= {at_least} THEN '{name}'" for name, at_least in QUALITY_TIERS
    )
    return f"CASE {cases} END"


def _reached(steps: tuple[Step, ...], value: int | Decimal | None) -> int:
    if value is None:
        return 0
    return next((step.points for step in steps if value >= step.at_least), 0)


def _range(column: str, low: int, bounds: list[int]) -> str:
    above = [bound for bound in bounds if bound > low]
    below = f" AND {column} < {above[0]}" if above else ""
    return f"{column} >= {low}{below}"


def _needs(ways: list[tuple[int, int]], has_count: int, has_median: int, count: str) -> str:
    lacks = [
        (way[0] if way[0] > has_count else 0, way[1] if way[1] > has_median else 0) for way in ways
    ]
    if (0, 0) in lacks:
        return "'passes'"
    least = [
        lack
        for lack in lacks
        if not any(other != lack and other[0] <= lack[0] and other[1] <= lack[1] for other in lacks)
    ]
    options = []
    for need_count, need_median in sorted(least, key=lambda lack: (lack[1], lack[0])):
        parts = []
        if need_count:
            parts.append(
                f"CAST({need_count} - {count} AS TEXT) || "
                f"CASE WHEN {need_count} - {count} = 1 THEN ' more comp' ELSE ' more comps' END"
            )
        if need_median:
            parts.append(f"'a median of ${need_median}'")
        options.append(" || ' and ' || ".join(parts))
    return "'needs ' || " + " || ', or ' || ".join(options)
