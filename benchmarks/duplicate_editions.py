"""How well likely duplicates and works are told, against pairs labelled by reading them.

`tests/labels/duplicate_editions.csv` has pairs of ISBNs and a label, nothing else; titles,
authors, publishers and years are read in place from the catalogues of the reference data
(`PRICING_REFERENCE_DATA`), and without them there is nothing to measure.

Pairs were drawn from books of one author with equal or similar titles and from books with
one title by different authors, in strata over the score, at most two of one work, so the
hard ones are over-represented. Each was read with its title, author, publisher (and the
publisher's part of the ISBN), year and pages, without the score, by these rules:

- `duplicate`: one text from one publisher under one of its names, at most about ten years
  apart, and nothing read tells two bindings, formats, translations, revisions or page
  counts (more than about 15 %) apart. Where a publisher is unknown, its part of the ISBN
  has to be the same.
- `same_work`: the same text as another edition: another publisher or paperback line,
  another stated binding, audio, large print, translation, annotated or revised edition,
  or years far apart.
- `different`: another text: another volume or sequel, a collection and one part of it, a
  guide to the book, a screenplay, or another author.

The catalogues have no bindings, so a hardcover and its paperback from one publisher, a
year apart, are `duplicate` here unless the text tells; where bindings are known they
exclude such a pair. `precision` says how many of the pairs that are shown are worth a
look, not how many are one edition.

The factors of the rule were set on one half of the pairs (`tuned`, chosen by a hash of
the pair); the other half (`held_out`) was only measured. Labels and rule have one author,
so what both overlook is not in these figures. As the sample is stratified, its recall is
not that of a whole catalogue: weighted by the size of the strata, precision was 0.98 and
recall 0.81, for pairs with an unknown publisher are many there and never shown.
"""

import csv
import hashlib
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import duckdb
import pyarrow as pa

from benchmarks.running import ROOT, Found, Place, Stopwatch
from pricing_assets.core.codes import read_code
from pricing_assets.core.editions import (
    edition_pairs_sql,
    is_likely_duplicate,
    work_fingerprint_sql,
)

LABELS = ROOT / "tests" / "labels" / "duplicate_editions.csv"

CATALOGUES = {
    "goodreads11k_books.csv": (
        "isbn, title, authors, publisher, "
        "try_cast(right(publication_date, 4) AS INTEGER) AS publication_year"
    ),
    "book_crossing_books.csv": (
        'ISBN AS isbn, "Book-Title" AS title, "Book-Author" AS authors, '
        '"Book-Publisher" AS publisher, '
        'nullif(try_cast("Year-Of-Publication" AS INTEGER), 0) AS publication_year'
    ),
    # Its year is the first edition's, not this one's.
    "goodbooks10k_books.csv": (
        "isbn, title, authors, NULL AS publisher, NULL::INTEGER AS publication_year"
    ),
}
"""Columns of the catalogues, the one that knows most of a book first."""


class Judged(NamedTuple):
    """A labelled pair and what the rules say of it."""

    held_out: bool
    label: str
    likely_duplicate: bool
    same_fingerprint: bool


def measure(reference: Path) -> dict[str, float | int]:
    """Return precision, recall and F1 of the rules on the labelled pairs.

    Args:
        reference: Directory of the reference data.

    Returns:
        pairs, precision, recall and f1 of likely duplicates over all labels; the same of
        each half with the prefix ``tuned_`` and ``held_out_``; and of the fingerprint, for
        which `duplicate` and `same_work` are one work, with the prefix ``work_`` (all
        labels) and ``work_held_out_``.

    Raises:
        FileNotFoundError: A catalogue is absent.
        ValueError: A labelled ISBN is in none of the catalogues.
    """
    judged = _judged(reference)
    held_out = [pair for pair in judged if pair.held_out]
    tuned = [pair for pair in judged if not pair.held_out]
    return {
        **_figures("", _duplicates(judged)),
        **_figures("tuned_", _duplicates(tuned)),
        **_figures("held_out_", _duplicates(held_out)),
        **_figures("work_", _works(judged)),
        **_figures("work_held_out_", _works(held_out)),
    }


def read_catalogue(reference: Path) -> pa.Table:
    """Return one row (item_id, title, authors, publisher, binding, publication_year) a book.

    item_id is the ISBN-13 here, by which the labels name a book.
    """
    relations = []
    for place, (name, columns) in enumerate(CATALOGUES.items()):
        path = reference / "datasets" / "books" / name
        if not path.is_file():
            raise FileNotFoundError(f"no catalogue at {path}")
        source = f"read_csv('{path}', header = true, all_varchar = true)"
        relations.append(f"SELECT {place} AS place, {columns} FROM {source}")
    with duckdb.connect() as con:
        books = con.sql(" UNION ALL BY NAME ".join(relations)).to_arrow_table()
        codes = [read_code(code or "").natural_key for code in books["isbn"].to_pylist()]
        con.register("read", books.append_column("item_id", pa.array(codes, pa.string())))
        return con.sql(
            "SELECT item_id, title, authors, publisher, NULL::VARCHAR AS binding, "
            "publication_year FROM read WHERE item_id IS NOT NULL "
            "QUALIFY row_number() OVER (PARTITION BY item_id ORDER BY place) = 1"
        ).to_arrow_table()


def _judged(reference: Path) -> list[Judged]:
    with LABELS.open(encoding="utf-8", newline="") as file:
        labels = [(row["isbn13_a"], row["isbn13_b"], row["label"]) for row in csv.DictReader(file)]
    with duckdb.connect() as con:
        con.register("books", read_catalogue(reference))
        pairs = con.sql(f"SELECT item_a, item_b, score FROM ({edition_pairs_sql('books')})")
        scores = {(a, b): score for a, b, score in pairs.fetchall()}
        works = con.sql(f"SELECT item_id, {work_fingerprint_sql('title', 'authors')} FROM books")
        fingerprints = dict(works.fetchall())
    if absent := {isbn for a, b, _ in labels for isbn in (a, b)} - fingerprints.keys():
        raise ValueError(
            f"{len(absent)} labelled ISBNs are in none of the catalogues, such as {min(absent)}; "
            f"give the catalogues that {LABELS.name} was made from"
        )
    return [
        Judged(
            held_out=hashlib.sha256(f"{a}{b}".encode()).digest()[-1] % 2 == 1,
            label=label,
            likely_duplicate=is_likely_duplicate(scores.get((a, b), 0.0)),
            same_fingerprint=fingerprints[a] == fingerprints[b],
        )
        for a, b, label in labels
    ]


def _duplicates(judged: Sequence[Judged]) -> list[tuple[bool, bool]]:
    return [(pair.label == "duplicate", pair.likely_duplicate) for pair in judged]


def _works(judged: Sequence[Judged]) -> list[tuple[bool, bool]]:
    return [(pair.label != "different", pair.same_fingerprint) for pair in judged]


def _figures(prefix: str, truth_and_said: Sequence[tuple[bool, bool]]) -> dict[str, float | int]:
    right = sum(truth and said for truth, said in truth_and_said)
    precision = right / sum(said for _, said in truth_and_said)
    recall = right / sum(truth for truth, _ in truth_and_said)
    return {
        f"{prefix}pairs": len(truth_and_said),
        f"{prefix}precision": round(precision, 4),
        f"{prefix}recall": round(recall, 4),
        f"{prefix}f1": round(2 * precision * recall / (precision + recall), 4),
    }


def reference_data() -> Path:
    """Return the directory of the reference data, which may be absent."""
    given = os.environ.get("PRICING_REFERENCE_DATA")
    return Path(given or ROOT.parent / "shared" / "data").resolve()


def unmeasurable() -> str | None:
    """Say what is missing to measure; None where nothing is."""
    for name in CATALOGUES:
        path = reference_data() / "datasets" / "books" / name
        if not path.is_file():
            return f"no catalogue at {path}; set PRICING_REFERENCE_DATA to the reference data"
    return None


def labelled(_: Place) -> Found:
    """Score the catalogues' pairs and judge the labelled ones."""
    with Stopwatch() as watch:
        figures = measure(reference_data())
    return Found(watch.seconds, details=figures)


def main() -> int:
    """Print the figures; 0 even where the reference data is absent, with a line saying so."""
    if absent := unmeasurable():
        print(f"not measured: {absent}")
        return 0
    print_figures(measure(reference_data()))
    return 0


def print_figures(figures: Mapping[str, float]) -> None:
    """Print precision and recall of each rule, on all labels and on the halves."""
    print(f"{'':32}{'pairs':>6}{'precision':>11}{'recall':>8}{'f1':>8}")
    for prefix, title in {
        "": "likely duplicates, all labels",
        "tuned_": "  the half the rule was set on",
        "held_out_": "  the half held out",
        "work_": "same work, all labels",
        "work_held_out_": "  the half held out",
    }.items():
        pairs, precision, recall, f1 = (
            figures[prefix + name] for name in ("pairs", "precision", "recall", "f1")
        )
        print(f"{title:32}{pairs:6}{precision:11.3f}{recall:8.3f}{f1:8.3f}")


if __name__ == "__main__":
    sys.exit(main())
