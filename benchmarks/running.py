"""Running a measured case: in a process of its own, on a database of its own.

Each case is one function. It gets a place to work in, times what is to be measured, and
returns what it found; the memory it took at its peak is that of its process.
"""

import importlib
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent


class CaseFailed(RuntimeError):
    """A case ended without a result; the message is the end of what it said."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a case works.

    Attributes:
        directory: For its files; prepared data of the benchmark is there too.
        url: Of its database; empty where the case needs none.
    """

    directory: Path
    url: str = ""


@dataclass(slots=True)
class Found:
    """What one case found.

    Attributes:
        seconds: How long the measured part took.
        outcome: What came of it; cases that did the same work have equal ones.
        details: Further numbers for `results.json`.
    """

    seconds: float
    outcome: dict[str, Any] = field(default_factory=dict)
    details: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Measurement:
    """A case's finding with the peak memory of its process, in MiB."""

    found: Found
    peak_mib: float


Case = Callable[[Place], Found]


class Stopwatch:
    """Seconds of wall-clock time within a `with` block."""

    def __enter__(self) -> "Stopwatch":
        """Start it."""
        self._started = time.perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop it."""
        self.seconds = time.perf_counter() - self._started


def run_case(case: Case, place: Place) -> Measurement:
    """Run a case in a process of its own.

    Raises:
        CaseFailed: It raised.
    """
    environment = {
        k: v
        for k, v in os.environ.items()
        if k == "PRICING_REFERENCE_DATA" or not k.startswith("PRICING_")
    }
    done = subprocess.run(
        [sys.executable, "-m", __name__, case.__module__, case.__qualname__,
         str(place.directory), place.url],
        cwd=ROOT, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise CaseFailed(f"{case.__module__}.{case.__qualname__}: {done.stderr[-3000:]}")
    said = json.loads(done.stdout.splitlines()[-1])
    return Measurement(Found(**said["found"]), said["peak_mib"])


def _main(module: str, name: str, directory: str, url: str) -> None:
    case: Case = getattr(importlib.import_module(module), name)
    found = case(Place(Path(directory), url))
    # Linux counts in KiB, macOS in bytes.
    unit = 1024**2 if sys.platform == "darwin" else 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
    result = {"seconds": found.seconds, "outcome": found.outcome, "details": found.details}
    print(json.dumps({"found": result, "peak_mib": round(peak, 1)}))


if __name__ == "__main__":
    _main(*sys.argv[1:])
