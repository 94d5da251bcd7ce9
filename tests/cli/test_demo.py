import json
from pathlib import Path

import pytest
import sqlalchemy as sa

from pricing_assets import load_training_set
from pricing_assets.schema import tables as t
from pricing_assets.store.opening import open_database
from resources.settings import Settings
from tests.runs import isbns, pricing_here


@pytest.mark.slow
def test_it_goes_from_scans_to_a_training_set_and_asks_nothing_the_second_time(home: Path) -> None:
    first = pricing_here("demo", "--books", "60")
    assert first.returncode == 0, first.stderr
    text = first.stdout
    assert "SIMULATED" in text
    assert "2/5  Exchange rates (job update_exchange_rates)" in text
    assert "342  ask: new" in text
    assert "books                 60 items" in text
    assert "cards                  6 items" in text
    assert "minifigures            6 items" in text
    assert "accepted, 1 rejected" in text
    assert "72 of 72" in text
    assert "load_training_set" in text
    state = json.loads(pricing_here("status", "--json").stdout)
    assert (state["items"], state["items_scored"]) == (72, 72)
    assert {name: count["items"] for name, count in state["by_category"].items()} == {
        "book": 60,
        "card": 6,
        "minifigure": 6,
    }
    assert state["scans"]["pending"] == 0
    (folder,) = [path for path in (home / "training_sets").iterdir() if path.name[0] != "."]
    table = load_training_set(folder.name, as_="arrow")
    # An item is in training by its plain copies; signed and graded ones are examples of their own.
    plain = [example for example in table.to_pylist() if example["variant"] == ""]
    assert 0 < len(plain) <= state["in_training"]
    with open_database(Settings.from_env()) as database:
        sold = database.rows(
            sa.select(t.items.c.category, sa.func.count().label("items"))
            .where(t.items.c.sold_comps_count > 0)
            .group_by(t.items.c.category)
        )
    assert {row.category for row in sold} == {"book", "card", "minifigure"}
    assert min(row.items for row in sold) >= 2
    second = pricing_here("demo", "--books", "60")
    assert second.returncode == 0, second.stderr
    assert "calls made        0 for $0.00" in second.stdout
    assert "Nothing was asked: everything is fresh." in second.stdout
    assert "Known; the schedule asks for new days" in second.stdout
    made = json.loads(pricing_here("status", "--json").stdout)["calls"]["made"]
    # 5 sources of books, 4 of minifigures and 3 of cards, where a source covers the item.
    about_items = 60 * 5 + 5 * 3 + 1 + 6 + 2 * 6
    assert made == state["calls"]["made"]
    # Whom they name is asked about too: authors and characters, and where their picture is.
    assert about_items + 50 < made < about_items + 2 * 72


def test_it_refuses_to_run_against_the_real_vendors(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PRICING_PROFILE", "live")
    done = pricing_here("demo")
    assert done.returncode == 2
    assert "PRICING_PROFILE" in done.stderr


def test_a_catalogue_of_ones_own_is_scanned_and_served(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "own.csv"
    rows = "".join(f"{isbn},Title {isbn},An Author,19{n:02}\n" for n, isbn in enumerate(isbns(20)))
    file.write_text("isbn,title,authors,year\n" + rows)
    done = pricing_here("demo", "--catalogue", str(file), "--books", "15")
    assert done.returncode == 0, done.stderr
    assert "15 scans: 15 accepted, 0 rejected" in done.stdout
    assert f"export PRICING_CATALOGUE={file}" in done.stdout
    monkeypatch.setenv("PRICING_CATALOGUE", str(file))
    shown = pricing_here("explain", isbns(1)[0])
    assert f"Title {isbns(1)[0]}" in shown.stdout


def test_a_list_of_codes_is_no_catalogue(home: Path, tmp_path: Path) -> None:
    file = tmp_path / "codes.txt"
    file.write_text("9780316769174\n")
    done = pricing_here("demo", "--catalogue", str(file))
    assert done.returncode == 1, done.stdout
    assert "Traceback" not in done.stderr
    assert "title" in done.stderr
