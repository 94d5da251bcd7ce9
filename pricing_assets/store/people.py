"""People and images: whom items name, whom to ask about, and what was answered.

The unified index of items has its counterpart in `people_index`: a person whom a hundred
books name is asked about once, and again when the answer is old. Taking someone to ask moves
the due time on in the same statement, so two runs never ask the same.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from pricing_assets.core.categories import CATEGORIES
from pricing_assets.core.freshness import misses_after, next_due
from pricing_assets.core.items import item_id
from pricing_assets.core.people import (
    ANSWER_EXPECTED_WITHIN,
    PERSON_KINDS,
    PERSON_SOURCES,
    Person,
    people_of,
    role_of,
)
from pricing_assets.schema import tables as t
from pricing_assets.store.budgets import budgets
from pricing_assets.store.evidence import SourceFacts, keep_evidence
from pricing_assets.store.queue import Ask, moment
from resources.database import AnySelect, Bulk, Database
from resources.sources.client import Reply

ITEMS_A_BATCH = 5_000
"""Items whose people are read at once."""

FIELDS = ("label", "wikidata_id", "description", "born", "died", "awards", "wikis", "image")
"""What a source tells of a person, by our names; the columns of `people` have them too."""

_MOMENT = pa.timestamp("us", tz="UTC")


# --- whom items name -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Named:
    """An item with the people whom its metadata names, and its picture."""

    item_id: str
    as_of: datetime
    people: Sequence[Person]
    image: tuple[str, str, datetime] | None


def name_people(database: Database, *, now: datetime) -> int:
    """File the people and images of every item whose metadata was fetched since.

    An item is pending where `people_as_of` is not the moment of its last metadata fetch.
    Commits batch by batch.

    Returns:
        How many items there were.
    """
    done = 0
    while rows := database.rows(_pending()):
        items = [_named(row) for row in rows]
        with database.bulk() as bulk:
            _file_names(bulk, items, now)
        done += len(items)
    return done


def _pending() -> AnySelect:
    items = t.items
    return (
        sa.select(
            items.c.id,
            items.c.category,
            items.c.natural_key,
            items.c.thumbnail_url,
            items.c.field_origins,
            items.c.metadata_fetched_at,
            t.books.c.authors,
            sa.func.coalesce(t.cards.c.player_or_character, t.minifigures.c.name).label("shown"),
        )
        .outerjoin(t.books, t.books.c.item_id == items.c.id)
        .outerjoin(t.cards, t.cards.c.item_id == items.c.id)
        .outerjoin(t.minifigures, t.minifigures.c.item_id == items.c.id)
        .where(
            items.c.metadata_fetched_at.is_not(None),
            items.c.people_as_of.is_distinct_from(items.c.metadata_fetched_at),
        )
        .order_by(items.c.id)
        .limit(ITEMS_A_BATCH)
    )


def _named(row: sa.Row[Any]) -> _Named:
    origins = json.loads(row.field_origins or "{}")
    origin = origins.get(CATEGORIES[row.category].image)
    image = None
    if origin and row.thumbnail_url:
        image = (row.thumbnail_url, origin[0], datetime.fromisoformat(origin[1]))
    people = people_of(row.category, row.natural_key, authors=row.authors, shown=row.shown)
    return _Named(row.id, row.metadata_fetched_at, people, image)


def _file_names(bulk: Bulk, items: Sequence[_Named], now: datetime) -> None:
    people = {person.id: person for item in items for person in item.people}
    known = {person: people[person] for person in sorted(people)}
    bulk.upsert(
        t.people,
        pa.table(
            {
                "id": pa.array(list(known), pa.string()),
                "kind": pa.array([p.kind for p in known.values()], pa.string()),
                "key": pa.array([p.key for p in known.values()], pa.string()),
                "name": pa.array([p.name for p in known.values()], pa.string()),
                "created_at": pa.array([now] * len(known), _MOMENT),
                "updated_at": pa.array([now] * len(known), _MOMENT),
            }
        ),
    )
    done = bulk.stage(
        pa.table(
            {
                "item_id": [item.item_id for item in items],
                "as_of": pa.array([item.as_of for item in items], _MOMENT),
            }
        )
    )
    named = t.item_people
    # A correction of the metadata may name others.
    bulk.execute(sa.delete(named).where(named.c.item_id.in_(sa.select(done.c.item_id))))
    links = [(item.item_id, p.id, role_of(p.kind)) for item in items for p in item.people]
    bulk.upsert(
        named,
        pa.table(
            {
                name: pa.array([link[place] for link in links], pa.string())
                for place, name in enumerate(("item_id", "person_id", "role"))
            }
        ),
    )
    pictures = [(item.item_id, *item.image) for item in items if item.image]
    bulk.upsert(
        t.images,
        pa.table(
            {
                "id": pa.array([_image_id(i, url) for i, url, _, _ in pictures], pa.string()),
                "item_id": pa.array([i for i, _, _, _ in pictures], pa.string()),
                "url": pa.array([url for _, url, _, _ in pictures], pa.string()),
                "source": pa.array([source for _, _, source, _ in pictures], pa.string()),
                "observed_at": pa.array([at for _, _, _, at in pictures], _MOMENT),
            }
        ),
        update=("source", "observed_at"),
    )
    bulk.execute(
        sa.update(t.items).values(people_as_of=done.c.as_of).where(t.items.c.id == done.c.item_id)
    )


def _image_id(subject: str, url: str) -> str:
    return item_id("image", f"{subject}:{url}")


# --- whom to ask about ---------------------------------------------------------------------


def count_people_to_ask(database: Database, kinds: tuple[str, ...], *, now: datetime) -> int:
    """Count the questions about people that are due to sources of these kinds."""
    due = _due(kinds, now).subquery("due")
    return int(database.scalar(sa.select(sa.func.count()).select_from(due)) or 0)


def take_people(
    database: Database,
    kinds: tuple[str, ...],
    *,
    now: datetime,
    run_id: str,
    after: str,
    items: int,
) -> tuple[list[Ask], str | None]:
    """Take up to `items` questions about people that are due, within their sources' budgets.

    Whoever is taken and gets no answer is due again after `ANSWER_EXPECTED_WITHIN`; so no run
    holds a lease, and `run_id` and `after` are of no use here.

    Returns:
        The questions, and None where there are no more.
    """
    index = t.people_index
    insert = postgresql.insert if database.dialect == "postgresql" else sqlite.insert
    spent = budgets(database, now=now)
    asks: list[Ask] = []
    for (source,) in database.rows(_active(kinds)):
        left = min(items, spent[source].calls) if source in spent else items
        due = _due(kinds, now).where(t.data_sources.c.name == source)
        taken = due.order_by(t.people.c.id).limit(left).subquery("taken")
        statement = insert(index).from_select(
            ["person_id", "source", "next_due_at"],
            sa.select(
                taken.c.person_id, taken.c.source, moment(now + ANSWER_EXPECTED_WITHIN)
            ).where(sa.true()),
        )
        ours = statement.on_conflict_do_update(
            index_elements=[index.c.person_id, index.c.source],
            set_={"next_due_at": statement.excluded.next_due_at},
            where=index.c.next_due_at <= moment(now),
        ).returning(index.c.person_id)
        with database.begin() as connection:
            ids = sorted(row.person_id for row in connection.execute(ours))
            known = connection.execute(
                sa.select(t.people.c.id, t.people.c.kind, _QUESTION)
                .select_from(t.people)
                .join(t.data_sources, t.data_sources.c.name == source)
                .where(t.people.c.id.in_(ids))
                .order_by(t.people.c.id)
            )
            asks += [Ask(source, row.id, row.kind, row.question, None) for row in known]
    return asks, "" if asks else None


_QUESTION = sa.case(
    (t.data_sources.c.kind == "image", t.people.c.image), else_=t.people.c.name
).label("question")
"""What a source is asked: whose picture is known by its file, the file."""


def _active(kinds: tuple[str, ...]) -> AnySelect:
    sources = t.data_sources
    return (
        sa.select(sources.c.name)
        .where(sources.c.is_active, sources.c.kind.in_(kinds))
        .order_by(sources.c.name)
    )


def _due(kinds: tuple[str, ...], now: datetime) -> AnySelect:
    people, sources, index = t.people, t.data_sources, t.people_index
    return (
        sa.select(people.c.id.label("person_id"), sources.c.name.label("source"))
        .select_from(people)
        .join(sources, sa.and_(sources.c.is_active, sources.c.kind.in_(kinds)))
        .outerjoin(
            index, sa.and_(index.c.person_id == people.c.id, index.c.source == sources.c.name)
        )
        .where(
            _QUESTION.is_not(None),
            sources.c.kind.in_(PERSON_SOURCES),
            sa.or_(index.c.next_due_at.is_(None), index.c.next_due_at <= moment(now)),
        )
    )


# --- what was answered ---------------------------------------------------------------------


def commit_people(
    database: Database,
    replies: Sequence[Reply],
    sources: Mapping[str, SourceFacts],
    *,
    run_id: str,
    now: datetime,
) -> None:
    """Store a batch of replies about people in one transaction.

    Args:
        replies: At most one for each (person, source).
        sources: Facts by stored source name.
    """
    replies = [reply for reply in replies if not reply.postponed]
    index, origins = _known(database, replies)
    replies = [reply for reply in replies if not _is_filed(reply, index)]
    if not replies:
        return
    found = [reply for reply in replies if reply.answer and reply.result == "found"]
    people = [reply for reply in found if sources[reply.source].kind == "people"]
    with database.bulk() as bulk:
        keep_evidence(bulk, replies, sources, run_id, subject="person_id")
        _file_people(bulk, people, origins, now)
        _file_images(bulk, [reply for reply in found if sources[reply.source].kind == "image"])
        _file_index(bulk, replies, sources, index)


_Index = Mapping[tuple[str, str], tuple[datetime | None, int]]


def _known(database: Database, replies: Sequence[Reply]) -> tuple[_Index, Mapping[str, str]]:
    """Return the last fetch and the misses by person and source, and the fields' origins."""
    ids = sorted({reply.query.item_id for reply in replies})
    index, people = t.people_index, t.people
    rows = database.rows(sa.select(index).where(index.c.person_id.in_(ids)))
    origins = database.rows(
        sa.select(people.c.id, people.c.field_origins).where(people.c.id.in_(ids))
    )
    return (
        {(row.person_id, row.source): (row.last_fetched_at, row.misses) for row in rows},
        {row.id: row.field_origins or "{}" for row in origins},
    )


def _is_filed(reply: Reply, index: _Index) -> bool:
    fetched_at, _ = index.get((reply.query.item_id, reply.source), (None, 0))
    return fetched_at is not None and fetched_at >= reply.requested_at


def _file_people(
    bulk: Bulk, replies: Sequence[Reply], origins: Mapping[str, str], now: datetime
) -> None:
    """Write what was told; what a source does not know stays."""
    if not replies:
        return
    told = [dict(reply.answer.fields) if reply.answer else {} for reply in replies]
    merged = [
        json.loads(origins[reply.query.item_id])
        | {name: [reply.source, reply.requested_at.isoformat()] for name in sorted(fields)}
        for reply, fields in zip(replies, told, strict=True)
    ]
    staged = bulk.stage(
        pa.table(
            {
                "person_id": [reply.query.item_id for reply in replies],
                "origins": [json.dumps(origin) for origin in merged],
                **{
                    name: pa.array(
                        [fields.get(name) for fields in told],
                        pa.int64() if name in ("awards", "wikis") else pa.string(),
                    )
                    for name in FIELDS
                },
            }
        )
    )
    people = t.people
    bulk.execute(
        sa.update(people)
        .values(
            {name: sa.func.coalesce(staged.c[name], people.c[name]) for name in FIELDS}
            | {"field_origins": staged.c.origins, "updated_at": now}
        )
        .where(people.c.id == staged.c.person_id)
    )


def _file_images(bulk: Bulk, replies: Sequence[Reply]) -> None:
    answers = [(reply, reply.answer.fields) for reply in replies if reply.answer]
    facts = ("width", "height", "licence", "licence_url", "attribution")
    bulk.upsert(
        t.images,
        pa.table(
            {
                "id": pa.array(
                    [_image_id(r.query.item_id, str(f["url"])) for r, f in answers], pa.string()
                ),
                "person_id": pa.array([r.query.item_id for r, _ in answers], pa.string()),
                "url": pa.array([f["url"] for _, f in answers], pa.string()),
                **{
                    name: pa.array(
                        [fields.get(name) for _, fields in answers],
                        pa.int64() if name in ("width", "height") else pa.string(),
                    )
                    for name in facts
                },
                "source": pa.array([r.source for r, _ in answers], pa.string()),
                "observed_at": pa.array([r.requested_at for r, _ in answers], _MOMENT),
            }
        ),
        update=(*facts, "source", "observed_at"),
    )


def _file_index(
    bulk: Bulk, replies: Sequence[Reply], sources: Mapping[str, SourceFacts], index: _Index
) -> None:
    misses = [
        misses_after(r.result, None, index.get((r.query.item_id, r.source), (None, 0))[1])
        for r in replies
    ]
    bulk.upsert(
        t.people_index,
        pa.table(
            {
                "person_id": [reply.query.item_id for reply in replies],
                "source": [reply.source for reply in replies],
                "last_fetched_at": pa.array([r.requested_at for r in replies], _MOMENT),
                "result": [reply.result for reply in replies],
                "misses": pa.array(misses, pa.int64()),
                "next_due_at": pa.array(
                    [
                        next_due(r.requested_at, sources[r.source].freshness, missed)
                        for r, missed in zip(replies, misses, strict=True)
                    ],
                    _MOMENT,
                ),
            }
        ),
        update=("last_fetched_at", "result", "misses", "next_due_at"),
    )


# --- what is shown -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class KnownPerson:
    """A person of an item as they are shown, with the newest picture and whom to name for it."""

    person: sa.Row[Any]
    role: str
    image: sa.Row[Any] | None


def people_of_item(database: Database, item: str) -> list[KnownPerson]:
    """Return the people whom an item names, authors first, by name."""
    named, people, images = t.item_people, t.people, t.images
    rows = database.rows(
        sa.select(people, named.c.role)
        .join(named, named.c.person_id == people.c.id)
        .where(named.c.item_id == item)
        .order_by(named.c.role, people.c.name)
    )
    pictures = {
        row.person_id: row
        for row in database.rows(
            sa.select(images)
            .where(images.c.person_id.in_([row.id for row in rows]))
            .order_by(images.c.observed_at)
        )
    }
    return [KnownPerson(row, row.role, pictures.get(row.id)) for row in rows]


def people_counts(database: Database) -> dict[str, tuple[int, int]]:
    """Return by kind how many people there are, and how many of them a source knows."""
    people = t.people
    rows = database.rows(
        sa.select(
            people.c.kind,
            sa.func.count().label("people"),
            sa.func.count(people.c.wikidata_id).label("known"),
        ).group_by(people.c.kind)
    )
    found = {row.kind: (int(row.people), int(row.known)) for row in rows}
    return {kind: found.get(kind, (0, 0)) for kind in PERSON_KINDS}
