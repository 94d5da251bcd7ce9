from pathlib import Path

import pytest
import sqlalchemy as sa
from click.testing import CliRunner, Result

from pricing_assets.cli import pricing
from pricing_assets.schema import tables as t
from resources.database import Database
from resources.scan_files import UnreadableFile
from resources.settings import Settings
from tests.conftest import DatabaseUrl


@pytest.fixture
def on_database(
    home: Path, database_url: DatabaseUrl, monkeypatch: pytest.MonkeyPatch
) -> DatabaseUrl:
    monkeypatch.setenv("PRICING_DATABASE_URL", str(database_url))
    return database_url


def scan(*arguments: str) -> Result:
    return CliRunner().invoke(pricing, ["scan", *arguments])


def stored() -> list[tuple[str, str, str | None, int]]:
    database = Database(Settings.from_env().database_url)
    s = t.scans.c
    rows = database.rows(
        t.scans.select().with_only_columns(s.code, s.status, s.user_id, s.line).order_by(s.id)
    )
    database.close()
    return [tuple(row) for row in rows]


def test_codes_are_judged_one_by_one(on_database: DatabaseUrl) -> None:
    codes = ["9780316769174", "0-316-76917-7", "316769177", "B00ZV9PXP2", "9780316769175"]
    done = scan(*codes)
    assert done.exit_code == 0, done.output
    lines = done.output.splitlines()
    assert [line.split(":")[0] for line in lines[:5]] == codes
    assert "accepted" in lines[0]
    assert "5 read: 3 accepted, 2 rejected, 0 known before" in done.output
    assert "pricing status --rejected" in done.output
    assert "pricing run" in done.output
    assert {row[:2] for row in stored()} == {
        *((code, "accepted") for code in codes[:3]),
        *((code, "rejected") for code in codes[3:]),
    }


def test_typing_a_code_again_is_another_scan(on_database: DatabaseUrl) -> None:
    for _ in range(2):
        assert "1 accepted" in scan("9780316769174").output
    assert len(stored()) == 2


def test_the_same_file_twice_adds_nothing(on_database: DatabaseUrl, tmp_path: Path) -> None:
    file = tmp_path / "scans.csv"
    file.write_text("isbn,title\n9780316769174,one\n0061120081,two\nB00ZV9PXP2,three\n")
    assert "3 read: 2 accepted, 1 rejected, 0 known before" in scan("--file", str(file)).output
    copy = tmp_path / "other name.csv"
    copy.write_bytes(file.read_bytes())
    assert "3 read: 0 accepted, 0 rejected, 3 known before" in scan("--file", str(copy)).output
    assert [row[3] for row in stored()] == [2, 3, 4] or len(stored()) == 3


def test_each_user_has_their_own_scans(on_database: DatabaseUrl, tmp_path: Path) -> None:
    file = tmp_path / "scans.txt"
    file.write_text("9780316769174\n")
    for user in ("anna", "ben"):
        assert "1 accepted" in scan("--file", str(file), "--user", user).output
    assert sorted(str(row[2]) for row in stored()) == ["anna", "ben"]


def test_rejected_scans_are_listed_with_line_and_reason(home: Path, tmp_path: Path) -> None:
    file = tmp_path / "scans.txt"
    file.write_text("9780316769174\nB00ZV9PXP2\n")
    scan("--file", str(file))
    listed = CliRunner().invoke(pricing, ["status", "--rejected"])
    assert listed.exit_code == 0
    (line,) = listed.output.splitlines()
    assert line.startswith("scans.txt:2  'B00ZV9PXP2'  ")
    assert len(line) > 50


def test_a_code_that_is_strange_is_only_rejected(home: Path) -> None:
    done = scan("9780316769174", "--", "-1", "💥" * 30, "9" * 5000, "a\nb", "\x1b[31m")
    assert done.exit_code == 0, done.output
    assert "6 read: 1 accepted, 5 rejected" in done.output


def test_a_scan_of_which_nothing_is_accepted_fails(home: Path, tmp_path: Path) -> None:
    done = scan("base1-4", "no code")
    assert done.exit_code == 1
    assert "2 read: 0 accepted, 2 rejected" in done.output
    assert "'base1-4' is not a code that is known here" in done.output
    assert "--category card" in done.output
    assert "sw0001" in done.output
    for content in ("", "isbn,title\n"):
        file = tmp_path / "empty.csv"
        file.write_text(content)
        done = scan("--file", str(file))
        assert done.exit_code == 1
        assert "empty.csv has no rows" in done.output
    assert scan("--file", str(file), "9780316769174").exit_code == 0


def test_a_long_code_is_cut_where_one_sees_it(home: Path) -> None:
    title = "2023 Bowman Chrome Ethan Salas Refractor #BCP-50"
    assert f"{title[:39]}…: accepted" in scan("--category", "card", title).output
    assert f"{title[:40]}: " in scan("--category", "card", title[:40]).output
    scan(title)
    listed = CliRunner().invoke(pricing, ["status", "--rejected"]).output
    assert f"command line:1  '{title[:39]}…'  " in listed


def test_a_card_is_scanned_where_it_is_said_to_be_one(on_database: DatabaseUrl) -> None:
    done = scan("--category", "card", "base1-4", "1986 Fleer Michael Jordan #57")
    assert "2 read: 2 accepted" in done.output
    assert "1 accepted, 1 rejected" in scan("sw0001", "base1-4").output
    shown = CliRunner().invoke(pricing, ["explain", "--category", "card", "base1-4"])
    assert shown.exit_code == 0, shown.output
    assert "base1-4" in shown.output.splitlines()[0]
    assert "Searched for: not yet" in shown.output
    shown = CliRunner().invoke(
        pricing, ["explain", "--category", "card", "1986 Fleer Michael Jordan #57"]
    )
    assert "Michael Jordan  1986|fleer|57|michael jordan" in shown.output
    assert "its key" in shown.output
    assert "Searched for: as 1986 fleer 57 michael jordan" in shown.output
    database = Database(Settings.from_env().database_url)
    database.execute(sa.update(t.cards).values(rarity="Rare Holo"))
    database.execute(sa.update(t.items).values(rarity=0.75))
    shown = CliRunner().invoke(pricing, ["explain", "base1-4"])
    assert "rarity             Rare Holo" in shown.output
    shown = CliRunner().invoke(pricing, ["explain", "sw0001"])
    assert "theme              unknown" in shown.output


def test_a_category_is_that_of_the_rows_that_do_not_say_it(
    on_database: DatabaseUrl, tmp_path: Path
) -> None:
    codes = tmp_path / "codes.csv"
    codes.write_text("code,category\nbase1-4,\nsw0001,minifigure\n")
    assert "1 accepted, 1 rejected" in scan("--file", str(codes)).output
    # What was refused before is not what it is now.
    assert "2 accepted, 0 rejected" in scan("--category", "card", "--file", str(codes)).output
    again = scan("--category", "card", "--file", str(codes))
    assert again.exit_code == 0
    assert "2 known before" in again.output
    titles = tmp_path / "titles.csv"
    titles.write_text("title,price\n2023 Bowman Chrome Ethan Salas #BCP-50,12\n")
    refused = scan("--file", str(titles))
    assert isinstance(refused.exception, UnreadableFile)
    assert "'title,category'" in str(refused.exception)
    assert "1 accepted" in scan("--category", "card", "--file", str(titles)).output
