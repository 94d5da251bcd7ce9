"""Wikidata: who an author, an athlete or a character is.

We ask ``wbgetentities`` for what the English Wikipedia has under the person's name, which the
server normalizes and follows through redirects. Whoever shares the name is no answer: the
entity has to be a human of such an occupation, or a fictional being. An entity that was
redirected comes under its new number; a page of an entity (``Special:EntityData/Q42.json``)
has the same shape. Names are of ``formatversion`` 1 or 2; unknown entities are ``missing``.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from pydantic import Field

from pricing_assets.core.answers import Answer, ItemQuery
from resources.sources.base import Licence, UnparsablePayload
from resources.sources.wikimedia import Wikimedia
from resources.sources.wire import Text, Wire

HUMAN = "Q5"

OCCUPATIONS: Mapping[str, frozenset[str]] = {
    "author": frozenset({
        "Q36180", "Q6625963", "Q482980", "Q49757", "Q1930187", "Q4853732", "Q28389", "Q214917",
        "Q333634", "Q1607826", "Q201788", "Q4964182", "Q18844224", "Q11774202", "Q15949613",
        "Q12144794", "Q15980158", "Q864380", "Q3745071", "Q715301",
    }),
    "athlete": frozenset({
        "Q2066131", "Q10871364", "Q3665646", "Q937857", "Q19204627", "Q11774891", "Q10833314",
        "Q11338576", "Q11303721", "Q10843402", "Q11513337", "Q378622", "Q13474373", "Q10349745",
    }),
}  # fmt: skip
"""Occupations (P106) by which an entity is the person whom a name on an item means: writer,
novelist, author, poet … and athlete, players of the sports that are on cards."""

FICTIONAL = frozenset({
    "Q95074", "Q15632617", "Q3658341", "Q15773347", "Q1114461", "Q1569167", "Q15711870",
    "Q15773317", "Q3966183", "Q80447738",
})  # fmt: skip
"""What a character is an instance (P31) of: fictional character or human, of books, films,
comics, games; a Pokémon species."""

_TIME = re.compile(r"([+-])(\d{4,16})-(\d\d)-(\d\d)T")
_YEAR, _MONTH, _DAY = 9, 10, 11
"""Precisions of a time; what is vaguer than a year is taken for unknown."""


class _Value(Wire):
    value: Any = None


class _Snak(Wire):
    snaktype: Text = ""
    datavalue: _Value = _Value()


class _Statement(Wire):
    mainsnak: _Snak = _Snak()
    rank: Text = "normal"


class _Term(Wire):
    value: Text


class _Entity(Wire):
    essential: ClassVar[frozenset[str]] = frozenset({"id"})

    id: Text = ""
    labels: dict[str, _Term] = Field(default_factory=dict)
    descriptions: dict[str, _Term] = Field(default_factory=dict)
    claims: dict[str, tuple[_Statement, ...]] = Field(default_factory=dict)
    sitelinks: dict[str, Any] = Field(default_factory=dict)

    def values(self, prop: str) -> Iterator[Any]:
        """Yield the values that are claimed, the preferred ones first, deprecated ones never."""
        claims = [c for c in self.claims.get(prop, ()) if c.mainsnak.snaktype == "value"]
        for rank in ("preferred", "normal"):
            yield from (c.mainsnak.datavalue.value for c in claims if c.rank == rank)

    def entities(self, prop: str) -> list[str]:
        """Return the numbers of the entities that are claimed."""
        return [
            str(value["id"])
            for value in self.values(prop)
            if isinstance(value, dict) and "id" in value
        ]


class Wikidata(Wikimedia):
    """People by name: dates, fame, awards and the name of their picture."""

    name = "wikidata"
    kind = "people"
    base_url = "https://www.wikidata.org"
    licence = Licence(
        store_payloads=True,
        payload_retention_days=None,
        display_max_age_hours=None,
        redistribute=True,
        train="yes",
        note="Wikidata's structured data is dedicated to the public domain (CC0 1.0).",
    )

    def parameters(self, query: ItemQuery) -> Mapping[str, str]:
        """Ask for what the English Wikipedia has under the name."""
        return {
            "action": "wbgetentities",
            "sites": "enwiki",
            "titles": query.natural_key,
            "normalize": "1",
            "languages": "en",
            "props": "labels|descriptions|claims|sitelinks",
        }

    def read_answer(self, query: ItemQuery, document: Mapping[str, Any]) -> Answer:
        """Read the one entity; somebody else of the same name is not found."""
        entities = document.get("entities")
        if isinstance(entities, list):  # PHP's empty object
            entities = {str(number): entity for number, entity in enumerate(entities)}
        if not isinstance(entities, dict):
            raise UnparsablePayload("entities", "not an object")
        problems: list[str] = []
        for key, raw in entities.items():
            if isinstance(raw, dict) and "missing" in raw:
                continue
            place = f"entities.{key}"
            entity = _Entity.read(_with_objects(raw), place, problems)
            if entity is None:
                raise UnparsablePayload(place, "; ".join(problems))
            if objection := _objection(query.category, entity):
                return Answer("not_found", problems=(*problems, f"{place}: {objection}"))
            fields = {"wikidata_id": entity.id or key, **_fields(entity, place, problems)}
            return Answer("found", fields, problems=tuple(problems))
        return Answer("not_found", problems=tuple(problems))


def _with_objects(raw: object) -> object:
    """Take an empty list for an empty object, as PHP writes it."""
    if not isinstance(raw, dict):
        return raw
    return {key: {} if value == [] else value for key, value in raw.items()}


def _objection(kind: str, entity: _Entity) -> str | None:
    """Return why the entity is not the person who is meant; None where it may be."""
    kinds = entity.entities("P31")
    named = f"{entity.id or 'it'} is an instance of {', '.join(kinds) or 'nothing'}"
    if kind == "character":
        return None if FICTIONAL & set(kinds) else f"{named}, not a character"
    if HUMAN not in kinds:
        return f"{named}, not a human"
    known = OCCUPATIONS[kind]
    if known & set(entity.entities("P106")):
        return None
    return f"{entity.id} is a human of other occupations than an {kind}'s"


def _fields(entity: _Entity, place: str, problems: list[str]) -> dict[str, str | int]:
    fields: dict[str, str | int | None] = {
        "label": entity.labels["en"].value if "en" in entity.labels else None,
        "description": entity.descriptions["en"].value if "en" in entity.descriptions else None,
        "born": _first_date(entity, "P569", place, problems),
        "died": _first_date(entity, "P570", place, problems),
        "awards": sum(1 for _ in entity.values("P166")),
        "wikis": len(entity.sitelinks) or None,
        "image": next((v for v in entity.values("P18") if isinstance(v, str) and v), None),
    }
    return {name: value for name, value in fields.items() if value not in (None, "")}


def _first_date(entity: _Entity, prop: str, place: str, problems: list[str]) -> str | None:
    for value in entity.values(prop):
        date = _date(value)
        if date:
            return date
        problems.append(f"{place}.claims.{prop}: no date as precise as a year")
    return None


def _date(value: object) -> str | None:
    """Return a time as an ISO 8601 date, as precise as it is: ``1812-02-07`` or ``1812``."""
    match value:
        case {"time": str(time), "precision": int(precision)} if precision >= _YEAR:
            found = _TIME.match(time)
            if not found:
                return None
            sign, year, month, day = found.groups()
            text = f"{'-' if sign == '-' else ''}{int(year):04d}"
            if precision >= _MONTH and month != "00":
                text += f"-{month}"
                if precision >= _DAY and day != "00":
                    text += f"-{day}"
            return text
    return None
