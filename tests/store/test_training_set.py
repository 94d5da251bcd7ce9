import hashlib
import json
import os
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa

from pricing_assets.core.answers import Listing
from pricing_assets.core.licences import NO_AGREEMENT, NO_REDISTRIBUTION, NO_TRAINING
from pricing_assets.core.periods import month_end
from pricing_assets.core.training import EXAMPLES
from pricing_assets.schema import tables as t
from pricing_assets.schema.migrate import upgrade
from pricing_assets.store.sources import register_sources
from pricing_assets.store.training_places import Build
from pricing_assets.store.training_set import NothingToBuild, build_month, refuse_nothing
from resources.database import Database
from resources.sources import registered_sources
from tests.conftest import DatabaseUrl
from tests.examples import (
    ASKS,
    COMPLETE,
    DAY,
    NOON,
    SOLD,
    agree,
    book,
    commit,
    isbn,
    listing,
    reply,
    row,
    rows,
    sales,
    scan,
    set_licence,
)

MONTH = "2026-10"
AFTER = datetime(2026, 11, 3, tzinfo=UTC)
BOOKS = 30


def prices(number: int) -> list[str]:
    """Eight to twelve sales around a price of their own, all above $15."""
    return [f"{16 + number + place * 0.37:.2f}" for place in range(8 + number % 5)]


def shown(number: int) -> list[Listing]:
    return [listing(str(place), price) for place, price in enumerate(prices(number))]


def fill(database: Database) -> None:
    """Thirty books in training, in pairs that are editions of one work; two that are not."""
    scan(database, *range(BOOKS + 2))
    commit(
        database,
        *(
            reply(
                number,
                "open_library",
                fields={**COMPLETE, "title": f"Book № {number}", "work_key": f"OL{number // 2}W"},
            )
            for number in range(BOOKS)
            if number % 10 != 9
        ),
        *(reply(number, SOLD, listings=shown(number)) for number in range(BOOKS)),
        reply(1, ASKS, listings=[listing("a", "99.00", "ask"), listing("b", "98.50", "ask")]),
        reply(BOOKS, SOLD, listings=[listing(str(i), "2.00") for i in range(25)]),
        reply(BOOKS + 1, SOLD, listings=[listing(str(i), "90.00", "estimate") for i in range(25)]),
    )


def build(
    database: Database,
    directory: Path,
    *,
    now: datetime = AFTER,
    at: datetime | None = None,
    sandbox: bool = False,
    month: str = MONTH,
    run_id: str = "run",
    internal: bool = True,
) -> Build:
    return build_month(
        *(database, month, directory),
        now=now,
        policy="v1",
        sandbox=sandbox,
        run_id=run_id,
        at=at,
        internal=internal,
    )


def content(made: Build) -> dict[str, bytes]:
    """All that is repeated: everything but the DuckDB file."""
    found = [path for path in made.path.rglob("*") if path.is_file() and path.suffix != ".duckdb"]
    return {path.relative_to(made.path).as_posix(): path.read_bytes() for path in found}


def examples(made: Build) -> dict[str, dict[str, Any]]:
    table = pq.read_table(made.path / "examples.parquet")
    return {found["natural_key"]: found for found in table.to_pylist()}


@pytest.fixture
def migrated_url(sqlite_url: DatabaseUrl) -> DatabaseUrl:
    """SQLite alone: DuckDB makes the tables, and that PostgreSQL gives the same is a test here."""
    return sqlite_url


@pytest.fixture
def filled(database: Database) -> Database:
    fill(database)
    return database


def test_an_example_is_an_item_that_passed(filled: Database, tmp_path: Path) -> None:
    made = build(filled, tmp_path)
    found = examples(made)
    assert set(found) == {isbn(number) for number in range(BOOKS)}
    assert found[isbn(1)] == {
        "item_id": book(1).item_id,
        "category": "book",
        "natural_key": isbn(1),
        "variant": "",
        "work_key": "OL0W",
        "title": "Book № 1",
        "authors": "Charles Dickens",
        "publisher": "Penguin",
        "publication_year": 2002,
        "binding": "Paperback",
        "page_count": 544,
        "language": "en",
        **dict.fromkeys(("player_or_character", "set_name", "number", "parallel", "theme")),
        "ask_count": 2,
        "ask_min": Decimal("98.50"),
        "target_price": Decimal("18.48"),
        "sold_comps_count": 9,
        "sold_comps_min": Decimal("17.00"),
        "sold_comps_median": Decimal("18.48"),
        "sold_comps_max": Decimal("19.96"),
        "training_quality_score": 0.7,
        "spread_percent": 8,
        "weight": 0.45,
        "split": found[isbn(0)]["split"],
        "time_holdout": True,
        "sold_sources": SOLD,
        "metadata_source": "open_library",
        "last_sold_at": NOON,
        "last_observed_at": NOON,
        "match_percent": 95,
        "payload_sha256s": reply(1, SOLD, listings=shown(1)).sha256,
    }
    unknown = found[isbn(9)]
    assert unknown["title"] is unknown["authors"] is unknown["metadata_source"] is None
    assert unknown["work_key"] == book(9).item_id
    table = pq.read_table(made.path / "examples.parquet")
    assert table.column_names == [column.name for column in EXAMPLES]
    assert table["natural_key"].to_pylist() == sorted(found)


def test_the_manifest_tells_what_is_there(filled: Database, tmp_path: Path) -> None:
    made = build(filled, tmp_path)
    manifest = json.loads((made.path / "manifest.json").read_text())
    assert manifest == made.manifest
    assert manifest["as_of"] == month_end(MONTH).isoformat() == "2026-10-31T23:59:59.999999+00:00"
    assert (manifest["month"], manifest["policy"]) == (MONTH, "v1")
    assert (manifest["provisional"], manifest["simulated"]) == (False, False)
    sold = sum(len(prices(number)) for number in range(BOOKS)) + 25
    assert manifest["observations"] == {"ask": 2, "sold": sold}
    assert manifest["sources"] == {ASKS: 2, SOLD: sold}
    assert manifest["rows"] == {"examples": BOOKS, "sales": sold, "rejected": 2, "changes": BOOKS}
    assert manifest["items_considered"] == BOOKS + 2
    assert sum(manifest["splits"].values()) == BOOKS
    file = (made.path / "examples.parquet").read_bytes()
    assert manifest["files"]["examples.parquet"] == {
        "sha256": hashlib.sha256(file).hexdigest(),
        "bytes": len(file),
        "rows": BOOKS,
        "row_hash": manifest["tables"]["examples"]["row_hash"],
    }
    files = manifest["tables"]["sales"]["files"]
    assert files == sorted(
        path.relative_to(made.path).as_posix() for path in made.path.rglob("sales/*")
    )
    assert sum(manifest["files"][name]["rows"] for name in files) == sold
    stored = row(filled, t.training_sets)
    assert (stored.build_id, stored.as_of) == (manifest["build_id"], month_end(MONTH))
    assert (stored.rows, stored.path, stored.provisional) == (BOOKS, str(made.path), False)


def test_the_card_is_for_people(filled: Database, tmp_path: Path) -> None:
    card = (build(filled, tmp_path).path / "card.md").read_text()
    assert card.startswith("# Training set 2026-10\n")
    assert "simulated" not in card.partition("## Columns")[0]
    assert "8 comps with a median of $15 or 20 comps with a median of $5" in card
    assert f"| `{SOLD}`" in card or f"| {SOLD} |" in card
    assert all(f"| {column.name} |" in card for column in EXAMPLES)


def test_the_duckdb_file_has_the_views(filled: Database, tmp_path: Path) -> None:
    made = build(filled, tmp_path)
    with duckdb.connect(str(made.path / "training_set.duckdb"), read_only=True) as duck:
        counts = {
            view: duck.execute(f"SELECT count(*) FROM {view}").fetchall()[0][0]
            for view in ("examples", "train", "validation", "test", "cached_books")
        }
        (as_of,) = duck.execute("SELECT value FROM manifest WHERE key = 'as_of'").fetchall()[0]
    assert counts.pop("examples") == counts.pop("cached_books") == BOOKS
    assert {name: n for name, n in counts.items() if n} == made.manifest["splits"]
    assert json.loads(as_of) == made.manifest["as_of"]


def test_the_same_as_of_gives_the_same_bytes(
    filled: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = content(build(filled, tmp_path / "one"))
    news = [listing("0", "1.00"), listing("new", "2.00")]
    other = {**COMPLETE, "title": "Other"}
    commit(
        filled,
        *(reply(number, SOLD, AFTER, listings=news) for number in range(BOOKS)),
        *(reply(number, ASKS, AFTER, listings=[listing("z", "1", "ask")]) for number in range(3)),
        *(reply(number, "google_books", AFTER, fields=other) for number in range(BOOKS)),
        *(reply(number, "open_library", AFTER, fields=other) for number in range(BOOKS)),
    )
    for threads in (1, 8):
        monkeypatch.setattr(os, "cpu_count", lambda threads=threads: threads)
        again = build(filled, tmp_path / str(threads), now=AFTER + 90 * DAY, run_id="later")
        assert content(again) == before
    following = build(filled, tmp_path / "next", now=AFTER + 90 * DAY, month="2026-11")
    assert content(following)["examples.parquet"] != before["examples.parquet"]


def test_both_databases_give_the_same_bytes(tmp_path: Path, postgres_url: DatabaseUrl) -> None:
    made = []
    for url in (f"sqlite:///{tmp_path / 'pricing.db'}", postgres_url):
        database = Database(url)
        upgrade(database)
        register_sources(database, registered_sources(), "")
        agree(database)
        fill(database)
        made.append(content(build(database, tmp_path / database.dialect)))
        database.close()
    assert made[0] == made[1]


def test_an_as_of_is_a_moment_in_any_zone(filled: Database, tmp_path: Path) -> None:
    at = NOON + timedelta(hours=1)
    made = [
        content(
            build(filled, tmp_path / str(hours), at=at.astimezone(timezone(timedelta(hours=hours))))
        )
        for hours in (0, 9)
    ]
    assert made[0] == made[1]
    assert json.loads(made[0]["manifest.json"])["as_of"] == at.isoformat()


def test_a_running_month_is_provisional(filled: Database, tmp_path: Path) -> None:
    now = NOON + timedelta(hours=1)
    made = build(filled, tmp_path, now=now)
    assert (made.manifest["provisional"], made.manifest["as_of"]) == (True, now.isoformat())
    assert "provisional" in (made.path / "card.md").read_text()
    again = build(filled, tmp_path / "again", now=AFTER, at=now)
    assert content(again) == content(made)
    assert row(filled, t.training_sets).provisional is True
    assert build(filled, tmp_path, now=AFTER).manifest["provisional"] is False


def test_what_was_known_counts_and_what_was_learnt_later_does_not(
    filled: Database, tmp_path: Path
) -> None:
    # Corrected within the month, after the first as-of.
    commit(filled, reply(0, SOLD, NOON + DAY, listings=[listing("0", "500.00")]))
    before, after = (
        examples(build(filled, tmp_path / name, at=at))[isbn(0)]
        for name, at in (("before", NOON), ("after", NOON + DAY))
    )
    assert (before["sold_comps_count"], before["sold_comps_max"]) == (8, Decimal("18.59"))
    assert (after["sold_comps_count"], after["sold_comps_max"]) == (8, Decimal("500.00"))
    assert (before["last_observed_at"], after["last_observed_at"]) == (NOON, NOON + DAY)


def test_editions_of_a_work_are_on_one_side_for_ever(filled: Database, tmp_path: Path) -> None:
    before = examples(build(filled, tmp_path))
    sides: dict[str, set[str]] = {}
    for found in before.values():
        sides.setdefault(found["work_key"], set()).add(found["split"])
    assert all(len(side) == 1 for side in sides.values())
    assert len(sides) < len(before)
    assert len(set.union(*sides.values())) > 1
    # More books and other prices later: nobody changes sides.
    scan(filled, *range(100, 130), origin="more")
    sold = [listing(str(place), "77.00") for place in range(20)]
    commit(filled, *(reply(n, SOLD, AFTER, listings=sold) for n in (*range(100, 130), 0, 5)))
    after = examples(build(filled, tmp_path, now=AFTER + 40 * DAY, month="2026-11"))
    assert len(after) > len(before)
    assert {key: after[key]["split"] for key in before} == {
        key: found["split"] for key, found in before.items()
    }


def test_simulated_observations_stay_in_the_sandbox(database: Database, tmp_path: Path) -> None:
    directory = tmp_path / "sets"
    register_sources(database, registered_sources(), "sandbox:")
    scan(database, 1, 2)
    sales(database, 1, ["20.00"] * 20, prefix="sandbox:")
    commit(
        database,
        reply(2, "sandbox:open_library", fields={"title": "Simulated"}),
        prefix="sandbox:",
    )
    with pytest.raises(NothingToBuild, match="outside the sandbox"):
        build(database, directory)
    assert not list(directory.glob("*/manifest.json"))
    sales(database, 2, ["30.00"] * 20)
    real = build(database, directory)
    assert set(examples(real)) == {isbn(2)}
    assert examples(real)[isbn(2)]["title"] is None
    assert set(real.manifest["sources"]) == {SOLD}
    simulated = build(database, tmp_path / "sandbox", sandbox=True)
    assert set(examples(simulated)) == {isbn(1), isbn(2)}
    assert simulated.manifest["simulated"] is True
    assert "simulated" in (simulated.path / "card.md").read_text().lower()


def undeclared(database: Database, *names: str) -> None:
    sources = t.data_sources
    database.execute(
        sa.update(sources).where(sources.c.name.in_(names)).values(agreement=None, agreed_at=None)
    )


def test_what_may_not_leave_is_left_out_and_counted(filled: Database, tmp_path: Path) -> None:
    own = "file:my-sales"
    set_licence(filled, own, redistribute=True, train="yes")
    sales(filled, 3, ["20.00"] * 20, source=own)
    shown = sum(len(prices(number)) for number in range(BOOKS)) + 25
    made = build(filled, tmp_path, internal=False)
    assert examples(made).keys() == {isbn(3)}
    assert made.manifest["internal"] is False
    assert made.manifest["sources"] == {own: 20}
    assert [a["source"] for a in made.manifest["agreements"]] == ["open_library"]
    reason = NO_REDISTRIBUTION
    assert made.manifest["left_out"] == [
        {"source": ASKS, "what": "observations", "rows": 2, "reason": reason},
        {"source": SOLD, "what": "observations", "rows": shown, "reason": reason},
    ]
    card = (made.path / "card.md").read_text()
    assert f"| {SOLD} | observations | {shown} | {reason} |" in card
    assert "Internal" not in card


def test_the_card_repeats_the_agreements(filled: Database, tmp_path: Path) -> None:
    made = build(filled, tmp_path)
    assert [a["source"] for a in made.manifest["agreements"]] == [ASKS, "open_library", SOLD]
    card = (made.path / "card.md").read_text()
    assert f"| {SOLD} | Contract with {SOLD} | 2026-10-20 |" in card
    assert "**Internal: it may hold content that may not be redistributed" in card


def test_what_may_not_train_is_left_out_even_of_an_internal_set(
    filled: Database, tmp_path: Path
) -> None:
    undeclared(filled, ASKS)
    set_licence(filled, "open_library", redistribute=True, train="no")
    made = build(filled, tmp_path)
    assert {
        (left["source"], left["what"], left["reason"]) for left in made.manifest["left_out"]
    } == {
        (ASKS, "observations", NO_AGREEMENT),
        ("open_library", "metadata", NO_TRAINING),
    }
    assert {found["title"] for found in examples(made).values()} == {None}
    undeclared(filled, SOLD)
    with pytest.raises(NothingToBuild, match=f"of {SOLD}: .*pricing sources agree"):
        build(filled, tmp_path)


def test_what_has_nothing_to_build_is_refused_alike_before_it_begins(
    filled: Database, tmp_path: Path
) -> None:
    def told_alike(at: datetime | None = None) -> str:
        with pytest.raises(NothingToBuild) as late:
            build(filled, tmp_path, at=at)
        with pytest.raises(NothingToBuild) as early:
            refuse_nothing(filled, MONTH, now=AFTER, sandbox=False, at=at, internal=True)
        assert str(early.value) == str(late.value)
        return str(early.value)

    refuse_nothing(filled, MONTH, now=AFTER, sandbox=False, internal=True)
    assert "nothing had been observed by" in told_alike(NOON - DAY)
    undeclared(filled, SOLD, ASKS)
    assert "Declare an agreement" in told_alike()
    filled.execute(sa.update(t.price_listings).values(sold_at=AFTER))
    assert "nothing had been observed by" in told_alike()


def test_what_we_simulated_is_ours(database: Database, tmp_path: Path) -> None:
    register_sources(database, registered_sources(), "sandbox:")
    scan(database, 1)
    sales(database, 1, ["20.00"] * 20, prefix="sandbox:")
    made = build(database, tmp_path, sandbox=True, internal=False)
    assert made.manifest["sources"] == {f"sandbox:{SOLD}": 20}
    assert "What the sandbox simulated is ours" in (made.path / "card.md").read_text()


def test_a_failed_build_leaves_the_one_before(filled: Database, tmp_path: Path) -> None:
    made = build(filled, tmp_path)
    before, listed = content(made), sorted(tmp_path.rglob("*"))
    with pytest.raises(NothingToBuild):
        build(filled, tmp_path, at=NOON - DAY)
    # Metadata that is no JSON, by a hand in the database: the build fails in its middle.
    filled.execute(sa.update(t.metadata_versions).values(fields="{"))
    with pytest.raises(duckdb.Error):
        build(filled, tmp_path)
    assert content(made) == before
    assert sorted(tmp_path.rglob("*")) == listed
    assert len(rows(filled, t.training_sets)) == 1


def test_a_build_replaces_the_one_before_for_new_readers_only(
    filled: Database, tmp_path: Path
) -> None:
    directory = tmp_path / "sets"
    first = build(filled, directory, at=NOON)
    reading = first.path.resolve()
    for at in (NOON + DAY, NOON + 2 * DAY):
        made = build(filled, directory, at=at)
        assert made.path == directory / MONTH
        assert made.path.resolve() != reading
        assert (reading / "examples.parquet").is_file()
        reading = made.path.resolve()
    assert [path.name for path in directory.iterdir() if not path.name.startswith(".")] == [MONTH]
    assert len(list((directory / ".builds" / MONTH).iterdir())) == 2
    assert {found["as_of"] for found in rows(filled, t.training_sets)} == {
        *(NOON, NOON + DAY, NOON + 2 * DAY)
    }


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"month": "2026-13"}, "2026-10"),
        ({"at": AFTER}, "later month"),
        ({"now": NOON, "at": NOON + DAY}, "not known yet"),
    ],
)
def test_an_impossible_build_says_why(
    filled: Database, tmp_path: Path, options: dict[str, Any], says: str
) -> None:
    with pytest.raises(ValueError, match=says):
        build(filled, tmp_path / "sets", **options)
    assert not (tmp_path / "sets").exists()


def test_a_month_in_which_nothing_passed_is_an_empty_set(
    database: Database, tmp_path: Path
) -> None:
    scan(database, 1)
    sales(database, 1, ["1.00"])
    made = build(database, tmp_path)
    assert examples(made) == {}
    assert made.manifest["rows"] == {"examples": 0, "sales": 1, "rejected": 1, "changes": 0}
    assert content(build(database, tmp_path)) == content(made)
    assert "none" in (made.path / "card.md").read_text()
