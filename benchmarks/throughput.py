"""Throughput of the source client against a sandbox with 100 ms latency."""

import asyncio
import json
import urllib.request
from collections import Counter
from pathlib import Path

from benchmarks.running import Found, Place, Stopwatch
from pricing_assets.core.answers import ItemQuery
from pricing_assets.core.items import item_id
from resources import sandbox
from resources.sandbox.catalogue import bundled_catalogue
from resources.sandbox.process import SandboxProcess
from resources.sources import registered_sources
from resources.sources.client import Credentials, SourceClient

SOURCE = "open_library"
CALLS = 1_000
LATENCY_MS = 100
RATE = 100
"""Requests a second that the sandbox allows."""

UNLIMITED = 100_000.0
"""A rate that the client never reaches."""


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
