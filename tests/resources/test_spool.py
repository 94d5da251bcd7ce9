import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from pricing_assets.core.answers import Answer
from resources.sources import registered_sources
from resources.sources.client import Reply
from resources.spool import Spool, read_segment
from tests.conftest import ROOT
from tests.examples import NOON, book

PREFIX = "sandbox:"

SPOOLING = """
import sys
from pathlib import Path
from resources.spool import Spool
from tests.resources.test_spool import answered

spool = Spool(Path(sys.argv[1]), "killed")
for number in range(3):
    spool.append(answered(number))
    if number == 1:
        spool.close_segment()
print("ready", flush=True)
sys.stdin.read()
"""
"""Spools two answers in one segment and one in the next, and never closes."""


def answered(number: int, at: datetime = NOON, *, error: str | None = None) -> Reply:
    """What Open Library says of a book, body included; reading it again gives the answer."""
    source = registered_sources()["open_library"]
    query = book(number)
    body = json.dumps({f"ISBN:{query.natural_key}": {"title": f"Book {number}"}}).encode()
    return Reply(
        source=PREFIX + source.name,
        query=query,
        requested_at=at,
        status=503 if error else 200,
        latency_ms=3.25,
        body=body,
        content_type="application/json",
        sha256="0" * 64,
        attempts=2,
        answer=None if error else source.parse(query, httpx.Response(200, content=body)),
        error=error,
        result="error" if error else "found",
        cost_usd=registered_sources()["searchapi_ebay_sold"].cost_per_call_usd,
    )


def left(directory: Path, run_id: str = "next") -> list[tuple[str, list[list[Reply]]]]:
    """What another run finds of dead ones."""
    spool = Spool(directory, run_id)
    try:
        return [
            (run, [list(read_segment(path, registered_sources(), PREFIX)) for path in segments])
            for run, segments in spool.leftovers()
        ]
    finally:
        spool.close()


def test_what_a_source_does_not_cover_is_read_back_without_a_response(tmp_path: Path) -> None:
    reply = replace(
        answered(0),
        status=None,
        body=b"",
        content_type=None,
        sha256=None,
        attempts=0,
        answer=Answer("not_found"),
        result="not_found",
    )
    spool = Spool(tmp_path, "first")
    spool.append(reply)
    segment = spool.close_segment()
    assert segment is not None
    assert list(read_segment(segment, registered_sources(), PREFIX)) == [reply]


@pytest.fixture
def spooling(tmp_path: Path) -> "subprocess.Popen[str]":
    process = subprocess.Popen(
        [sys.executable, "-c", SPOOLING, str(tmp_path)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def test_answers_survive_the_death_of_their_process(
    tmp_path: Path, spooling: "subprocess.Popen[str]"
) -> None:
    assert left(tmp_path) == []
    os.kill(spooling.pid, signal.SIGKILL)
    spooling.communicate()
    assert left(tmp_path) == [("killed", [[answered(0), answered(1)], [answered(2)]])]
    assert list(tmp_path.iterdir()) == []


def test_the_spool_of_a_living_run_is_not_taken(tmp_path: Path) -> None:
    living = Spool(tmp_path, "living")
    living.append(answered(1))
    assert left(tmp_path) == []
    living.append(answered(2))
    living.close()
    assert left(tmp_path) == [("living", [[answered(1), answered(2)]])]


def test_an_error_is_an_answer_too(tmp_path: Path) -> None:
    failed = answered(1, error="answered 503: unwell")
    spool = Spool(tmp_path, "run")
    spool.append(failed)
    spool.close()
    assert left(tmp_path) == [("run", [[failed]])]


def test_a_moment_keeps_its_microseconds_and_zone(tmp_path: Path) -> None:
    at = datetime(2026, 10, 20, 23, 59, 59, 999_999, tzinfo=UTC)
    spool = Spool(tmp_path, "run")
    spool.append(answered(1, at))
    spool.close()
    ((_, [[found]]),) = left(tmp_path)
    assert found.requested_at == at
    assert found.requested_at.utcoffset() == timedelta(0)


@pytest.mark.parametrize("cut", [2, 20, 200])
def test_a_torn_last_line_is_no_answer(tmp_path: Path, cut: int) -> None:
    spool = Spool(tmp_path, "run")
    spool.append(answered(1))
    spool.append(answered(2))
    segment = spool.close_segment()
    assert segment is not None
    segment.write_bytes(segment.read_bytes()[:-cut])
    spool.close()
    assert left(tmp_path) == [("run", [[answered(1)]])]


def test_what_can_no_longer_be_read_is_an_error(tmp_path: Path) -> None:
    spool = Spool(tmp_path, "run")
    spool.append(replace(answered(1), body=b"[1, 2]"))
    spool.close()
    ((_, [[found]]),) = left(tmp_path)
    assert (found.result, found.answer) == ("error", None)
    assert found.error


def test_the_answer_of_a_source_of_another_profile_is_not_read(tmp_path: Path) -> None:
    spool = Spool(tmp_path, "run")
    spool.append(answered(1))
    spool.append(replace(answered(2), source="open_library"))
    spool.append(replace(answered(3), source="sandbox:gone"))
    spool.close()
    assert left(tmp_path) == [("run", [[answered(1)]])]


def test_a_spool_leaves_nothing_when_all_was_committed(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool", "run")
    assert spool.close_segment() is None
    for number in range(2):
        spool.append(answered(number))
        segment = spool.close_segment()
        assert segment is not None
        segment.unlink()
    spool.close()
    assert list((tmp_path / "spool").iterdir()) == []


def test_a_second_try_in_the_same_process_finds_what_the_first_left(tmp_path: Path) -> None:
    first = Spool(tmp_path, "run")
    first.append(answered(1))
    first.close()
    second = Spool(tmp_path, "run")
    second.append(answered(2))
    found = [
        [list(read_segment(path, registered_sources(), PREFIX)) for path in segments]
        for _, segments in second.leftovers()
    ]
    second.close()
    assert found == [[[answered(1)]]]
    assert left(tmp_path) == [("run", [[answered(2)]])]


def test_leftovers_stay_until_they_are_dealt_with(tmp_path: Path) -> None:
    dead = Spool(tmp_path, "dead")
    dead.append(answered(1))
    dead.close()
    spool = Spool(tmp_path, "next")
    leftovers = spool.leftovers()
    run_id, (segment,) = next(leftovers)
    assert run_id == "dead"
    # Killed before the commit: the generator is dropped where it stands.
    del leftovers
    spool.close()
    assert segment.exists()
    assert left(tmp_path) == [("dead", [[answered(1)]])]
