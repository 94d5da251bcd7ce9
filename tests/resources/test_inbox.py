import hashlib
import os
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from resources.inbox import archive, content_hash, refuse, waiting_files

NOON = datetime(2026, 10, 20, 12, tzinfo=UTC)


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    place = tmp_path / "inbox"
    place.mkdir()
    return place


def drop(inbox: Path, name: str, content: str = "9780439023481\n", seconds_ago: float = 60) -> Path:
    path = inbox / name
    path.write_text(content, encoding="utf-8")
    moment = time.time() - seconds_ago
    os.utime(path, (moment, moment))
    return path


def waiting(inbox: Path) -> set[str]:
    return {path.name for path in waiting_files(inbox, settle_seconds=5)}


def test_a_file_waits_until_it_has_stopped_changing(inbox: Path) -> None:
    drop(inbox, "settled.txt", seconds_ago=6)
    changing = drop(inbox, "changing.txt", seconds_ago=1)
    assert waiting(inbox) == {"settled.txt"}
    os.utime(changing, (time.time() - 6,) * 2)
    assert waiting(inbox) == {"settled.txt", "changing.txt"}


@pytest.mark.parametrize(
    "name", [".hidden.txt", "a.csv.part", "b.TMP", "c.crdownload", "d.partial", ".e.txt.swp"]
)
def test_what_a_program_is_still_writing_is_left_alone(inbox: Path, name: str) -> None:
    drop(inbox, name)
    drop(inbox, "scans.txt")
    assert waiting(inbox) == {"scans.txt"}


def test_only_regular_files_wait(inbox: Path, tmp_path: Path) -> None:
    (inbox / "folder.txt").mkdir()
    outside = drop(tmp_path, "outside.txt")
    (inbox / "link.txt").symlink_to(outside)
    os.mkfifo(inbox / "pipe.txt")
    assert waiting(inbox) == set()


def test_an_inbox_that_is_not_there_holds_nothing(tmp_path: Path) -> None:
    assert waiting(tmp_path / "nowhere") == set()


def test_done_and_rejected_do_not_wait(inbox: Path) -> None:
    archive(drop(inbox, "good.txt"), NOON)
    refuse(drop(inbox, "bad.txt"), "it is empty", NOON)
    assert waiting(inbox) == set()


def test_the_same_content_has_the_same_hash(inbox: Path) -> None:
    one, two = drop(inbox, "one.txt", "a" * 100_000), drop(inbox, "two.txt", "a" * 100_000)
    assert content_hash(one) == content_hash(two) == hashlib.sha256(b"a" * 100_000).hexdigest()
    assert content_hash(drop(inbox, "three.txt", "b")) != content_hash(one)


def test_an_archived_file_is_never_written_over(inbox: Path) -> None:
    contents = ["first", "second", "third", "fourth"]
    places = [archive(drop(inbox, "scans.txt", content), NOON) for content in contents]
    assert places[0] == inbox / "done" / "scans.txt"
    assert len(set(places)) == 4
    assert [place.read_text() for place in places] == contents
    assert all(place.suffix == ".txt" for place in places)


def test_a_refused_file_has_a_report_beside_it(inbox: Path) -> None:
    places = [
        refuse(drop(inbox, "bad.txt", content), reason, NOON)
        for content, reason in (("x", "it is empty"), ("y", "it is a picture"))
    ]
    assert [place.read_text() for place in places] == ["x", "y"]
    for place, reason in zip(places, ("it is empty", "it is a picture"), strict=True):
        report = place.with_name(place.name + ".report.txt").read_text()
        assert reason in report
        assert "bad.txt" in report
        assert "2026-10-20T12:00:00+00:00" in report
        assert str(inbox) in report
