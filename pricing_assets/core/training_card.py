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
    if manifest["internal"]:
        lines += [
            "",
            "**Internal: it may hold content that may not be redistributed. Do not pass it on.**",
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
        *_licences(manifest),
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


def _licences(manifest: Mapping[str, Any]) -> list[str]:
    lines = ["## Licences", ""]
    if manifest["internal"]:
        lines.append("Built as internal: content that may not leave is in it.")
    else:
        lines.append("Built to be passed on: content that may not leave is not in it.")
    if manifest["simulated"]:
        lines += ["", "What the sandbox simulated is ours, whatever vendor it plays."]
    if manifest["agreements"]:
        lines += ["", "| source | agreement, as the operator declared it | date |"]
        lines += ["| --- | --- | --- |"]
        lines += [
            f"| {a['source']} | {a['reference'].replace('|', '/')} | {a['date']} |"
            for a in manifest["agreements"]
        ]
    else:
        lines += ["", "No agreement with a vendor was declared for what is in it."]
    if manifest["left_out"]:
        lines += ["", "Left out by their licence:", ""]
        lines += ["| source | what | rows | reason |", "| --- | --- | ---: | --- |"]
        lines += [
            f"| {left['source']} | {left['what']} | {left['rows']:,} | {left['reason']} |"
            for left in manifest["left_out"]
        ]
    return [*lines, ""]


def _usd(amount: Decimal | None) -> str:
    return "none" if amount is None else f"${amount:,.2f}"


def _share(part: int, whole: int) -> str:
    return f"{part:,} ({part / whole:.1%})" if whole else "0"
