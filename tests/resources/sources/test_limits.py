import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from resources import sandbox
from resources.sandbox.process import SandboxProcess
from resources.sources.limits import FILE_BYTES, SENDS_KEPT, SharedLimits
from resources.sources.pacer import Pacer
from tests.conftest import ROOT

RATE = 60
"""Requests a second that the sandbox lets in, of all processes together."""

ASKING = """
import asyncio, sys, time
from pathlib import Path
from pricing_assets.core.answers import ItemQuery
from pricing_assets.core.items import item_id
from resources.sandbox.catalogue import bundled_catalogue
from resources.sources.client import Credentials, SourceClient
from resources.sources.open_library import OpenLibrary

origin, directory, rate, start, count = sys.argv[1:]

async def ask():
    books = bundled_catalogue(600)[int(start):int(start) + int(count)]
    async with SourceClient(
        Credentials({}),
        base_urls={"open_library": origin},
        rate_overrides={"open_library": float(rate)},
        limits_directory=Path(directory),
    ) as client:
        pairs = ((OpenLibrary(), ItemQuery(item_id("book", b.isbn13), "book", b.isbn13))
                 for b in books)
        print("ready", flush=True)
        sys.stdin.readline()
        async for reply in client.ask_many(pairs):
            print(reply.result, reply.attempts, time.monotonic(), flush=True)

asyncio.run(ask())
"""


class Asking:
    """A process that asks the sandbox about a part of its catalogue when it is told to."""

    def __init__(self, origin: str, directory: Path, start: int, count: int) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", ASKING, origin, str(directory), str(RATE), str(start),
             str(count)],
            cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def begin(self) -> None:
        assert self.process.stdout is not None
        assert self.process.stdin is not None
        assert self.process.stdout.readline() == "ready\n"
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def replies(self) -> list[tuple[str, int, float]]:
        out, _ = self.process.communicate(timeout=60)
        lines = [line.split() for line in out.splitlines() if line.count(" ") == 2]
        return [(result, int(attempts), float(at)) for result, attempts, at in lines]


def stats(process: SandboxProcess) -> dict[str, dict[str, int]]:
    answer: dict[str, dict[str, int]] = httpx.get(f"{process.url}/_sandbox/stats").json()
    return answer


TRIES = 3
"""A machine that is busy with other things delays the sandbox too, which then sees at once what
was sent one after the other. Processes that do not share a rate exceed it in every try."""


def share(directory: Path, processes: int) -> tuple[dict[str, dict[str, int]], float]:
    """Let processes ask together; return the sandbox's count and the rate that they reached."""
    each = 240 // processes
    with SandboxProcess(size=600, latency_ms=50, rate=RATE) as server:
        origin = server.url + sandbox.base_path("open_library")
        asking = [Asking(origin, directory, i * each, each) for i in range(processes)]
        for one in asking:
            one.begin()
        replies = [reply for one in asking for reply in one.replies()]
        counted = stats(server)
    assert len(replies) == 240
    assert "error" not in {result for result, _, _ in replies}
    assert counted["requests"] == {"open_library": sum(attempts for _, attempts, _ in replies)}
    times = sorted(at for *_, at in replies)
    return counted, 239 / (times[-1] - times[0])


@pytest.mark.parametrize("processes", [2, 3])
def test_processes_share_a_rate(tmp_path: Path, processes: int) -> None:
    for number in range(TRIES):
        counted, rate = share(tmp_path / str(number), processes)
        if counted["429s"] == {} and rate >= 0.85 * RATE:
            break
    assert counted["429s"] == {}
    assert counted["max_requests_in_1s"]["open_library"] <= RATE
    assert rate >= 0.85 * RATE


def succeed(directory: Path) -> tuple[dict[str, dict[str, int]], float]:
    """Kill a process that asks and let another one go on; return what `share` does."""
    with SandboxProcess(size=600, rate=RATE) as server:
        origin = server.url + sandbox.base_path("open_library")
        killed = Asking(origin, directory, 0, 200)
        successor = Asking(origin, directory, 200, 60)
        killed.begin()
        while stats(server)["requests"].get("open_library", 0) < RATE // 2:
            time.sleep(0.02)
        killed.process.send_signal(signal.SIGKILL)
        killed.process.communicate()
        successor.begin()
        times = sorted(at for *_, at in successor.replies())
        return stats(server), 59 / (times[-1] - times[0])


def test_a_killed_process_takes_no_turns_with_it_and_the_next_one_does_not_start_afresh(
    tmp_path: Path,
) -> None:
    for number in range(TRIES):
        counted, rate = succeed(tmp_path / str(number))
        if counted["429s"] == {} and rate >= 0.85 * RATE:
            break
    assert counted["429s"] == {}
    assert counted["max_requests_in_1s"]["open_library"] <= RATE
    assert rate >= 0.85 * RATE


def pacers(path: Path, rate: float, count: int) -> list[tuple[Pacer, SharedLimits]]:
    states = [SharedLimits(path) for _ in range(count)]
    return [(Pacer(rate, state), state) for state in states]


def test_a_hold_reaches_every_process(tmp_path: Path) -> None:
    async def scenario() -> float:
        (one, _), (other, _) = pacers(tmp_path / "source", 1000, 2)
        await one.turn()
        waiting = asyncio.create_task(other.turn())
        await one.hold(0.3)
        started = time.monotonic()
        await waiting
        return time.monotonic() - started

    assert 0.28 <= asyncio.run(scenario()) < 0.6


def test_what_was_sent_is_known_after_a_restart(tmp_path: Path) -> None:
    async def take(count: int) -> float:
        ((pacer, state),) = pacers(tmp_path / "source", 2, 1)
        started = time.monotonic()
        for _ in range(count):
            await pacer.turn()
        state.close()
        return time.monotonic() - started

    assert asyncio.run(take(1)) < 0.3
    assert 0.3 <= asyncio.run(take(1)) < 0.8


def test_a_machine_that_was_started_anew_waits_once(tmp_path: Path) -> None:
    """Its clock begins again, so that all that the file knows lies in the future."""

    async def scenario() -> tuple[float, float]:
        ((pacer, state),) = pacers(tmp_path / "source", 4, 1)
        async with state.locked() as now:
            for number in range(6):
                state.add_send(now + 90_000 + number)
            state.next_turn = now + 90_006
            state.openings, state.open_until = 1, now + 90_030
        started = time.monotonic()
        for _ in range(3):
            await pacer.turn()
        return time.monotonic() - started, state.open_until - time.monotonic()

    waited, open_for = asyncio.run(scenario())
    assert 1.0 <= waited < 2.2
    assert open_for <= 0


def test_a_damaged_file_holds_for_a_second_and_is_mended(tmp_path: Path) -> None:
    path = tmp_path / "source"
    path.write_bytes(os.urandom(FILE_BYTES // 3))

    async def scenario() -> float:
        ((pacer, _),) = pacers(path, 1000, 1)
        started = time.monotonic()
        await pacer.turn()
        await pacer.turn()
        return time.monotonic() - started

    assert 0.95 <= asyncio.run(scenario()) < 1.5
    assert path.stat().st_size == FILE_BYTES


def test_a_rate_beyond_what_is_remembered_is_kept_too(tmp_path: Path) -> None:
    async def scenario() -> float:
        ((pacer, _),) = pacers(tmp_path / "source", 20_000, 1)
        started = time.monotonic()
        for _ in range(2 * SENDS_KEPT):
            await pacer.turn()
        return time.monotonic() - started

    assert asyncio.run(scenario()) >= SENDS_KEPT / 20_000


def test_who_is_stopped_while_it_has_the_lock_does_not_stop_our_event_loop(tmp_path: Path) -> None:
    code = (
        "import fcntl, sys, time\n"
        "file = open(sys.argv[1], 'r+b')\n"
        "fcntl.flock(file, fcntl.LOCK_EX)\n"
        "print('locked', flush=True)\n"
        "time.sleep(60)\n"
    )

    async def scenario() -> tuple[int, float]:
        ((pacer, _),) = pacers(tmp_path / "source", 1000, 1)
        holder = subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path / "source")], stdout=subprocess.PIPE
        )
        assert holder.stdout is not None
        holder.stdout.readline()
        turn = asyncio.create_task(pacer.turn())
        ticks = 0
        for _ in range(20):
            await asyncio.sleep(0.01)
            ticks += 1
        assert not turn.done()
        holder.kill()
        holder.communicate()
        started = time.monotonic()
        await asyncio.wait_for(turn, 2)
        return ticks, time.monotonic() - started

    ticks, waited = asyncio.run(scenario())
    assert ticks == 20
    assert waited < 0.5


def test_no_database_file_is_made(tmp_path: Path) -> None:
    SharedLimits(tmp_path / "limits" / "sandbox:open_library").close()
    names = [path.name for path in tmp_path.rglob("*") if path.is_file()]
    assert json.dumps(names) == '["sandbox:open_library"]'
