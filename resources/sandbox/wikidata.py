"""Wikidata as the sandbox plays it: ``wbgetentities`` by the English Wikipedia's titles.

Numbers of entities begin with 99, so that nobody is sent to another's page. How well somebody
is known, and what they were awarded, is invented and told of simulated people only.
"""

from typing import Any

from pricing_assets.core.people import name_key
from resources.sandbox.people import KnownPerson
from resources.sandbox.wikimedia import WikimediaVendor, error
from resources.sandbox.wire import Call, Reply

_HUMAN, _WRITER, _ATHLETE, _CHARACTER, _AWARD = "Q5", "Q36180", "Q2066131", "Q95074", "Q618779"
_DESCRIPTIONS = {"author": "writer", "athlete": "athlete", "character": "fictional character"}
_PRECISIONS = {4: 9, 7: 10, 10: 11}


class Wikidata(WikimediaVendor):
    """People by name."""

    source = "wikidata"

    def answer(self, call: Call) -> Reply:
        """Return the entity of the title."""
        title = call.params.get("titles", "")
        if call.params.get("action") != "wbgetentities" or call.params.get("sites") != "enwiki":
            return error("badvalue", "the sandbox has action=wbgetentities&sites=enwiki only")
        if not title or "|" in title:
            return error(
                "params-illegal", "Normalize is only allowed if exactly one title is given"
            )
        person = self.people.get(name_key(title))
        if person is None or not self.knows(name_key(title)):
            entities = {"-1": {"site": "enwiki", "title": title, "missing": ""}}
        else:
            entities = {entity_id(person): entity(person)}
        return Reply(200, {"entities": entities, "success": 1}, asked=(title,))


def entity_id(person: KnownPerson) -> str:
    """Return the number of a person's entity."""
    return f"Q99{person.number % 10**8:08d}"


def entity(person: KnownPerson) -> dict[str, Any]:
    """Return a person's entity."""
    claims: dict[str, list[dict[str, Any]]] = {
        "P31": [_item(_CHARACTER if person.kind == "character" else _HUMAN)]
    }
    if person.kind != "character":
        claims["P106"] = [_item(_WRITER if person.kind == "author" else _ATHLETE)]
    for prop, date in (("P569", person.born), ("P570", person.died)):
        if date:
            claims[prop] = [_time(date)]
    if person.portrait:
        claims["P18"] = [_claim("string", person.portrait)]
    wikis = ["enwiki"]
    if person.is_simulated:
        claims["P166"] = [_item(_AWARD)] * (person.number // 7 % 4)
        wikis += [f"simulated{number}wiki" for number in range(person.number // 31 % 40)]
    description = f"{_DESCRIPTIONS[person.kind]} (record of the sandbox)"
    return {
        "type": "item",
        "id": entity_id(person),
        "labels": {"en": {"language": "en", "value": person.name}},
        "descriptions": {"en": {"language": "en", "value": description}},
        "claims": {prop: found for prop, found in claims.items() if found},
        "sitelinks": {wiki: {"site": wiki, "title": person.name, "badges": []} for wiki in wikis},
    }


def _claim(kind: str, value: object) -> dict[str, Any]:
    snak = {"snaktype": "value", "datavalue": {"value": value, "type": kind}}
    return {"mainsnak": snak, "type": "statement", "rank": "normal"}


def _item(number: str) -> dict[str, Any]:
    value = {"entity-type": "item", "numeric-id": int(number[1:]), "id": number}
    return _claim("wikibase-entityid", value)


def _time(date: str) -> dict[str, Any]:
    whole = date + "-00" * ((10 - len(date)) // 3)
    value = {
        "time": f"+{whole}T00:00:00Z",
        "timezone": 0,
        "before": 0,
        "after": 0,
        "precision": _PRECISIONS[len(date)],
        "calendarmodel": "http://www.wikidata.org/entity/Q1985727",
    }
    return _claim("time", value)
