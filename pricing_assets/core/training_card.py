"""The training set's card: what is in it, for people, as Markdown."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from pricing_assets.core.gate import POLICIES


def card(manifest: Mapping[str, Any], summary: tuple[Any, ...]) -> str:
    """Return the card of a build.

    Args:
        manifest: The build's manifest.
        summary: rows; min, median and max of the label in USD; rows with title, authors and
            binding.
    """
    rows, low, median, high, titles, authors, bindings = summary
    policy = POLICIES[manifest["policy"]]
    ways = " or ".join(f"{n} comps with a median of ${m}" for n, m in policy.ways_to_pass())
    lines = [
        f"# Training set {manifest['month']}" + (" (simulated)" if manifest["simulated"] else ""),
        "",
        f"As of {manifest['as_of']}"
        + (", **provisional**: the month had not ended." if manifest["provisional"] else "."),
    ]
    if manifest["simulated"]:
        lines += [
            "",
            "**Every price in it was simulated by the sandbox. It says nothing of real books.**",
        ]
    lines += [
        "",
        "| | |",
        "| --- | --- |",
        f"| examples | {rows:,} of {manifest['items_considered']:,} items with observations |",
        *(f"| {name} | {count:,} |" for name, count in manifest["splits"].items()),
        f"| label `target_price` | {_usd(low)} to {_usd(high)}, median {_usd(median)} |",
        f"| policy | `{policy.name}`: {policy.description} Admits {ways}. |",
        f"| build | `{manifest['build_id']}`, code {manifest['code_version']} |",
        "",
        "## Load it",
        "",
        "```python",
        "import pricing_assets",
        f'frame = pricing_assets.load_training_set("{manifest["month"]}")',
        "```",
        "",
        "## Observations by source",
        "",
        "| source | observations |",
        "| --- | ---: |",
        *(f"| {name} | {count:,} |" for name, count in manifest["sources"].items()),
        "",
        "## Missing values",
        "",
        "| column | missing |",
        "| --- | ---: |",
        *(
            f"| {name} | {_share(rows - known, rows)} |"
            for name, known in (("title", titles), ("authors", authors), ("binding", bindings))
        ),
        "",
        "## Columns",
        "",
        "| column | type | role | meaning |",
        "| --- | --- | --- | --- |",
        *(
            f"| {c['name']} | {c['type']} | {c['role']} | {c['meaning']} |"
            for c in manifest["columns"]
        ),
        "",
        "Do not use a `label-derived` column as a feature: it was computed from the label.",
        "",
        "## Known limits",
        "",
        f"- Policy `{policy.name}` looks at the price itself: cheap items are missing by design.",
        "- Sales without a date count as of the day they were observed.",
    ]
    return "\n".join(lines) + "\n"


def _usd(amount: Decimal | None) -> str:
    return "none" if amount is None else f"${amount:,.2f}"


def _share(part: int, whole: int) -> str:
    return f"{part:,} ({part / whole:.1%})" if whole else "0"
