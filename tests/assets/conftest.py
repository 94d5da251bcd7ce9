from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import pytest

from resources.clock import Clock
from tests.runs import NOON, Asked, Platform, asked, isbns, new_platform, platform, sandbox_url

__all__ = ("platform", "sandbox_url")

BOOKS = 60
JUNK = ("9780439023489", "no barcode", "B00ZV9PXP2", "9.78043902348E+12", "036000291452")


@dataclass(frozen=True)
class Processed:
    """A platform that 60 books went through, from scan to training set, and what was asked."""

    platform: Platform
    runs: Mapping[str, dg.ExecuteInProcessResult]
    asked: Asked


@pytest.fixture(scope="session")
def processed(tmp_path_factory: pytest.TempPathFactory, sandbox_url: str) -> Iterator[Processed]:
    """One processed platform for all who only read."""
    directory: Path = tmp_path_factory.mktemp("processed")
    books = isbns(BOOKS)
    with new_platform(directory, sandbox_url, Clock(NOON)) as platform:
        platform.scan([*books, books[0], *JUNK], "day.txt")
        before = asked(sandbox_url)
        runs = {
            "process_scans": platform.run(),
            "snapshot_prices": platform.run("snapshot_prices", partition="2026-10-20"),
            "build_training_set": platform.run("build_training_set", partition="2026-10-01"),
        }
        yield Processed(platform, runs, asked(sandbox_url) - before)
