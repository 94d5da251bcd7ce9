import re
import select
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from tests.conftest import ROOT
from tests.runs import COMMAND
from tests.runs import pricing as run_pricing


@contextmanager
def serving(*arguments: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    process = subprocess.Popen(
        [*COMMAND, "sandbox", "serve", "--port", "0", *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        ready, _, _ = select.select([process.stdout], [], [], 30)
        line = process.stdout.readline() if ready else ""
        match = re.search(r"http://127\.0\.0\.1:\d+", line)
        assert match is not None, process.communicate(timeout=5)
        yield match[0], process
    finally:
        process.kill()
        process.communicate()


def test_it_prints_where_it_serves_and_stops_when_told() -> None:
    with serving() as (url, process):
        health = httpx.get(f"{url}/_sandbox/healthz").json()
        assert health["simulated"] is True
        assert health["books"] >= 5_000
        process.send_signal(signal.SIGINT)
        process.wait(10)
        assert process.stderr is not None
        assert "Traceback" not in process.stderr.read()


def test_it_serves_a_catalogue_of_ones_own(tmp_path: Path) -> None:
    file = tmp_path / "books.csv"
    file.write_text("isbn,title,authors,year\n9780316769174,A Title,Some One,1951\n")
    with serving("--catalogue", str(file), "--rate", "0", "--seed", "3") as (url, _):
        health = httpx.get(f"{url}/_sandbox/healthz").json()
        assert health == {"simulated": True, "books": 1, "seed": 3}


def test_its_market_is_that_of_the_sandbox_that_a_run_starts() -> None:
    with serving() as (url, _):
        assert httpx.get(f"{url}/_sandbox/healthz").json()["seed"] == 0


def test_a_port_in_use_is_named() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = run_pricing("sandbox", "serve", "--port", str(port))
    assert done.returncode in (1, 2)
    assert str(port) in done.stderr
    assert "--port 0" in done.stderr
    assert "Traceback" not in done.stderr
