"""Metadata of an item: how complete it is, and how sources are merged.

Which fields there are is each category's own (`core.categories`).
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import combinations

from pricing_assets.core.categories import CATEGORIES

FIELDS: Mapping[str, float] = CATEGORIES["book"].weights
"""Fields of a book that count towards completeness, with their weights (sum 1)."""

EXTRA_FIELDS = CATEGORIES["book"].extra
"""Fields of a book that are kept when a source gives them, without counting."""

MERGED = tuple(dict.fromkeys(f.name for c in CATEGORIES.values() for f in c.fields))
"""The fields of all categories: a source gives an item those of its own."""

TITLES = tuple(dict.fromkeys(category.title for category in CATEGORIES.values()))
"""The fields that say to a person which item it is."""

SOURCE_PRECEDENCE = ("open_library", "google_books")
"""Whose word counts where two sources know a field, best first."""

Value = str | int | float

COMPARED_FIELDS = ("title", "authors")
"""Fields in which a difference between sources is shown for review."""

SAME_WORDS = 0.5
"""Share of all words that two titles or lists of authors have to share to be the same."""

_ARTICLES = frozenset({"a", "an", "and", "by", "der", "die", "das", "la", "le", "les", "of", "the"})


@dataclass(frozen=True, slots=True)
class MetadataVersion:
    """One source's fields about one item, as learnt at one moment."""

    source: str
    observed_at: datetime
    fields: Mapping[str, Value]


def completeness(fields: Mapping[str, object], category: str = "book") -> float:
    """Return the weighted share of the category's fields that are known, from 0.0 to 1.0.

    None and the empty string are unknown. 0.0 is an answer ("nothing is known"),
    not the lack of one.
    """
    weights = CATEGORIES[category].weights
    known = sum(weight for name, weight in weights.items() if fields.get(name) not in (None, ""))
    return round(known, 4)


def merge(
    versions: Iterable[MetadataVersion],
) -> tuple[dict[str, Value], dict[str, tuple[str, datetime]]]:
    """Merge what every source said of one item into one value a field.

    A field's value comes from the best source in `SOURCE_PRECEDENCE` that knows it, and
    from that source's latest word; at the same moment the name decides between sources of
    no rank. None and the empty string are silence: they never overwrite a value.

    Returns:
        The merged fields, and for each field the source and the time it came from.
    """
    best: dict[str, tuple[tuple[int, datetime, str], MetadataVersion]] = {}
    for version in versions:
        key = (-_rank(version.source), version.observed_at, version.source)
        for name, value in version.fields.items():
            if value in (None, ""):
                continue
            if name not in best or key > best[name][0]:
                best[name] = (key, version)
    chosen = {name: version for name, (_, version) in sorted(best.items())}
    merged = {name: version.fields[name] for name, version in chosen.items()}
    origin = {name: (version.source, version.observed_at) for name, version in chosen.items()}
    return merged, origin


def _rank(source: str) -> int:
    name = source.removeprefix("sandbox:")
    return SOURCE_PRECEDENCE.index(name) if name in SOURCE_PRECEDENCE else len(SOURCE_PRECEDENCE)


@dataclass(frozen=True, slots=True)
class Conflict:
    """A field of which two sources say materially different things, by source."""

    field: str
    said: Mapping[str, Value]


def conflicts(versions: Iterable[MetadataVersion]) -> list[Conflict]:
    """Return where the latest words of the sources on one item differ materially.

    Only title and authors are compared: two sources that differ there may be speaking of two
    books. See `differ` for what is material.
    """
    latest: dict[str, MetadataVersion] = {}
    for version in versions:
        known = latest.get(version.source)
        if known is None or version.observed_at > known.observed_at:
            latest[version.source] = version
    found = []
    for name in COMPARED_FIELDS:
        said = {
            source: version.fields[name]
            for source, version in sorted(latest.items())
            if version.fields.get(name) not in (None, "")
        }
        if any(differ(str(one), str(other)) for one, other in combinations(said.values(), 2)):
            found.append(Conflict(name, said))
    return found


def differ(one: str, other: str) -> bool:
    """Tell whether two titles, or two lists of authors, differ materially.

    They are compared as sets of words without accents, case, punctuation, articles and
    initials. One within the other (a subtitle, a series, a second author) is no difference;
    otherwise half of all words have to be shared.
    """
    words, others = _words(one), _words(other)
    if not words or not others or words <= others or others <= words:
        return False
    return len(words & others) / len(words | others) < SAME_WORDS


def _words(text: str) -> frozenset[str]:
    plain = unicodedata.normalize("NFKD", text.casefold())
    plain = "".join(c for c in plain if not unicodedata.combining(c))
    # J.R.R. is initials, O'Brien is one word.
    words = re.findall(r"\w+", re.sub(r"['\u2019]", "", plain))
    telling = [
        word for word in words if word not in _ARTICLES and (len(word) > 1 or word.isdigit())
    ]
    # Of a title of nothing but such words, such as "It" or "V.", all count.
    return frozenset(telling or words)


def merge_sql(versions: str, names: Iterable[str] = MERGED) -> str:
    """Return the DuckDB statement that does what `merge` does, for all items at once.

    Args:
        versions: Relation with columns item_id, source, observed_at, fields (JSON text).
        names: Fields to merge.

    Returns:
        A statement giving item_id, one text column for each field, and the source of the
        title or name as metadata_source.
    """
    known = " ".join(
        f"WHEN replace(source, 'sandbox:', '') = '{name}' THEN {len(SOURCE_PRECEDENCE) - place}"
        for place, name in enumerate(SOURCE_PRECEDENCE)
    )
    precedence = f"CASE {known} ELSE 0 END"
    order = f"struct_pack(p := {precedence}, at := observed_at, name := source)"
    columns = ", ".join(
        f"arg_max(fields->>'{name}', {order}) "
        f"FILTER (WHERE coalesce(fields->>'{name}', '') <> '') AS {name}"
        for name in names
    )
    title = ", ".join(f"nullif(fields->>'{name}', '')" for name in TITLES)
    return (
        f"SELECT item_id, {columns}, "
        f"arg_max(source, {order}) "
        f"FILTER (WHERE coalesce({title}) IS NOT NULL) AS metadata_source "
        f"FROM {versions} GROUP BY item_id"
    )
