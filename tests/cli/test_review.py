import json
from pathlib import Path

import pytest

from pricing_assets.schema import tables as t
from pricing_assets.store.opening import open_database
from pricing_assets.store.sources import register_sources
from pricing_assets.store.works import assign_works
from resources.settings import Settings
from resources.sources import registered_sources
from tests.conftest import DatabaseUrl
from tests.examples import NOON, isbn, learn, rows, scan
from tests.runs import pricing_here

EMMA: dict[str, str | int] = {
    "title": "Emma [bold]",
    "authors": "Jane Austen",
    "publisher": "Penguin Books",
    "binding": "Paperback",
    "publication_year": 1996,
}


@pytest.fixture
def reviewed(home: Path, migrated_url: DatabaseUrl, monkeypatch: pytest.MonkeyPatch) -> DatabaseUrl:
    """A platform with three books that look like one edition, and one that does not."""
    monkeypatch.setenv("PRICING_DATABASE_URL", migrated_url)
    monkeypatch.setenv("PRICING_NOW", NOON.isoformat())
    with open_database(Settings.from_env()) as database:
        register_sources(database, registered_sources(), "")
        scan(database, 1, 2, 3, 4)
        for number in (1, 2, 3):
            learn(database, number, {**EMMA, "work_key": f"OL{number}W"})
        learn(database, 4, {**EMMA, "title": "Persuasion"})
        assign_works(database, now=NOON)
    return migrated_url


def test_the_pairs_are_listed_decided_and_gone(reviewed: DatabaseUrl) -> None:
    listed = pricing_here("review")
    assert listed.returncode == 0, listed.stderr
    for text in (isbn(1), isbn(2), isbn(3), "Emma [bold]", "Penguin Books", "Paperback", "1996"):
        assert text in listed.stdout
    assert "1.00" in listed.stdout
    assert "same publisher: penguin" in " ".join(listed.stdout.split())
    assert "3 of 3 pairs" in listed.stdout
    assert isbn(4) not in listed.stdout

    accepted = pricing_here("review", "accept", isbn(3), isbn(1), "--user", "ann")
    assert (accepted.returncode, accepted.stdout) == (
        *(0, f"{isbn(3)} and {isbn(1)}: accepted by ann\n"),
    )
    rejected = pricing_here("review", "reject", isbn(1), isbn(2), "--json")
    assert json.loads(rejected.stdout) == {
        "isbn13": isbn(1), "other_isbn13": isbn(2), "verdict": "rejected", "user": "default",
    }  # fmt: skip

    (left,) = json.loads(pricing_here("review", "--json").stdout)
    assert {left["isbn13"], left["other_isbn13"]} == {isbn(2), isbn(3)}
    assert left["score"] == 1.0
    assert left["reasons"][0] == "same work"
    assert left["found_at"] == NOON.isoformat()
    with open_database(Settings.from_env()) as database:
        keys = {found["isbn13"]: found["work_key"] for found in rows(database, t.books)}
        verdicts = {found["verdict"]: found for found in rows(database, t.edition_reviews)}
    assert [keys[isbn(number)] for number in (1, 2, 3)] == ["OL1W", "OL2W", "OL1W"]
    assert verdicts["accepted"]["user_id"] == "ann"
    assert verdicts["accepted"]["decided_at"] == NOON

    refused = pricing_here("review", "accept", isbn(1), isbn(2))
    assert refused.returncode == 1
    assert f"{isbn(1)} and {isbn(2)} were rejected on 2026-10-20" in refused.stderr
    same = pricing_here("review", "accept", isbn(3), isbn(1))
    assert same.stdout == f"{isbn(3)} and {isbn(1)}: accepted\n"
    unlike = pricing_here("review", "accept", isbn(1), isbn(4))
    assert unlike.returncode == 1
    assert f"{isbn(1)} and {isbn(4)} do not look like one edition" in unlike.stderr
    assert "pricing review" in unlike.stderr


def test_a_limit_shows_the_most_alike(reviewed: DatabaseUrl) -> None:
    assert len(json.loads(pricing_here("review", "--json", "--limit", "1").stdout)) == 1
    assert "1 of 3 pairs" in pricing_here("review", "--limit", "1").stdout


def test_nothing_waits_in_a_new_platform(home: Path) -> None:
    shown = pricing_here("review")
    assert (shown.returncode, shown.stdout) == (0, "No pair waits for review.\n")
    assert json.loads(pricing_here("review", "--json").stdout) == []
