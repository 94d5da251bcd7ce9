"""The training set's card as one page: no script, nothing loaded, readable on a phone."""

import html
import re
from collections.abc import Mapping, Sequence
from typing import Any

from pricing_assets.core.training_card import (
    Bars,
    Block,
    Code,
    Grid,
    Items,
    Text,
    sections,
    title,
)

COLOURS = ("#3b6ea8", "#c2803a")
"""Of the first and second series; they differ in brightness too."""

_STYLE = """
:root { color-scheme: light dark; --ink: #23272e; --soft: #5b6470; --line: #dfe3e8; --back: #fff;
  --shade: #f5f7f9 }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e8eb; --soft: #a4acb6; --line: #39404a;
  --back: #16191d; --shade: #20252b } }
* { box-sizing: border-box }
body { margin: 0 auto; max-width: 54rem; padding: 1rem; color: var(--ink); background: var(--back);
  font: 16px/1.5 system-ui, sans-serif }
h1 { font-size: 1.6rem; line-height: 1.2; margin: .5rem 0 1rem }
h2 { font-size: 1.15rem; margin: 2rem 0 .5rem; border-bottom: 1px solid var(--line);
  padding-bottom: .25rem }
p { margin: .6rem 0 }
.scroll { overflow-x: auto; margin: .6rem 0 }
table { border-collapse: collapse; font-size: .9rem; min-width: 40% }
th, td { text-align: left; padding: .3rem .9rem .3rem 0; border-bottom: 1px solid var(--line);
  vertical-align: top }
th { color: var(--soft); font-weight: 600 }
.numbers th:not(:first-child), .numbers td:not(:first-child) { text-align: right;
  font-variant-numeric: tabular-nums }
code, pre { font: .86rem/1.45 ui-monospace, monospace; background: var(--shade);
  border-radius: 4px }
code { padding: .1em .3em; overflow-wrap: break-word }
td:first-child code { white-space: nowrap }
pre { padding: .75rem; overflow-x: auto; margin: .6rem 0 }
figure { margin: 1rem 0 }
figcaption { color: var(--soft); font-size: .85rem; margin-bottom: .25rem }
svg { display: block; width: 100%; max-width: 30rem; height: auto }
svg text { font: 13px system-ui, sans-serif; fill: var(--ink) }
.warning { border-left: 4px solid #c2803a; background: var(--shade); padding: .5rem .75rem }
"""


def page(manifest: Mapping[str, Any], facts: Mapping[str, Any]) -> str:
    """Return the card of a build as a page.

    Args:
        manifest: The build's manifest.
        facts: Its counts and distributions (`store.training_facts`).
    """
    heading = html.escape(title(manifest))
    body = []
    for section in sections(manifest, facts):
        if section.heading:
            body.append(f"<h2>{html.escape(section.heading)}</h2>")
        body += [_block(block) for block in section.blocks]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{heading}</title><style>{_STYLE}</style></head>\n"
        f"<body><h1>{heading}</h1>\n" + "\n".join(body) + "\n</body></html>\n"
    )


def _block(block: Block) -> str:
    match block:
        case Text(text):
            warning = ' class="warning"' if text.startswith("**Every price") else ""
            return f"<p{warning}>{_inline(text)}</p>"
        case Code(text):
            return f"<pre>{html.escape(text)}</pre>"
        case Items(items):
            return "<ul>" + "".join(f"<li>{_inline(item)}</li>" for item in items) + "</ul>"
        case Bars(name, series):
            return _figure(name, series)
        case Grid(head, rows, numbers):
            top = "".join(f"<th>{_inline(cell)}</th>" for cell in head)
            lines = "".join(
                "<tr>" + "".join(f"<td>{_inline(cell)}</td>" for cell in row) + "</tr>"
                for row in rows
            )
            kind = ' class="numbers"' if numbers else ""
            shown = f"<thead><tr>{top}</tr></thead>" if any(head) else ""
            return f'<div class="scroll"><table{kind}>{shown}<tbody>{lines}</tbody></table></div>'


def _inline(text: str) -> str:
    safe = html.escape(text)
    safe = re.sub(r"`([^`]+)`", r"<code>\1</code>", safe)
    return re.sub(r"\*\*([^*]+)\*\*", r"<strong>\1</strong>", safe)


_WIDTH, _LABEL, _NUMBER, _BAR, _GAP = 380, 92, 62, 15, 6


def _figure(name: str, series: Mapping[str, Sequence[tuple[str, int]]]) -> str:
    """Draw counts as horizontal bars, the series of one label under each other."""
    most = max((n for values in series.values() for _, n in values), default=0) or 1
    labels = [label for label, _ in next(iter(series.values()))]
    step = _BAR * len(series) + _GAP
    marks = []
    for place, label in enumerate(labels):
        top = place * step
        middle = top + _BAR * len(series) / 2
        marks.append(
            f'<text x="{_LABEL - 8}" y="{middle + 4.5:g}" text-anchor="end">'
            f"{html.escape(label)}</text>"
        )
        for number, values in enumerate(series.values()):
            count = values[place][1]
            width = round(count / most * (_WIDTH - _LABEL - _NUMBER), 1)
            y = top + number * _BAR
            marks.append(
                f'<rect x="{_LABEL}" y="{y}" width="{width:g}" height="{_BAR - 1}" '
                f'fill="{COLOURS[number]}"/><text x="{_LABEL + width + 6:g}" y="{y + 12}">'
                f"{count:,}</text>"
            )
    key = " · ".join(
        f'<span style="color:{COLOURS[number]}">■</span> {html.escape(one)}'
        for number, one in enumerate(series)
    )
    height = len(labels) * step
    return (
        f"<figure><figcaption>{html.escape(name)} — {key}</figcaption>"
        f'<svg viewBox="0 0 {_WIDTH} {height}" role="img" aria-label="{html.escape(name)}">'
        + "".join(marks)
        + "</svg></figure>"
    )
