"""How well a listing is told to be the item asked for, against listings labelled by reading.

`tests/labels/listing_matches.csv` has for each listing its data set, its row there (the
first is 1), what was asked for and a label, 1 or 0; titles are read in place from the
reference data (`PRICING_REFERENCE_DATA`), and without it there is nothing to measure.

- `ebay_sold_cards_searchapi.csv` keeps no queries, so each of its pages was read and given
  the card that it looks for; some rows are labelled for two cards. Equal titles of a page
  are taken once.
- `ebay_active_graded_cards_daily.csv` has its keywords (`search_keywords`), which are what
  was asked for, with the words that `card_comps_130point.csv` excludes for them.

Each title was read beside what was asked for, before the rule was run, by these rules:

- 1: that card, whatever its condition. Another parallel, insert set, numbered version,
  sticker, buyback stamp, photo variation or product line (Update, Sapphire, Draft Picks,
  Mega Box, Logofractor) is another card; so is a choice of cards, a pack, a whole set or
  two cards together. Several copies of that card are 1.
- An ask that names a grade asks for that grade of that grader, without a qualifier, and for
  an unsigned copy. One that names none takes every variant, signed ones too.
- Keywords of a set mean its base card.

One sold row was left out because its title could be read both ways. The weights of the
rule, and the words it lacked at first, were set on one half of the labels (`tuned`, chosen
by a hash of the row and what was asked); the other half (`held_out`) was only measured and
its mistakes were not looked at. It is still no foreign ground: labels and rule have one
author, who had read the titles of both halves before choosing the vocabulary, and the halves
share cards and sellers' habits. On other players and sets the rule will do worse. There are
no labelled titles of books or of minifigures: the reference data's asks for LEGO sets have
no titles.

The speed is that of `Matcher.match` over the labelled titles, repeated to `SPEED_TITLES`.
"""

import csv
import hashlib
import os
import sys
import time
from collections.abc import Sequence
from itertools import cycle, islice
from pathlib import Path
from typing import NamedTuple

from pricing_assets.core.judging import Wanted
from pricing_assets.core.matching import Match, Matcher

ROOT = Path(__file__).resolve().parent.parent
LABELS = ROOT / "tests" / "labels" / "listing_matches.csv"

SOLD = "ebay_sold_cards_searchapi.csv"
ACTIVE = "ebay_active_graded_cards_daily.csv"
EXCLUDED_WORDS = "card_comps_130point.csv"

SPEED_TITLES = 100_000


class Judged(NamedTuple):
    """A labelled listing and what the rule says of it."""

    held_out: bool
    label: bool
    asked: str
    title: str
    match: Match


def measure(reference: Path) -> dict[str, float | int]:
    """Return precision, recall and F1 of the rule on the labelled listings.

    Args:
        reference: Directory of the reference data.

    Returns:
        listings, precision, recall and f1 over all labels, and of each half with the
        prefix ``tuned_`` and ``held_out_``.

    Raises:
        FileNotFoundError: A data set is absent.
        ValueError: A labelled row is not in its data set.
    """
    judged = judge(reference)
    return {
        **_figures("", judged),
        **_figures("tuned_", [listing for listing in judged if not listing.held_out]),
        **_figures("held_out_", [listing for listing in judged if listing.held_out]),
    }


def judge(reference: Path) -> list[Judged]:
    """Judge every labelled listing, in the order of the labels."""
    cards = reference / "datasets" / "cards"
    rows = {name: _rows(cards / name) for name in (SOLD, ACTIVE)}
    excluded = {
        row["card_name"]: tuple(filter(None, row["exclude_keywords"].split(",")))
        for row in _rows(cards / EXCLUDED_WORDS)
    }
    matchers: dict[str, Matcher] = {}
    judged = []
    for label in _rows(LABELS):
        name, place = label["dataset"], int(label["row"])
        if not 0 < place <= len(rows[name]):
            raise ValueError(
                f"row {place} is labelled and {name} has {len(rows[name])} rows; give the "
                f"data set that {LABELS.name} was made from"
            )
        row = rows[name][place - 1]
        asked = label["asked"] or row["search_keywords"]
        if asked not in matchers:
            matchers[asked] = Matcher(Wanted("card", asked, excluding=excluded.get(asked, ())))
        key = f"{name}:{place}:{label['asked']}"
        judged.append(
            Judged(
                held_out=hashlib.sha256(key.encode()).digest()[-1] % 2 == 1,
                label=label["label"] == "1",
                asked=asked,
                title=row["title"],
                match=matchers[asked].match(row["title"]),
            )
        )
    return judged


def seconds_for_titles(reference: Path, count: int = SPEED_TITLES) -> float:
    """Return how long it takes to judge so many of the labelled titles against one card."""
    titles = list(islice(cycle(listing.title for listing in judge(reference)), count))
    matcher = Matcher(Wanted("card", "2024 Topps Chrome #1 Shohei Ohtani Refractor PSA 9"))
    started = time.perf_counter()
    for title in titles:
        matcher.match(title)
    return time.perf_counter() - started


def _rows(path: Path) -> list[dict[str, str]]:
    if not path.is_file():
        raise FileNotFoundError(f"no data set at {path}")
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _figures(prefix: str, judged: Sequence[Judged]) -> dict[str, float | int]:
    right = sum(listing.label and listing.match.belongs for listing in judged)
    precision = right / sum(listing.match.belongs for listing in judged)
    recall = right / sum(listing.label for listing in judged)
    return {
        f"{prefix}listings": len(judged),
        f"{prefix}precision": round(precision, 4),
        f"{prefix}recall": round(recall, 4),
        f"{prefix}f1": round(2 * precision * recall / (precision + recall), 4),
    }


def main() -> int:
    """Print the figures; 0 even where the reference data is absent, with a line saying so."""
    reference = Path(
        os.environ.get("PRICING_REFERENCE_DATA") or ROOT.parent / "shared" / "data"
    ).resolve()
    try:
        figures = measure(reference)
        seconds = seconds_for_titles(reference)
    except FileNotFoundError as absent:
        print(f"not measured: {absent}; set PRICING_REFERENCE_DATA to the reference data")
        return 0
    print(f"{'':32}{'listings':>9}{'precision':>11}{'recall':>8}{'f1':>8}")
    for prefix, title in {
        "": "listings, all labels",
        "tuned_": "  the half the rule was set on",
        "held_out_": "  the half held out",
    }.items():
        listings, precision, recall, f1 = (
            figures[prefix + name] for name in ("listings", "precision", "recall", "f1")
        )
        print(f"{title:32}{listings:9}{precision:11.3f}{recall:8.3f}{f1:8.3f}")
    print(f"{SPEED_TITLES:,} titles judged in {seconds:.1f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
