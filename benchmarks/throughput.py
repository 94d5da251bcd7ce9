"""Throughput against a sandbox with 100 ms latency: of the client alone, and from queue to store.

`python -m benchmarks.throughput 50000` asks four sources about as many items and prints how
the memory went, and by how much it grew.
"""

import asyncio
import json
import os
import resource
import sys
import tempfile
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import mean
from typing import Any

import pyarrow as pa

from benchmarks.running import Found, Place, Stopwatch
from benchmarks.synthetic import NOW
from pricing_assets.assets.asking import ask_open
from pricing_assets.core.answers import ItemQuery
from pricing_assets.core.items import item_id
from pricing_assets.store.decisions import decide
from pricing_assets.store.intake import Readings, store_scans
from pricing_assets.store.opening import open_database
from resources import sandbox
from resources.clock import Clock
from resources.database import Database
from resources.sandbox.catalogue import bundled_catalogue
from resources.sandbox.process import SandboxProcess
from resources.settings import Settings
from resources.source_access import SourceAccess
from resources.sources import registered_sources
from resources.sources.client import Credentials, SourceClient

SOURCE = "open_library"
CALLS = 1_000
LATENCY_MS = 100
RATE = 100
"""Requests a second that the sandbox allows."""

UNLIMITED = 100_000.0
"""A rate that the client never reaches."""

FOUR_SOURCES = ("open_library", "google_books", "ebay_browse", "searchapi_ebay_sold")
KINDS = ("metadata", "ask", "sold")
"""Of these, in the sandbox, the four are the active sources of books."""

RATE_OF_EACH = 50
QUICK_ITEMS = 1_500
SECONDS_BETWEEN_SAMPLES = 5.0


def limited(place: Place) -> Found:
    """Ask a sandbox that allows `RATE` requests a second."""
    return _ask(place, RATE)


def unlimited(place: Place) -> Found:
    """Ask a sandbox that allows any number."""
    return _ask(place, 0)


def _ask(place: Place, rate: int) -> Found:
    books = bundled_catalogue()[:CALLS]
    queries = [ItemQuery(item_id("book", b.isbn13), "book", b.isbn13) for b in books]
    with SandboxProcess(latency_ms=LATENCY_MS, rate=rate) as process:
        with Stopwatch() as watch:
            results = asyncio.run(
                _results(process.url, queries, float(rate) or UNLIMITED, place.directory)
            )
        with urllib.request.urlopen(f"{process.url}/_sandbox/stats") as reply:  # noqa: S310
            stats = json.load(reply)
    if len(queries) != CALLS or sum(results.values()) != CALLS:
        raise RuntimeError(f"{CALLS:,} calls wanted, {sum(results.values()):,} answered")
    return Found(
        watch.seconds,
        details={
            "calls_per_second": round(CALLS / watch.seconds, 1),
            "refused_429": stats["429s"].get(SOURCE, 0),
            "errors": results["error"],
        },
    )


async def _results(
    origin: str, queries: list[ItemQuery], rate: float, directory: Path
) -> Counter[str]:
    source = registered_sources()[SOURCE]
    results: Counter[str] = Counter()
    async with SourceClient(
        Credentials({"PRICING_CONTACT": "benchmark@localhost"}),
        base_urls={SOURCE: origin + sandbox.base_path(SOURCE)},
        rate_overrides={SOURCE: rate},
        limits_directory=directory / f"limits {rate:g}",
    ) as client:
        async for reply in client.ask_many((source, query) for query in queries):
            results[reply.result] += 1
    return results


def four_sources(place: Place) -> Found:
    """Ask four sources that allow 50 requests a second each, and file what they answer."""
    found, _ = _from_queue_to_store(place.directory / "four", QUICK_ITEMS)
    return found


def _from_queue_to_store(directory: Path, items: int) -> tuple[Found, list[float]]:
    """Return what was found, and the memory in MiB every `SECONDS_BETWEEN_SAMPLES`."""
    with SandboxProcess(size=items, latency_ms=LATENCY_MS, rate=RATE_OF_EACH) as process:
        settings = Settings(
            home=directory,
            database_url=f"sqlite:///{directory}/pricing.db",
            profile="sandbox",
            sandbox_url=process.url,
        )
        directory.mkdir()
        clock = Clock(NOW)
        with (
            open_database(settings) as database,
            SourceAccess(settings, clock, sandbox_rate=RATE_OF_EACH) as access,
            _memory() as curve,
        ):
            _queue(database, items)
            used = resource.getrusage(resource.RUSAGE_SELF)
            with Stopwatch() as watch:
                summary = ask_open(
                    database,
                    access,
                    KINDS,
                    clock=clock,
                    spool_directory=settings.spool,
                    run_id="benchmark",
                )
            spent = resource.getrusage(resource.RUSAGE_SELF)
        with urllib.request.urlopen(f"{process.url}/_sandbox/stats") as reply:  # noqa: S310
            stats: dict[str, Any] = json.load(reply)
    if summary.calls != items * len(FOUR_SOURCES):
        raise RuntimeError(f"{items * len(FOUR_SOURCES):,} calls wanted, {summary.calls:,} made")
    processor = spent.ru_utime + spent.ru_stime - used.ru_utime - used.ru_stime
    rate = summary.calls / watch.seconds
    found = Found(
        watch.seconds,
        details={
            "calls_per_second": round(rate, 1),
            "share_of_the_allowed_rate": round(rate / (RATE_OF_EACH * len(FOUR_SOURCES)), 3),
            "cores": round(processor / watch.seconds, 2),
            "processor_ms_a_call": round(1000 * processor / summary.calls, 2),
            "refused_429": sum(stats["429s"].values()),
            "errors": summary.results.get("error", 0),
        },
    )
    return found, curve


def _queue(database: Database, items: int) -> None:
    """Scan the books, and decide that all sources are to be asked about them."""
    codes = [book.isbn13 for book in bundled_catalogue(items)]
    columns = {
        "line": pa.array(range(1, items + 1), pa.int64()),
        "code": codes,
        "category": ["book"] * items,
        "natural_key": codes,
        "item_id": [item_id("book", code) for code in codes],
        "reason": pa.nulls(items, pa.string()),
        "note": pa.nulls(items, pa.string()),
        "scanned_at": pa.nulls(items, pa.timestamp("us", tz="UTC")),
    }
    readings = Readings("0" * 64, "benchmark", pa.RecordBatch.from_pydict(columns))
    store_scans(database, [readings], user_id="default", received_at=NOW)
    decide(database, now=NOW, run_id="benchmark")


@contextmanager
def _memory() -> Iterator[list[float]]:
    """Measure this process's memory every few seconds within a `with` block, in MiB."""
    curve: list[float] = []
    ended = threading.Event()

    def measure() -> None:
        while not ended.wait(SECONDS_BETWEEN_SAMPLES):
            pages = int(Path("/proc/self/statm").read_text().split()[1])
            curve.append(round(pages * os.sysconf("SC_PAGE_SIZE") / 1024**2, 1))

    thread = threading.Thread(target=measure, daemon=True)
    thread.start()
    try:
        yield curve
    finally:
        ended.set()
        thread.join()


def main(items: int) -> None:
    """Ask about so many items; print what was found and the memory over time."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="pricing-bench-") as directory:
        found, curve = _from_queue_to_store(Path(directory) / "four", items)
    print(json.dumps({"items": items, "seconds": round(found.seconds, 1), **found.details}))
    for number, mib in enumerate(curve, 1):
        print(f"{number * SECONDS_BETWEEN_SAMPLES:8.0f} s {mib:8.1f} MiB")
    if fifth := len(curve) // 5:
        # Not the first fifth, in which what is kept on purpose fills: some 3,000 items fill
        # SQLite's 64 MiB of pages, so of fewer than 15,000 the second fifth is too early.
        early, late = mean(curve[fifth : 2 * fifth]), mean(curve[-fifth:])
        print(
            f"memory: {early:.1f} MiB in the mean of the second fifth, {late:.1f} MiB in that of "
            f"the last: {late - early:+.1f} MiB ({late / early - 1:+.1%})"
        )
    print(f"all of it took {time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else QUICK_ITEMS)
