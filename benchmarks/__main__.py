"""`python -m benchmarks`: measures, prints a table, writes `benchmarks/results.json`.

After all of them the backtest of the value is printed: it measures errors, not time.
"""

import argparse
import json
import os
import platform
import shutil
import sqlite3
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks import (
    backtest,
    decide,
    duplicate_editions,
    export,
    gate,
    intake,
    price_chart,
    snapshots,
    throughput,
    training_set,
)
from benchmarks.databases import PREPARED, WORKING, Server, SqliteFiles, postgres
from benchmarks.running import ROOT, Case, CaseFailed, Measurement, Place, run_case

RESULTS = ROOT / "benchmarks" / "results.json"
PEAK_MIB = 2 * 1024


@dataclass(frozen=True, slots=True)
class Benchmark:
    """What is measured, and what it has to reach.

    Attributes:
        name: On the command line and, with the database's, in the results.
        case: Our way.
        prepare: Fills a database; None where the case needs none.
        databases: On which it is measured.
        baseline: The plain way of doing the same, measured beside it.
        beside: An older way, measured beside it to be seen; nothing depends on it.
        ratio: How many times faster than the baseline it has to be; below 1, what it may cost more.
        seconds: How long it may take.
        growth: Another benchmark's name in the results, and how many times as long it may take.
        calls_per_second: How many it has to reach, without one that is refused.
        cores: Processor time that it may take, as a share of the time.
        precision: What it has to reach on the labels that were held out.
        recall: What it has to reach on the labels that were held out.
        absent: Says what is missing to measure it here, or None.
        peak_mib: Memory that its process may take.
    """

    name: str
    case: Case
    prepare: Case | None = None
    databases: tuple[str, ...] = ("",)
    baseline: Case | None = None
    beside: Case | None = None
    ratio: float | None = None
    seconds: float | None = None
    growth: tuple[str, float] | None = None
    calls_per_second: float | None = None
    cores: float | None = None
    precision: float | None = None
    recall: float | None = None
    absent: Callable[[], str | None] = lambda: None
    peak_mib: float = PEAK_MIB


BOTH = ("sqlite", "postgresql")
A_MILLION_DECIDED: dict[str, Any] = {"seconds": 10, "peak_mib": 1024}
BENCHMARKS = (
    Benchmark("intake", intake.ours, intake.prepare, BOTH, seconds=60, peak_mib=1024),
    Benchmark("decide", decide.ours, decide.prepare, BOTH, decide.row_by_row, ratio=5),
    Benchmark(
        "decide_1m_scans_of_2m", decide.ours, decide.prepare_2m, ("sqlite",), **A_MILLION_DECIDED
    ),
    *(
        Benchmark(
            f"decide_1m_scans_of_{name}", decide.ours, prepare, ("postgresql",), **A_MILLION_DECIDED
        )
        for name, prepare in (
            ("1m", decide.prepare_1m),
            ("3m", decide.prepare_3m),
            ("10m", decide.prepare_10m),
        )
    ),
    Benchmark("score_and_gate", gate.ours, gate.prepare, ("sqlite",), gate.loop, ratio=3),
    Benchmark("export", export.ours, export.prepare, BOTH, export.pandas_read_sql, ratio=4),
    Benchmark(
        "training_set_1m",
        training_set.ours,
        training_set.prepare_million,
        ("sqlite",),
        training_set.duckdb_alone,
        training_set.pandas_read_sql,
        ratio=1 / 3,
        seconds=12,
        peak_mib=4096,
    ),
    Benchmark(
        "training_set",
        training_set.ours,
        training_set.prepare,
        ("sqlite",),
        training_set.duckdb_alone,
        ratio=1 / 3,
        seconds=120,
        growth=("training_set_1m_sqlite", 12),
        peak_mib=4096,
    ),
    Benchmark(
        "snapshots",
        snapshots.ours,
        snapshots.prepare,
        BOTH,
        snapshots.duckdb_alone,
        ratio=1 / 1.5,
        seconds=15,
    ),
    Benchmark("price_chart", price_chart.ours, price_chart.prepare, ("postgresql",), seconds=0.02),
    Benchmark("throughput", throughput.limited, calls_per_second=90),
    Benchmark("throughput_unlimited", throughput.unlimited),
    Benchmark(
        "throughput_of_four_sources", throughput.four_sources, calls_per_second=190, cores=1.0
    ),
    Benchmark(
        "duplicate_editions",
        duplicate_editions.labelled,
        precision=0.9,
        recall=0.8,
        absent=duplicate_editions.unmeasurable,
    ),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure what is asked for; return 1 when a target is missed or a case fails."""
    chosen = _arguments(arguments)
    console = Console()
    if not console.is_terminal:
        console.width = 110
    results: dict[str, dict[str, Any]] = {}
    failed = False
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pricing-bench-")))
        servers: dict[str, Server] = {}
        for benchmark in chosen:
            if missing := benchmark.absent():
                console.print(f"{benchmark.name}: not measured: {missing}", highlight=False)
                continue
            for kind in benchmark.databases:
                name = f"{benchmark.name}_{kind}" if kind else benchmark.name
                if kind and kind not in servers:
                    servers[kind] = (
                        SqliteFiles(directory)
                        if kind == "sqlite"
                        else stack.enter_context(postgres())
                    )
                try:
                    measured = _measure(benchmark, name, directory, servers.get(kind), console)
                    results[name] = _with_growth(benchmark, measured, results)
                except CaseFailed as failure:
                    failed = True
                    console.print(f"[red]{name} failed[/red]: {failure}", highlight=False)
    console.print(_table(results))
    if "duplicate_editions" in results:
        duplicate_editions.print_figures(results["duplicate_editions"])
    if len(chosen) == len(BENCHMARKS):
        backtest.main([])
    if len(chosen) == len(BENCHMARKS) and not failed:
        RESULTS.write_text(
            json.dumps({"measured": _circumstances(), "results": results}, indent=2) + "\n"
        )
        console.print(f"Written to {RESULTS.relative_to(ROOT)}.")
    return int(failed or not all(result["met"] for result in results.values()))


def _arguments(arguments: Sequence[str] | None) -> list[Benchmark]:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measure the bulk paths on synthetic rows, each beside the plain way.",
        epilog="results.json is written when all are measured. PRICING_TEST_DATABASE_URL names a "
        "PostgreSQL server to use instead of one that is started for it.",
    )
    parser.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help="only these: " + ", ".join(benchmark.name for benchmark in BENCHMARKS),
    )
    names = parser.parse_args(arguments).names
    known = {benchmark.name: benchmark for benchmark in BENCHMARKS}
    if unknown := [name for name in names if name not in known]:
        parser.error(f"no benchmark is named {', '.join(unknown)}; there are {', '.join(known)}")
    return [known[name] for name in names] or list(BENCHMARKS)


def _measure(
    benchmark: Benchmark, name: str, directory: Path, server: Server | None, console: Console
) -> dict[str, Any]:
    with _prepared(benchmark, name, directory, server, console):
        baseline = None
        if benchmark.baseline is not None:
            baseline = _run(benchmark.baseline, f"{name}: baseline", directory, server, console)
        measured = _run(benchmark.case, f"{name}: ours", directory, server, console)
        beside = None
        if benchmark.beside is not None:
            beside = _run(benchmark.beside, f"{name}: beside it", directory, server, console)
    if baseline is not None and baseline.found.outcome != measured.found.outcome:
        raise CaseFailed(
            "the two did not do the same work, so their times cannot be compared.\n"
            f"ours:     {measured.found.outcome}\nbaseline: {baseline.found.outcome}"
        )
    result = _result(benchmark, measured, baseline)
    if beside is not None:
        result["beside_seconds"] = round(beside.found.seconds, 2)
        result["beside_peak_mib"] = beside.peak_mib
    return result


def _with_growth(
    benchmark: Benchmark, result: dict[str, Any], results: dict[str, dict[str, Any]]
) -> dict[str, Any]:
    """Return a result with what it is against another one's, where that was measured."""
    if benchmark.growth is None or benchmark.growth[0] not in results:
        return result
    other, most = benchmark.growth
    times = round(result["seconds"] / results[other]["seconds"], 2)
    targets = {**result["targets"], "growth": most}
    return {**result, "growth": times, "targets": targets, "met": result["met"] and times <= most}


@contextmanager
def _prepared(
    benchmark: Benchmark, name: str, directory: Path, server: Server | None, console: Console
) -> Iterator[None]:
    if benchmark.prepare is None or server is None:
        yield
        return
    server.create()
    try:
        with console.status(f"{name}: preparing"):
            run_case(benchmark.prepare, Place(directory, server.url(PREPARED)))
        yield
    finally:
        server.drop()


def _run(
    case: Case, title: str, directory: Path, server: Server | None, console: Console
) -> Measurement:
    with console.status(title):
        if server is not None:
            server.copy()
        place = Place(directory, server.url(WORKING) if server is not None else "")
        measured = run_case(case, place)
    console.print(
        f"{title}: {measured.found.seconds:.2f} s, peak {measured.peak_mib:,.0f} MiB",
        highlight=False,
    )
    return measured


def _result(
    benchmark: Benchmark, measured: Measurement, baseline: Measurement | None
) -> dict[str, Any]:
    found = measured.found
    result: dict[str, Any] = {
        "seconds": round(found.seconds, 2),
        "peak_mib": measured.peak_mib,
        **found.details,
    }
    targets: dict[str, float] = {"peak_mib": benchmark.peak_mib}
    met = measured.peak_mib <= benchmark.peak_mib
    if baseline is not None:
        result["baseline_seconds"] = round(baseline.found.seconds, 2)
        result["baseline_peak_mib"] = baseline.peak_mib
        result["ratio"] = round(baseline.found.seconds / found.seconds, 2)
    if benchmark.ratio is not None:
        targets["ratio"] = benchmark.ratio
        met &= result["ratio"] >= benchmark.ratio
    if benchmark.seconds is not None:
        targets["seconds"] = benchmark.seconds
        met &= found.seconds <= benchmark.seconds
    if benchmark.calls_per_second is not None:
        targets["calls_per_second"] = benchmark.calls_per_second
        targets["refused_429"] = 0
        met &= result["calls_per_second"] >= benchmark.calls_per_second
        met &= result["refused_429"] == 0
    if benchmark.cores is not None:
        targets["cores"] = benchmark.cores
        met &= result["cores"] <= benchmark.cores
    for name in ("precision", "recall"):
        least = getattr(benchmark, name)
        if least is not None:
            targets[name] = least
            met &= result[f"held_out_{name}"] >= least
    return {**result, "targets": targets, "met": met}


def _table(results: dict[str, dict[str, Any]]) -> Table:
    table = Table(title="Benchmarks: ours beside the plain way")
    table.add_column("benchmark", no_wrap=True)
    for heading in ("s", "baseline s", "ratio", "MiB", "calls/s", "429s"):
        table.add_column(heading, justify="right")
    table.add_column("target")
    table.add_column("met")
    for name, result in results.items():
        targets = result["targets"]
        wanted = [f"ratio {targets['ratio']:g}"] if "ratio" in targets else []
        wanted += [f"{targets['seconds']:g} s"] if "seconds" in targets else []
        wanted += [f"growth {targets['growth']:g}"] if "growth" in targets else []
        if "calls_per_second" in targets:
            wanted += [f"{targets['calls_per_second']:g}/s, no 429"]
        wanted += [f"{targets['cores']:g} core"] if "cores" in targets else []
        wanted += [
            f"{name} {targets[name]:g}" for name in ("precision", "recall") if name in targets
        ]
        wanted += [f"{targets['peak_mib']:,.0f} MiB"]
        cells = ("seconds", "baseline_seconds", "ratio", "peak_mib", "calls_per_second")
        table.add_row(
            name,
            *(f"{result[cell]:,.1f}" if cell in result else "" for cell in cells),
            str(result.get("refused_429", "")),
            ", ".join(wanted),
            "yes" if result["met"] else "[red]NO[/red]",
        )
    return table


def _circumstances() -> dict[str, Any]:
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "load_average_1min": round(os.getloadavg()[0], 2),
        "free_disk_gib": round(shutil.disk_usage(tempfile.gettempdir()).free / 1024**3),
    }


if __name__ == "__main__":
    sys.exit(main())
