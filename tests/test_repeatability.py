"""What DuckDB does not give twice alike is in no statement of ours."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

UNSTABLE = {
    "avg or mean": r"\b(?:avg|mean)\s*\(",
    "standard deviation": r"\b(?:stddev\w*|var_\w+|variance|corr|covar_\w+|regr_\w+)\s*\(",
    "any value": r"\b(?:any_value|arbitrary|first|last)\s*\(",
    "approximation": r"\bapprox_\w+\s*\(",
    "a sample": r"\b(?:USING SAMPLE|TABLESAMPLE|reservoir_quantile|random)\b",
    "list without an order": r"\b(?:list|array_agg)\s*\((?![^()]*ORDER BY)",
    "text without an order": r"\b(?:string_agg|group_concat|listagg)\s*\("
    r"(?![^()]*(?:\([^()]*\)[^()]*)*ORDER BY)",
    "sum of a float": r"\bsum\s*\(\s*CAST\([^()]*AS (?:DOUBLE|FLOAT|REAL)\)",
    "COPY without an order": r"\bCOPY\s*\((?!.*ORDER BY)",
}
"""What is not repeatable, as patterns: each depends on the order of rows or threads."""


def statements(path: Path) -> Iterator[tuple[int, str]]:
    """Line and text of every string of a module that may be SQL; placeholders become `x`."""
    tree = ast.parse(path.read_text())
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    inside: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            inside |= {id(part) for part in node.values}
            yield (
                node.lineno,
                "".join(
                    str(part.value) if isinstance(part, ast.Constant) else "x"
                    for part in node.values
                ),
            )
        elif (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and id(node) not in docstrings | inside
        ):
            yield node.lineno, node.value


def unstable(text: str) -> list[str]:
    return [
        name
        for name, pattern in UNSTABLE.items()
        if re.search(pattern, text, re.IGNORECASE | re.DOTALL)
    ]


def is_sql(text: str) -> bool:
    return bool(re.search(r"\b(SELECT|FILTER|GROUP BY|OVER|COPY|AS)\b", text))


@pytest.mark.parametrize("package", ["core", "store"])
def test_no_statement_has_an_unstable_aggregate(package: str) -> None:
    modules = sorted((ROOT / "pricing_assets" / package).rglob("*.py"))
    assert len(modules) > 10
    looked_at = 0
    found = []
    for path in modules:
        for line, text in statements(path):
            if is_sql(text):
                looked_at += 1
                found += [f"{path.name}:{line}: {name}" for name in unstable(text)]
    assert looked_at > 20
    assert found == []


@pytest.mark.parametrize(
    "text",
    [
        "SELECT avg(price) FROM sales",
        "SELECT stddev_samp(price) FROM sales",
        "SELECT any_value(title) FROM sales",
        "SELECT first(title) FROM sales",
        "SELECT approx_quantile(price, 0.5) FROM sales",
        "SELECT list(price) FROM sales",
        "SELECT array_agg(price) FROM sales",
        "SELECT string_agg(source, ',') FROM sales",
        "SELECT sum(CAST(price AS DOUBLE)) FROM sales",
        "COPY (SELECT * FROM sales) TO 'x'",
        "SELECT corr(a, b) FROM sales",
    ],
)
def test_an_unstable_aggregate_is_found(text: str) -> None:
    assert unstable(text)


@pytest.mark.parametrize(
    "text",
    [
        "SELECT median(price), sum(n), fsum(x), count(*) FROM sales",
        "SELECT string_agg(DISTINCT source, ',' ORDER BY source) FROM sales",
        "SELECT array_agg(price ORDER BY id) FROM sales",
        "SELECT sum(CAST(x * ln(x) AS DECIMAL(18, 9))) FROM sales",
        "COPY (SELECT * FROM sales ORDER BY id) TO 'x'",
    ],
)
def test_a_repeatable_one_is_let_through(text: str) -> None:
    assert unstable(text) == []
