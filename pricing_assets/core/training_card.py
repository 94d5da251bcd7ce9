"""The training set's card: what is in it, what it is good for and where it ends, for people.

The content is made once, as sections; here it becomes Markdown, and in `training_page` a page.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pricing_assets.core.drift import CHANGED, STABLE, verdict
from pricing_assets.core.gate import POLICIES
from pricing_assets.core.training import FULL_WEIGHT_COMPS, HOLDOUT_DAYS, SPLITS


@dataclass(frozen=True, slots=True)
class Text:
    """A paragraph; `code` and **bold** are marked as in Markdown."""

    text: str


@dataclass(frozen=True, slots=True)
class Code:
    """Lines of Python."""

    text: str


@dataclass(frozen=True, slots=True)
class Items:
    """A list of sentences."""

    items: Sequence[str]


@dataclass(frozen=True, slots=True)
class Grid:
    """A table. Cells after the first are numbers where `numbers` says so."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    numbers: bool = True


@dataclass(frozen=True, slots=True)
class Bars:
    """Counts by label, as one or two series that share their labels."""

    title: str
    series: Mapping[str, Sequence[tuple[str, int]]]


Block = Text | Code | Items | Grid | Bars


@dataclass(frozen=True, slots=True)
class Section:
    """A heading with what stands under it."""

    heading: str
    blocks: Sequence[Block]


def title(manifest: Mapping[str, Any]) -> str:
    """Return the card's title."""
    return f"Training set {manifest['month']}" + (" (simulated)" if manifest["simulated"] else "")


def sections(manifest: Mapping[str, Any], facts: Mapping[str, Any]) -> list[Section]:
    """Return the card's content.

    Args:
        manifest: The build's manifest.
        facts: Its counts and distributions (`store.training_facts`).
    """
    return [
        Section("", _summary(manifest, facts)),
        Section("Load it", _loading(manifest)),
        Section("Rows by category and split", [_by_category(facts), Text(_SPLITS)]),
        Section("Label", _label(facts)),
        Section("Evidence", _evidence(facts)),
        Section("Policies", _policies(manifest, facts)),
        Section("What was rejected, and why", [_reasons(facts)]),
        Section("Drift", _drift(facts)),
        Section("Changes", _changes(manifest, facts)),
        Section("Missing values", [_missing(facts)]),
        Section("Sources and licences", _sources(manifest)),
        Section("Columns", _columns(manifest)),
        Section("Known limits", [Items(_limits(manifest))]),
    ]


def card(manifest: Mapping[str, Any], facts: Mapping[str, Any]) -> str:
    """Return the card of a build as Markdown."""
    parts = [f"# {title(manifest)}"]
    for section in sections(manifest, facts):
        if section.heading:
            parts.append(f"## {section.heading}")
        parts += [_markdown(block) for block in section.blocks]
    return "\n\n".join(parts) + "\n"


def _markdown(block: Block) -> str:
    match block:
        case Text(text):
            return text
        case Code(text):
            return f"```python\n{text}\n```"
        case Items(items):
            return "\n".join(f"- {item}" for item in items)
        case Bars(name, series):
            labels = [label for label, _ in next(iter(series.values()))]
            counts = [[n for _, n in values] for values in series.values()]
            rows = [
                (label, *(f"{n:,}" for n in numbers))
                for label, *numbers in zip(labels, *counts, strict=True)
            ]
            return _markdown(Grid((name, *series), rows))
        case Grid(head, rows, numbers):
            line = " | ".join("---:" if numbers and place else "---" for place in range(len(head)))
            return "\n".join(
                [
                    f"| {' | '.join(head)} |",
                    f"| {line} |",
                    *(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |"
                      for row in rows),
                ]
            )  # fmt: skip


_SPLITS = (
    "A work is in `train`, `validation` or `test` (80, 10 and 10 %) by the hash of its key, with "
    "all its editions and for ever. `time_holdout` marks the rows that rest on a sale of the last "
    f"{HOLDOUT_DAYS} days: leave them out to test on what came after."
)


def _summary(manifest: Mapping[str, Any], facts: Mapping[str, Any]) -> list[Block]:
    blocks: list[Block] = [
        Text(
            f"As of {manifest['as_of']}"
            + (", **provisional**: the month had not ended." if manifest["provisional"] else ".")
        )
    ]
    if manifest["simulated"]:
        blocks.append(
            Text(
                "**Every price in it was simulated by the sandbox. It says nothing of real items.**"
            )
        )
    if manifest["internal"]:
        blocks.append(
            Text(
                "**Internal: it may hold content that may not be redistributed. Do not pass it "
                "on.**"
            )
        )
    label, policy = facts["label"], POLICIES[manifest["policy"]]
    rows = [
        (
            "examples",
            f"{manifest['rows']['examples']:,} of {facts['items_considered']:,} known items",
        ),
        *((name, f"{facts['splits'].get(name, 0):,}") for name in SPLITS),
        ("sales", f"{manifest['rows']['sales']:,} sold observations"),
        (
            "label `target_price`",
            f"{_usd(label['min'])} to {_usd(label['max'])}, median {_usd(label['median'])}",
        ),
        ("policy", f"`{policy.name}`: {policy.description} Admits {policy.admits()}."),
        (
            "build",
            f"`{manifest['build_id']}`, schema {manifest['schema_version']}, "
            f"code {manifest['code_version']} ({manifest['code_sha256'][:12]})",
        ),
    ]
    return [*blocks, Grid(("", ""), rows, numbers=False)]


def _loading(manifest: Mapping[str, Any]) -> list[Block]:
    month, build = manifest["month"], manifest["build_id"]
    return [
        Code(
            "import pricing_assets\n"
            f'frame = pricing_assets.load_training_set("{month}")\n'
            f'train = pricing_assets.load_training_set("{month}", split="train", '
            f'build_id="{build}")\n'
            f'sales = pricing_assets.load_training_set("{month}", table="sales", as_="arrow")'
        ),
        Text("The build id pins the rows: another build of the month is refused."),
    ]


def _by_category(facts: Mapping[str, Any]) -> Block:
    rows = [(f"{c}, {s}", f"{n:,}", f"{held:,}") for c, s, n, held in facts["by_category"]]
    return Grid(("category, split", "examples", "in the time hold-out"), rows)


def _label(facts: Mapping[str, Any]) -> list[Block]:
    label = facts["label"]
    names = ("min", "q25", "median", "q75", "max")
    return [
        Text("`target_price`: the median of what the item sold for, in USD, without shipping."),
        Grid(names, [[_usd(label[name]) for name in names]]),
        Bars("USD", {"examples": [tuple(bar) for bar in facts["label_histogram"]]}),
    ]


def _evidence(facts: Mapping[str, Any]) -> list[Block]:
    return [
        Bars("sold comps", {"examples": [tuple(bar) for bar in facts["comps_histogram"]]}),
        Bars("age in days", {"sales": [tuple(bar) for bar in facts["age_histogram"]]}),
    ]


def _policies(manifest: Mapping[str, Any], facts: Mapping[str, Any]) -> list[Block]:
    rows, charts = [], []
    for name, found in facts["policies"].items():
        admitted, rejected = found["admitted"], found["rejected"]
        total = admitted["count"] + rejected["count"]
        rows.append(
            (
                f"`{name}`" + (" (this build)" if name == manifest["policy"] else ""),
                _share(admitted["count"], total),
                _usd(admitted["median"]),
                _usd(rejected["median"]),
            )
        )
        charts.append(
            Bars(
                f"{name}: median in USD",
                {
                    key: [tuple(bar) for bar in found[key]["histogram"]]
                    for key in ("admitted", "rejected")
                },
            )
        )
    return [
        Text("Every policy judges every item with observations; this is what each would admit."),
        Grid(("policy", "admits", "median price admitted", "median price rejected"), rows),
        Items(
            [
                f"`{n}` admits {p['admits']}. {p['description']}"
                for n, p in facts["policies"].items()
            ]
        ),
        *charts,
    ]


def _reasons(facts: Mapping[str, Any]) -> Block:
    if not facts["reasons"]:
        return Text("Nothing was rejected.")
    return Grid(
        ("reason (n differs by item)", "items"), [(r, f"{n:,}") for r, n in facts["reasons"]]
    )


def _drift(facts: Mapping[str, Any]) -> list[Block]:
    drift = facts["drift"]
    if drift is None:
        return [Text("There is no comparable build of the month before.")]
    before, after, percent = drift["level"]
    had, have = drift["coverage"]
    change = "" if percent is None else f" ({float(percent):+.1f} %)"
    rows = [
        (name, _number(psi), verdict(psi), _number(drift["ks"].get(name)))
        for name, psi in drift["psi"].items()
    ]
    return [
        Text(f"Against {drift['month']}, build `{drift['build_id']}`."),
        Grid(
            ("", drift["month"], "this month"),
            [
                ("examples", *(f"{n:,}" for n in drift["rows"])),
                ("median label", _usd(before), _usd(after) + change),
                ("share of known items admitted", _percent(had), _percent(have)),
            ],
        ),
        Grid(("column", "PSI", "", "KS distance"), rows),
        Text(
            f"PSI below {STABLE} is stable, from {CHANGED} on changed: the sum over bins of "
            "(a - b) ln(a / b). KS is the greatest distance of the two distribution functions."
        ),
        Grid(
            ("reason for rejection", drift["month"], "this month"),
            [(reason, f"{b:,}", f"{a:,}") for reason, b, a in drift["reasons"]],
        ),
    ]


def _changes(manifest: Mapping[str, Any], facts: Mapping[str, Any]) -> list[Block]:
    before = manifest["before"]
    against = (
        f"Against build `{before['build_id']}` of {before['month']}, as of {before['as_of']}."
        if before
        else "There is no build before: every example is an added one."
    )
    kinds = ("added", "removed", "changed")
    return [
        Text(f"{against} Row by row in `changes.parquet`."),
        Grid(kinds, [[f"{facts['changes'].get(kind, 0):,}" for kind in kinds]]),
    ]


def _missing(facts: Mapping[str, Any]) -> Block:
    rows = [(name, _share(n, facts["admitted"])) for name, n in facts["missing"].items()]
    return Grid(("column", "missing"), rows)


def _sources(manifest: Mapping[str, Any]) -> list[Block]:
    def row(name: str, count: int) -> tuple[str, ...]:
        licence = manifest["licences"].get(name) or {}
        leaves = {True: "yes", False: "no"}.get(licence.get("redistribute"), "unknown")  # type: ignore[arg-type]
        return (name, f"{count:,}", licence.get("train", "unknown"), leaves)

    notes = [
        f"{name}: {licence['note']}"
        for name, licence in manifest["licences"].items()
        if licence.get("note")
    ]
    return [
        Grid(
            ("source", "observations", "may train a model", "may leave in an export"),
            [row(name, count) for name, count in manifest["sources"].items()],
        ),
        Items(notes),
        *_licences(manifest),
    ]


def _licences(manifest: Mapping[str, Any]) -> list[Block]:
    leaves = "may not leave is in it" if manifest["internal"] else "may not leave is not in it"
    blocks: list[Block] = [Text(f"Content that {leaves}.")]
    if manifest["simulated"]:
        blocks.append(Text("What the sandbox simulated is ours, whatever vendor it plays."))
    if manifest["agreements"]:
        rows = [(a["source"], a["reference"], a["date"]) for a in manifest["agreements"]]
        head = ("source", "agreement, as the operator declared it", "date")
        blocks.append(Grid(head, rows, numbers=False))
    else:
        blocks.append(Text("No agreement with a vendor was declared for what is in it."))
    if manifest["left_out"]:
        left_out = [
            (left["source"], left["what"], f"{left['rows']:,}", left["reason"])
            for left in manifest["left_out"]
        ]
        blocks.append(Text("Left out by their licence:"))
        blocks.append(Grid(("source", "what", "rows", "reason"), left_out, numbers=False))
    return blocks


def _columns(manifest: Mapping[str, Any]) -> list[Block]:
    blocks: list[Block] = [
        Text(
            "Use `feature` columns to learn the `label` from. A `label-derived` column was "
            "computed from the label and is no feature; nor is a column of any other role."
        )
    ]
    for name, table in manifest["tables"].items():
        files = table["files"]
        where = f" In {len(files)} files by the item's id, `{files[0]}` …" if files[1:] else ""
        blocks.append(Text(f"**{name}**: {table['meaning']}{where}"))
        blocks.append(
            Grid(
                ("column", "type", "role", "meaning"),
                [(c["name"], c["type"], c["role"], c["meaning"]) for c in table["columns"]],
                numbers=False,
            )
        )
    return blocks


def _limits(manifest: Mapping[str, Any]) -> list[str]:
    limits = [
        "Sales without a date count as of the day they were observed.",
        "The label is a median of sold prices: what did not sell is in no label.",
        "Asks are asks: `ask_min` is what a seller hopes for.",
        f"`weight` grows with the comps up to {FULL_WEIGHT_COMPS}; it says nothing of their age.",
    ]
    if manifest["policy"] == "v1":
        limits.insert(
            0,
            "Policy `v1` looks at the price itself: cheap items are missing by design. Compare "
            "with `v2` under Policies before you generalise.",
        )
    return limits


def _usd(amount: Any) -> str:
    return "none" if amount is None else f"${float(amount):,.2f}"


def _share(part: int, whole: int) -> str:
    return f"{part:,} ({part / whole:.1%})" if whole else "0"


def _percent(share: float | None) -> str:
    return "none" if share is None else f"{share:.1%}"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"
