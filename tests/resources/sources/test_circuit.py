import asyncio
import time
from collections.abc import Coroutine
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from resources.sources import circuit
from resources.sources.base import CircuitOpen
from resources.sources.circuit import (
    FAILURES_TO_OPEN,
    LONGEST_OPEN_SECONDS,
    OPEN_SECONDS,
    Circuit,
    read_circuits,
)
from resources.sources.client import Reply, SourceClient
from resources.sources.credentials import Credentials
from resources.sources.limits import SharedLimits
from resources.sources.open_library import OpenLibrary
from resources.sources.searchapi_ebay_sold import SearchApiEbaySold
from tests.resources.sources.conftest import ISBN, book
from tests.resources.sources.vendor_server import serving, serving_bytes

T = TypeVar("T")

LIBRARY = OpenLibrary()
BOOK = {f"ISBN:{ISBN}": {"title": "The Lamplighter's Almanac"}}


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(circuit, "FAILING_SECONDS", 0.0)


def run(scenario: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(scenario)


async def fail(limits: SharedLimits, times: int = 1) -> None:
    for _ in range(times):
        trial = Circuit("s", limits).trial()
        await trial.enter()
        await trial.fail()


async def succeed(limits: SharedLimits) -> None:
    trial = Circuit("s", limits).trial()
    await trial.enter()
    await trial.succeed()


@given(st.lists(st.booleans(), max_size=3 * FAILURES_TO_OPEN))
def test_it_is_open_after_as_many_failures_in_a_row_and_not_before(results: list[bool]) -> None:
    async def scenario() -> None:
        limits = SharedLimits()
        row = 0
        for good in results:
            await (succeed(limits) if good else fail(limits))
            row = 0 if good else row + 1
            opened = Circuit("s", limits).status().state == "open"
            assert opened is (row >= FAILURES_TO_OPEN)
            if opened:
                with pytest.raises(CircuitOpen, match=f"failed {FAILURES_TO_OPEN} times in a row"):
                    Circuit("s", limits).check()
                return

    run(scenario())


def test_what_breaks_off_in_one_moment_does_not_open_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(circuit, "FAILING_SECONDS", 0.1)
    limits = SharedLimits()

    async def scenario() -> None:
        await fail(limits, 3 * FAILURES_TO_OPEN)
        assert Circuit("s", limits).status().state == "closed"
        await asyncio.sleep(0.11)
        await fail(limits)
        assert Circuit("s", limits).status().state == "open"

    run(scenario())


def test_it_stays_open_for_longer_after_every_failed_probe_up_to_a_limit() -> None:
    limits = SharedLimits()

    async def scenario() -> list[float]:
        await fail(limits, FAILURES_TO_OPEN)
        lengths = []
        for _ in range(40):
            lengths.append(limits.open_until - time.monotonic())
            status = Circuit("s", limits).status()
            assert status.until is not None
            assert abs((status.until - datetime.now(UTC)).total_seconds() - lengths[-1]) < 1
            limits.open_until = time.monotonic()
            assert Circuit("s", limits).status().state == "half-open"
            await fail(limits)
        return lengths

    lengths = run(scenario())
    expected = [min(OPEN_SECONDS * 2**n, LONGEST_OPEN_SECONDS) for n in range(40)]
    assert lengths == pytest.approx(expected, abs=1)


def test_one_probe_goes_through_and_the_others_wait_for_what_comes_of_it(tmp_path: Path) -> None:
    async def scenario(probe_succeeds: bool) -> list[str]:
        path = tmp_path / f"source-{probe_succeeds}"
        ours, theirs = SharedLimits(path), SharedLimits(path)  # two processes have one each
        await fail(ours, FAILURES_TO_OPEN)
        ours.open_until = time.monotonic()
        probe = Circuit("s", theirs).trial()
        await probe.enter()

        async def other(limits: SharedLimits) -> str:
            trial = Circuit("s", limits).trial()
            try:
                await trial.enter()
            except CircuitOpen:
                return "refused"
            return "let through"

        waiting = [asyncio.create_task(other(limits)) for limits in (ours, theirs, ours)]
        await asyncio.sleep(0.12)
        assert not any(task.done() for task in waiting)
        await (probe.succeed() if probe_succeeds else probe.fail())
        return list(await asyncio.gather(*waiting))

    assert run(scenario(True)) == ["let through"] * 3
    assert run(scenario(False)) == ["refused"] * 3


def test_a_probe_that_was_cancelled_leaves_its_place_to_another() -> None:
    limits = SharedLimits()

    async def scenario() -> None:
        await fail(limits, FAILURES_TO_OPEN)
        limits.open_until = time.monotonic()
        first = Circuit("s", limits).trial()
        await first.enter()
        await first.abandon()
        await asyncio.wait_for(Circuit("s", limits).trial().enter(), 1)

    run(scenario())


def test_a_probe_whose_process_died_is_not_waited_for_for_ever() -> None:
    limits = SharedLimits()

    async def scenario() -> None:
        await fail(limits, FAILURES_TO_OPEN)
        limits.open_until = time.monotonic()
        await Circuit("s", limits).trial().enter()
        limits.probe_until = time.monotonic()  # its time is over
        await asyncio.wait_for(Circuit("s", limits).trial().enter(), 1)

    run(scenario())


def ask(
    respond: Any, directory: Path, *, count: int = 40, source: Any = LIBRARY, together: bool = True
) -> tuple[list[Reply], list[str]]:
    """Ask ``count`` times; return the replies and the states of the client's circuits."""

    async def scenario() -> tuple[list[Reply], list[str]]:
        async with (
            serving(respond) as origin,
            SourceClient(
                Credentials({"SEARCHAPI_API_KEY": "a-key-of-some-length"}),
                base_urls={source.name: origin},
                rate_overrides={source.name: 1000},
                backoff_seconds=0.01,
                limits_directory=directory,
                label_prefix="sandbox:",
            ) as client,
        ):
            if together:
                pairs = [(source, book())] * count
                replies = [reply async for reply in client.ask_many(pairs)]
            else:
                replies = [await client.ask(source, book()) for _ in range(count)]
            return replies, [str(status) for status in client.circuits()]

    return run(scenario())


class Failing:
    def __init__(self, status: int) -> None:
        self.status = status
        self.requests = 0

    async def __call__(self, request: Request) -> Response:
        self.requests += 1
        return Response("the cat is on the keyboard", self.status)


def test_while_open_questions_are_answered_at_once_and_cost_nothing(tmp_path: Path) -> None:
    vendor = Failing(503)
    replies, states = ask(vendor, tmp_path, source=SearchApiEbaySold(), together=False)
    postponed = [reply for reply in replies if reply.postponed]
    assert vendor.requests == FAILURES_TO_OPEN == sum(reply.attempts for reply in replies)
    assert len(postponed) == 40 - FAILURES_TO_OPEN // 4
    assert len(states) == 1
    assert states[0].startswith("open until ")
    for reply in postponed:
        assert (reply.result, reply.attempts, reply.status) == ("error", 0, None)
        assert reply.cost_usd == 0
        assert "searchapi_ebay_sold about book" in (reply.error or "")
        assert f"failed {FAILURES_TO_OPEN} times in a row and is open until" in (reply.error or "")
        assert "the next run" in (reply.error or "")

    # Another process, a moment later.
    healthy = Failing(404)
    replies, _ = ask(healthy, tmp_path, source=SearchApiEbaySold())
    assert healthy.requests == 0
    assert all(reply.postponed for reply in replies)
    (status,) = read_circuits(tmp_path)
    assert (status.source, status.state) == ("sandbox:searchapi_ebay_sold", "open")


def test_a_question_whose_retries_it_stops_tells_what_its_request_came_to(tmp_path: Path) -> None:
    replies, _ = ask(Failing(503), tmp_path)
    sent = [reply for reply in replies if not reply.postponed]
    assert min(reply.attempts for reply in sent) < 4
    for reply in sent:
        assert (reply.status, reply.body) == (503, b"the cat is on the keyboard")
        assert "answered 503" in (reply.error or "")


def test_an_end_from_before_the_machine_was_started_anew_holds_nothing_back() -> None:
    limits = SharedLimits()
    run(fail(limits, FAILURES_TO_OPEN))
    circuit_ = circuit.Circuit("open_library", limits)
    assert circuit_.status().state == "open"
    limits.open_until += 10 * circuit.LONGEST_OPEN_SECONDS
    assert circuit_.status().state == "half-open"
    circuit_.check()


@pytest.mark.parametrize("status", [200, 400, 404, 422, 429])
def test_an_answer_that_we_do_not_like_opens_nothing(tmp_path: Path, status: int) -> None:
    vendor = Failing(status)  # with 200: a body that is not JSON
    replies, states = ask(vendor, tmp_path, count=2 * FAILURES_TO_OPEN)
    assert {reply.result for reply in replies} == {"not_found" if status == 404 else "error"}
    assert not any(reply.postponed for reply in replies)
    assert states == ["closed"]


def test_a_source_that_resets_every_connection_opens_it(tmp_path: Path) -> None:
    async def scenario() -> list[Reply]:
        async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(10)
            writer.transport.abort()

        async with (
            serving_bytes(reset) as origin,
            SourceClient(
                Credentials({}),
                base_urls={"open_library": origin},
                rate_overrides={"open_library": 1000},
                backoff_seconds=0.01,
                limits_directory=tmp_path,
            ) as client,
        ):
            return [await client.ask(LIBRARY, book()) for _ in range(5)]

    replies = run(scenario())
    assert [reply.attempts for reply in replies] == [4, 4, 4, 0, 0]


def test_a_silent_source_opens_it(tmp_path: Path) -> None:
    class Impatient(OpenLibrary):
        read_timeout = 0.05

    async def silent(request: Request) -> Response:
        await asyncio.sleep(0.5)
        return Response()

    replies, states = ask(silent, tmp_path, count=80, source=Impatient())
    assert states[0].startswith("open until")
    assert any(reply.postponed for reply in replies)


def test_a_probe_that_succeeds_lets_the_waiting_ones_through(tmp_path: Path) -> None:
    ask(Failing(500), tmp_path, count=3, together=False)
    limits = SharedLimits(tmp_path / "sandbox:open_library")
    limits.open_until = time.monotonic()
    most_before_the_answer = 0
    answered = in_flight = 0

    async def well_again(request: Request) -> Response:
        nonlocal most_before_the_answer, answered, in_flight
        in_flight += 1
        if not answered:
            most_before_the_answer = max(most_before_the_answer, in_flight)
            await asyncio.sleep(0.2)
        answered += 1
        return JSONResponse(BOOK)

    replies, states = ask(well_again, tmp_path)
    assert [reply.result for reply in replies] == ["found"] * 40
    assert most_before_the_answer == 1
    assert states == ["closed"]


def test_nothing_is_read_where_nothing_was_asked(tmp_path: Path) -> None:
    assert read_circuits(tmp_path / "none") == []
    (tmp_path / ".DS_Store").write_bytes(b"not ours")
    assert read_circuits(tmp_path) == []
    assert (tmp_path / ".DS_Store").read_bytes() == b"not ours"
