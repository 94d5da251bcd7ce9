"""The work of every book: told anew where its metadata changed, and counted in `works`.

What a work is, is said in `pricing_assets.core.works`. A batch takes the books that changed
and those whose key may follow from theirs, so its cost does not grow with the catalogue.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime

import duckdb
import pyarrow as pa
import sqlalchemy as sa

from pricing_assets.core.editions import work_fingerprint_sql
from pricing_assets.core.metadata import merge_sql
from pricing_assets.core.works import works_sql
from pricing_assets.schema import tables as t
from pricing_assets.store.duplicates import file_duplicates, likely_duplicates
from resources.compute import duckdb_connection
from resources.database import AnySelect, Bulk, Database

ITEMS_A_BATCH = 20_000
"""Books that changed and are told anew at once."""

VALUES_A_QUERY = 2_000
"""Values that a query lists: SQLite reads a statement of up to a million letters."""

_BOOKS = sa.select(
    *(t.books.c[name] for name in ("item_id", "work_key", "fingerprint")),
    t.items.c.title,
    *(t.books.c[name] for name in ("authors", "publisher", "binding", "publication_year")),
).join(t.items, t.items.c.id == t.books.c.item_id)


def assign_works(database: Database, *, now: datetime) -> int:
    """Give every book whose metadata was fetched since its work; return their number.

    Writes `books.work_key` and `books.fingerprint`, keeps `works`, and files the likely
    duplicates of the books that changed. Commits batch by batch. A book is pending where
    `work_as_of` is not the moment of its last metadata fetch, so a crash leaves exactly the
    rest to do.
    """
    done = 0
    while (page := database.read_arrow(_pending())).num_rows:
        _assign(database, page, now)
        done += page.num_rows
    return done


def assign_works_of(database: Database, item_ids: Sequence[str], *, now: datetime) -> None:
    """Tell the works of these books anew, whether or not their metadata changed."""
    items = t.items
    page = sa.select(items.c.id.label("item_id"), items.c.metadata_fetched_at.label("as_of"))
    _assign(database, database.read_arrow(page.where(items.c.id.in_(item_ids))), now)


def _pending() -> AnySelect:
    items = t.items
    return (
        sa.select(items.c.id.label("item_id"), items.c.metadata_fetched_at.label("as_of"))
        .where(
            items.c.category == "book",
            items.c.metadata_fetched_at.is_not(None),
            items.c.work_as_of.is_distinct_from(items.c.metadata_fetched_at),
        )
        .order_by(items.c.id)
        .limit(ITEMS_A_BATCH)
    )


def _assign(database: Database, page: pa.Table, now: datetime) -> None:
    with duckdb_connection() as duck:
        duck.register("page", page)
        _gather(duck, database)
        editions = (
            "(SELECT b.item_id, g.work_key, b.told AS fingerprint "
            "FROM book b LEFT JOIN given g USING (item_id))"
        )
        duck.execute(f"CREATE TABLE work AS {works_sql(editions, 'accepted')}")
        assigned = duck.sql(
            """
            SELECT item_id, w.work_key, b.work_key AS work_key_before, page.as_of,
                page.item_id IS NOT NULL AS changed,
                -- A book that waits for its own batch still leaves its old fingerprint there.
                if(changed, b.told, b.fingerprint) AS fingerprint
            FROM work w JOIN book b USING (item_id) SEMI JOIN complete USING (item_id)
                LEFT JOIN page USING (item_id)
            WHERE changed OR w.work_key IS DISTINCT FROM b.work_key
            """
        ).to_arrow_table()
        duck.execute(
            "CREATE VIEW neighbour AS FROM book "
            "WHERE told IN (SELECT told FROM book SEMI JOIN page USING (item_id))"
        )
        pairs = likely_duplicates(duck, "neighbour", "page")
    with database.bulk() as bulk:
        _write(bulk, assigned, now)
        file_duplicates(bulk, pairs, page.select(["item_id"]), now=now)


def _gather(duck: duckdb.DuckDBPyConnection, database: Database) -> None:
    """Read into `book` and `given` what the works of the page's books follow from.

    A key follows from the editions of one fingerprint, before the change and after it, and a
    changed one is that of all editions that had the same. Accepted pairs are always there:
    they join whole works, and are as few as people's decisions. `complete` has the books of
    which all is there; the rest is only there for these.
    """
    reviews = t.edition_reviews
    duck.register(
        "accepted",
        database.read_arrow(
            sa.select(reviews.c.item_id, reviews.c.other_item_id).where(
                reviews.c.verdict == "accepted"
            )
        ),
    )
    duck.register("nothing", database.arrow_schema(_BOOKS).empty_table())
    # `fingerprint` is as it was stored, `told` as it is told now.
    duck.execute("CREATE TABLE book AS SELECT *, CAST(NULL AS VARCHAR) AS told FROM nothing")
    duck.execute("CREATE TABLE given (item_id VARCHAR, work_key VARCHAR)")
    duck.execute("CREATE TABLE taken (name VARCHAR, value VARCHAR)")
    own = "SELECT item_id FROM page"
    paired = "SELECT item_id FROM accepted UNION SELECT other_item_id FROM accepted"
    keys = "SELECT work_key FROM book UNION SELECT work_key FROM given"
    fingerprints = "SELECT fingerprint FROM book UNION SELECT told FROM book"
    books = t.books
    _take(duck, database, books.c.item_id, f"{own} UNION {paired}")
    _take(duck, database, books.c.fingerprint, fingerprints)
    _take(duck, database, books.c.work_key, keys)
    duck.execute("CREATE TABLE complete AS SELECT item_id FROM book")
    _take(duck, database, books.c.fingerprint, fingerprints)


def _take(
    duck: duckdb.DuckDBPyConnection, database: Database, column: sa.Column[str], wanted: str
) -> None:
    """Read the books with one of these values, and the keys that sources gave them.

    Args:
        wanted: Query over what has been read that gives the values; those that were asked
            for before, and nulls, are not asked for again.
    """
    asked = f"SELECT value FROM taken WHERE name = '{column.name}'"
    fresh = f"SELECT value FROM ({wanted}) w(value) WHERE value IS NOT NULL EXCEPT {asked}"
    for values in _chunks(duck, fresh):
        duck.register("found", database.read_arrow(_BOOKS.where(column.in_(values))))
        duck.register("values_asked", pa.table({"value": values}))
        duck.execute(f"INSERT INTO taken SELECT '{column.name}', value FROM values_asked")
        unknown = duck.sql("FROM found ANTI JOIN book USING (item_id)").to_arrow_table()
        # Even of no rows the fingerprint's statement is long to prepare.
        if unknown.num_rows:
            duck.register("unknown", unknown)
            told = work_fingerprint_sql("title", "authors")
            duck.execute(f"INSERT INTO book SELECT *, {told} FROM unknown")
    versions = t.metadata_versions
    said = "(SELECT item_id, source, observed_at, CAST(fields AS JSON) AS fields FROM said)"
    unread = "SELECT item_id FROM book EXCEPT SELECT value FROM taken WHERE name = 'version'"
    for ids in _chunks(duck, unread):
        rows = sa.select(
            versions.c.item_id, versions.c.source, versions.c.observed_at, versions.c.fields
        ).where(versions.c.item_id.in_(ids))
        duck.register("said", database.read_arrow(rows))
        duck.register("ids_asked", pa.table({"value": ids}))
        duck.execute(
            f"INSERT INTO given SELECT item_id, work_key FROM ({merge_sql(said, ['work_key'])}) "
            "WHERE work_key IS NOT NULL"
        )
        duck.execute("INSERT INTO taken SELECT 'version', value FROM ids_asked")


def _chunks(duck: duckdb.DuckDBPyConnection, query: str) -> Iterator[list[str]]:
    values = duck.sql(query).to_arrow_table().column(0)
    for start in range(0, len(values), VALUES_A_QUERY):
        yield values.slice(start, VALUES_A_QUERY).to_pylist()


def _write(bulk: Bulk, assigned: pa.Table, now: datetime) -> None:
    """Write keys and fingerprints, and count the works that gained or lost an edition."""
    books, items, works = t.books, t.items, t.works
    staged = bulk.stage(assigned, like=books)
    bulk.execute(
        sa.update(books)
        .values(work_key=staged.c.work_key, fingerprint=staged.c.fingerprint)
        .where(books.c.item_id == staged.c.item_id)
    )
    bulk.execute(
        sa.update(items)
        .values(work_as_of=staged.c.as_of, updated_at=now)
        .where(items.c.id == staged.c.item_id, staged.c.changed)
    )
    touched = pa.chunked_array(
        [*assigned["work_key"].chunks, *assigned["work_key_before"].chunks], pa.string()
    )
    keys = bulk.stage(pa.table({"key": touched.unique().drop_null()}), like=works)
    named = sa.case((books.c.fingerprint.is_not(None), books.c.item_id))
    counted = (
        sa.select(
            books.c.work_key, sa.func.count().label("editions"), sa.func.min(named).label("named")
        )
        .join(keys, keys.c.key == books.c.work_key)
        .group_by(books.c.work_key)
        .subquery()
    )
    bulk.insert_from(
        works,
        sa.select(
            counted.c.work_key.label("key"),
            books.c.fingerprint,
            items.c.title,
            books.c.authors,
            counted.c.editions,
            sa.literal(now, works.c.updated_at.type).label("updated_at"),
        )
        .select_from(counted)
        .outerjoin(books, books.c.item_id == counted.c.named)
        .outerjoin(items, items.c.id == counted.c.named),
        update=("fingerprint", "title", "authors", "editions", "updated_at"),
    )
    bulk.execute(
        sa.delete(works).where(
            works.c.key.in_(sa.select(keys.c.key)),
            ~sa.exists(sa.select(books.c.item_id).where(books.c.work_key == works.c.key)),
        )
    )
