import gzip
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from pricing_assets.core.items import item_id
from pricing_assets.core.readings import read_item
from pricing_assets.schema import tables as t
from pricing_assets.schema.migrate import upgrade
from pricing_assets.store.catalogue import CatalogueCount, FileCount, Loaded, load_catalogue
from pricing_assets.store.catalogue_search import has_words, search_items
from pricing_assets.store.unified_index import disagreements
from resources.catalogue_files import catalogue_files
from resources.database import Database
from resources.scan_files import UnreadableFile
from tests.conftest import DatabaseUrl
from tests.examples import DAY, NOON, row, rows

FILES = {
    "minifigs.csv": """fig_num,name,num_parts,img_url
fig-000001,"Toy Guard, ""Old""
with a cape",4,https://pictures.example/1.jpg
fig-000002,Toy Queen,0,
fig-000002,Toy Queen again,3,
sw0001,Of another catalogue,3,
fig-000003,,3,
fig-000004,Toy Knight,many,
fig-000005,Toy Baker,4,x,y
""",
    "sets.csv": """set_num,name,year,theme_id,num_parts
10-1,Old Fort,1984,2,100
11-1,New Fort,2001,3,100
12-1,Sea,1999,4,9
13-1,Broken,soon,4,9
""",
    "themes.csv": "id,name,parent_id\n1,Forts,\n2,Old,1\n3,Fort Sets,1\n4,Sea,\n",
    "inventories.csv": "id,version,set_num\n1,1,10-1\n2,1,11-1\n3,1,12-1\n4,2,12-1\n",
    "inventory_minifigs.csv": """inventory_id,fig_num,quantity
1,fig-000001,1
2,fig-000001,2
3,fig-000001,1
4,fig-000001,1
9,fig-000001,1
1,fig-999999,1
""",
    "colors.csv": "id,name,rgb\n1,Red,FF0000\n",
}
GAME_CARDS = """id,name,rarity,collection,release_date,images_url
tst1-4,Toyosaur,Rare Holo,Toy Base,1999/01/09,https://pictures.example/4.png
not a code,Nobody,Rare,Toy Base,1999/01/09,
"""
CARDS = """year,set_name,number,player_or_character,parallel,print_run
1986-87,Fleer,57,Michael Jordan,,
2023,Bowman Chrome,BCP-50,Ethan Salas,Refractor,499
2023,Bowman Chrome,bcp50,ethan salas,Refractor,499
2023,,1,Nobody,,
"""


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        if name == "sets.csv":
            (tmp_path / f"{name}.gz").write_bytes(gzip.compress(text.encode()))
        else:
            (tmp_path / name).write_text(text)
    return tmp_path


def load(database: Database, *places: Path, now: Any = NOON) -> Loaded:
    files, _ = catalogue_files(places)
    return load_catalogue(database, files, now=now)


def test_figures_get_year_and_theme_of_their_sets(database: Database, directory: Path) -> None:
    loaded = load(database, directory)
    assert loaded.catalogues == [CatalogueCount("file:rebrickable", "minifigure", 2, 0)]
    own = {r["set_number"]: r for r in rows(database, t.minifigures)}
    assert set(own) == {"fig-000001", "fig-000002"}
    guard = own["fig-000001"]
    assert guard["item_id"] == item_id("minifigure", "fig-000001")
    assert (guard["name"], guard["part_count"]) == ('Toy Guard, "Old"\nwith a cape', 4)
    # Of three sets two are of Forts, by the root of their themes; the first is of 1984.
    assert (guard["theme"], guard["year"]) == ("Forts", 1984)
    queen = own["fig-000002"]
    assert (queen["theme"], queen["year"], queen["part_count"]) == (None, None, None)
    item = row(database, t.items, t.items.c.id == guard["item_id"])
    assert (item.title, item.quality_score) == (guard["name"], 1.0)
    assert item.thumbnail_url == "https://pictures.example/1.jpg"
    assert json.loads(item.field_origins)["theme"] == ["file:rebrickable", NOON.isoformat()]
    poor = row(database, t.items, t.items.c.id == queen["item_id"])
    assert (poor.quality_score, poor.metadata_fetched_at) == (0.5, None)
    version = row(database, t.metadata_versions, t.metadata_versions.c.item_id == queen["item_id"])
    assert json.loads(version.fields) == {"name": "Toy Queen", "set_number": "fig-000002"}
    assert version.completeness == 0.5
    assert disagreements(database) == {}


def test_every_row_is_used_or_rejected_with_its_line(database: Database, directory: Path) -> None:
    loaded = load(database, directory)
    assert loaded.files == [
        FileCount("inventories.csv", 4, 0),
        FileCount("inventory_minifigs.csv", 6, 2),
        FileCount("minifigs.csv", 7, 5),
        FileCount("sets.csv.gz", 4, 1),
        FileCount("themes.csv", 4, 0),
    ]
    assert [(r.file, r.line, r.key, r.reason) for r in loaded.rejected] == [
        ("inventory_minifigs.csv", 6, "9 fig-000001", "unknown"),
        ("inventory_minifigs.csv", 7, "1 fig-999999", "unknown"),
        ("minifigs.csv", 5, "fig-000002", "repeated"),
        ("minifigs.csv", 6, "sw0001", "key"),
        ("minifigs.csv", 7, "fig-000003", "name"),
        ("minifigs.csv", 8, "fig-000004", "number"),
        ("minifigs.csv", 9, "fig-000005", "columns"),
        ("sets.csv.gz", 5, "13-1", "number"),
    ]
    _, others = catalogue_files([directory])
    assert [path.name for path in others] == ["colors.csv"]


def test_a_damaged_row_is_rejected_and_the_others_are_stored(
    database: Database, tmp_path: Path
) -> None:
    path = tmp_path / "figures.csv"
    path.write_text("fig_num,name,num_parts\nfig-000001,Toy\0Guard,4\nfig-000002,Toy Queen,3\n")
    loaded = load(database, path)
    assert [(r.line, r.key, r.reason) for r in loaded.rejected] == [(2, "fig-000001", "nul")]
    assert [r["natural_key"] for r in rows(database, t.items)] == ["fig-000002"]


def test_again_adds_nothing_and_news_are_another_version(
    database: Database, directory: Path
) -> None:
    load(database, directory)
    before = [rows(database, table) for table in (t.items, t.minifigures, t.metadata_versions)]
    again = load(database, directory, now=NOON + DAY)
    assert again.catalogues == [CatalogueCount("file:rebrickable", "minifigure", 0, 2)]
    assert before == [
        rows(database, table) for table in (t.items, t.minifigures, t.metadata_versions)
    ]
    changed = FILES["minifigs.csv"].replace("Toy Queen,0", "Toy Empress,5")
    (directory / "minifigs.csv").write_text(changed)
    news = load(database, directory, now=NOON + 2 * DAY)
    assert news.catalogues == [CatalogueCount("file:rebrickable", "minifigure", 1, 1)]
    queen = row(database, t.minifigures, t.minifigures.c.set_number == "fig-000002")
    assert (queen.name, queen.part_count) == ("Toy Empress", 5)
    versions = rows(database, t.metadata_versions)
    assert [v["observed_at"] for v in versions if v["item_id"] == queen.item_id] == [
        NOON,
        NOON + 2 * DAY,
    ]


def test_cards_of_both_kinds(database: Database, tmp_path: Path) -> None:
    for name, text in (("game.csv", GAME_CARDS), ("cards.csv", CARDS)):
        (tmp_path / name).write_text(text)
    loaded = load(database, tmp_path / "game.csv", tmp_path / "cards.csv")
    assert [count.stored for count in loaded.catalogues] == [1, 2]
    assert [(r.file, r.line, r.reason) for r in loaded.rejected] == [
        ("cards.csv", 4, "repeated"),
        ("cards.csv", 5, "key"),
        ("game.csv", 3, "key"),
    ]
    keys = {r["natural_key"]: r["id"] for r in rows(database, t.items)}
    assert set(keys) == {
        "tst1-4",
        "1986|fleer|57|michael jordan",
        "2023|bowman chrome|bcp50|ethan salas|refractor|499",
    }
    own = {r["item_id"]: r for r in rows(database, t.cards)}
    game = own[keys["tst1-4"]]
    assert (game["name"], game["set_name"], game["year"]) == ("Toyosaur", "Toy Base", 1999)
    assert (game["number"], game["rarity"]) == ("4", "Rare Holo")
    salas = own[keys["2023|bowman chrome|bcp50|ethan salas|refractor|499"]]
    assert (salas["parallel"], salas["print_run"]) == ("Refractor", 499)
    assert salas["player_or_character"] == "Ethan Salas"


def test_a_card_has_the_key_of_its_title(database: Database, tmp_path: Path) -> None:
    path = tmp_path / "cards.csv"
    path.write_text(
        "year,set_name,number,player_or_character,parallel,print_run\n"
        "1989,Upper Deck,1,Ken Griffey Jr.,,\n"
        "2023-24,Hoops,#CAE-1,Luka Dončić,,\n"
        "2023,Topps,11,Ohtani-Judge,Gold Refractor,050\n"
        "2023,Topps & Co,5,,,\n"
        "2023,Topps,,?,,\n",
        encoding="utf-8",
    )
    loaded = load(database, path)
    assert [(r.line, r.key, r.reason) for r in loaded.rejected] == [(6, "2023|Topps||?||", "key")]
    assert {r["natural_key"] for r in rows(database, t.items)} == {
        "1989|upper deck|1|ken griffey jr",
        "2023|panini hoops|cae1|luka doncic",
        "2023|topps|11|ohtani judge|gold|50",
        "2023|topps co|5|",
    }
    griffey = row(database, t.cards, t.cards.c.year == 1989)
    assert griffey.player_or_character == "Ken Griffey Jr."
    assert read_item("1989 Upper Deck Ken Griffey Jr. #1", "card").natural_key in {
        r["natural_key"] for r in rows(database, t.items) if r["id"] == griffey.item_id
    }


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"a,b\n1,2\n", "has the columns a, b"),
        (b"", "an empty file"),
        # Named: its bytes have the time in them, and all workers must collect the same tests.
        pytest.param(
            gzip.compress(b"fig_num,name,num_parts\n" + b"fig-000001,x,1\n" * 99)[:-20],
            "again",
            id="cut off",
        ),
    ],
)
def test_a_file_that_cannot_be_used_is_named(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "odd.csv"
    path.write_bytes(content)
    database = Database(f"sqlite:///{tmp_path / 'pricing.db'}")
    upgrade(database)
    with pytest.raises(UnreadableFile, match=rf"odd\.csv.*{says}"):
        load(database, path)
    database.close()


def test_items_are_found_by_words_theme_and_kind(database: Database, directory: Path) -> None:
    (directory / "game.csv").write_text(GAME_CARDS)
    load(database, directory)
    queen = item_id("minifigure", "fig-000002")
    database.execute(
        sa.update(t.items)
        .where(t.items.c.id == queen)
        .values(
            sold_comps_count=3,
            sold_comps_median=Decimal("4.20"),
            sold_comps_source="sandbox:bricklink_sold",
        )
    )

    def found(text: str, **more: Any) -> list[str]:
        return [item.natural_key for item in search_items(database, text, **more)[1]]

    assert found("toy") == ["fig-000002", "fig-000001", "tst1-4"]
    assert found("TOY q") == ["fig-000002"]
    assert found("guard old") == ["fig-000001"]
    assert found("uard") == found("!") == found("50%") == []
    assert found("toy", theme="fort") == ["fig-000001"]
    assert found("toyo", category="card", theme="base") == ["tst1-4"]
    assert found("toyo", category="minifigure") == []
    assert found("", theme="fort") == ["fig-000001"]
    assert found("") == found("", theme="!") == []
    total, (first,) = search_items(database, "toy", limit=1)
    assert total == 3
    assert first.as_json() == {
        "category": "minifigure",
        "natural_key": "fig-000002",
        "title": "Toy Queen",
        "theme": None,
        "year": None,
        "value": "4.20",
        "sold_comps": 3,
        "simulated": True,
    }


def test_postgresql_looks_words_up_in_an_index(postgres_url: DatabaseUrl) -> None:
    database = Database(postgres_url)
    upgrade(database)
    with database.begin() as connection:
        # Of an empty table it would read all of it.
        connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
        statement = sa.select(t.items.c.id).where(has_words("postgresql", t.items.c.title, "toy q"))
        plan = connection.exec_driver_sql(f"EXPLAIN {database.sql(statement)}").scalars().all()
    assert "ix_items_title_words" in "\n".join(plan)
    database.close()


# --- reference data, in place -------------------------------------------------------------


def test_the_real_catalogue(reference_data: Path, tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'pricing.db'}")
    upgrade(database)
    loaded = load(database, reference_data / "datasets" / "lego")
    (count,) = loaded.catalogues
    assert count.stored > 11_000
    by_name = {file.file: file for file in loaded.files}
    figures = by_name["rebrickable_minifigs.csv"]
    assert figures.rows - figures.rejected == count.stored
    assert sum(file.rejected for file in loaded.files) == len(loaded.rejected)
    with_theme = database.scalar(
        sa.select(sa.func.count()).where(t.minifigures.c.theme == "Star Wars")
    )
    assert with_theme > 500
    total, _ = search_items(database, "luke skywalker", theme="star wars")
    assert total > 10
    database.close()
