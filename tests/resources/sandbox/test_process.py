import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from resources.sandbox.process import SandboxDidNotStart, SandboxProcess

PROJECT = Path(__file__).parents[3]


def answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/_sandbox/healthz", timeout=2).status_code == 200
    except httpx.TransportError:
        return False


def ends(pid: int, within: float = 8.0) -> bool:
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
        except FileNotFoundError:
            return True
        if state == "Z":
            return True
        time.sleep(0.05)
    return False


def test_it_serves_within_the_block_and_ends_with_it() -> None:
    with SandboxProcess(size=10) as sandbox:
        url, pid = sandbox.url, sandbox.pid
        assert url.startswith("http://127.0.0.1:")
        assert httpx.get(f"{url}/_sandbox/healthz").json()["books"] == 10
    assert sandbox.pid is None
    assert pid is not None
    assert not answers(url)
    assert ends(pid)


def test_it_ends_with_open_connections_and_after_an_error() -> None:
    urls = []

    def fail(client: httpx.Client) -> None:
        with SandboxProcess(size=10) as sandbox:
            urls.append(sandbox.url)
            client.get(f"{sandbox.url}/_sandbox/healthz")
            raise KeyError("ours")

    with httpx.Client() as client:
        with pytest.raises(KeyError, match="ours"):
            fail(client)
        assert not answers(urls[0])


def test_it_serves_a_file_and_logs_what_it_skipped(tmp_path: Path) -> None:
    path = tmp_path / "books.csv"
    path.write_text("isbn,title\n0439023483,The Hunger Games\nnonsense,x\n")
    log = tmp_path / "sandbox.log"
    with SandboxProcess(catalogue=path, log_path=log) as sandbox:
        assert httpx.get(f"{sandbox.url}/_sandbox/healthz").json()["books"] == 1
    assert "1 rows of" in log.read_text()
    assert "line 3: " in log.read_text()


def test_a_failed_start_says_why(tmp_path: Path) -> None:
    with pytest.raises(SandboxDidNotStart, match=r"status 2.*nowhere\.csv cannot be read"):
        SandboxProcess(catalogue=tmp_path / "nowhere.csv").start()


def test_a_slow_start_is_given_up_and_leaves_nothing_behind() -> None:
    sandbox = SandboxProcess(timeout=0.01)
    with pytest.raises(SandboxDidNotStart, match=r"did not listen within 0\.01 s"):
        sandbox.start()
    assert sandbox.pid is None


def test_the_port_that_was_asked_for_is_taken() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = subprocess.run(
            [sys.executable, "-m", "resources.sandbox", f"--port={taken.getsockname()[1]}"],
            cwd=PROJECT, capture_output=True, text=True, timeout=30, check=False,
        )  # fmt: skip
    assert done.returncode == 2
    assert "cannot be opened" in done.stderr
    assert not done.stdout


def test_no_orphan_when_the_parent_is_killed() -> None:
    code = (
        "import time\n"
        "from resources.sandbox.process import SandboxProcess\n"
        "sandbox = SandboxProcess(size=10).start()\n"
        "print(sandbox.pid, sandbox.url, flush=True)\n"
        "time.sleep(60)\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", code], cwd=PROJECT, stdout=subprocess.PIPE, text=True
    )
    try:
        assert parent.stdout is not None
        pid, url = parent.stdout.readline().split()
        assert answers(url)
        os.kill(parent.pid, signal.SIGKILL)
        parent.wait(5)
        assert ends(int(pid))
        assert not answers(url)
    finally:
        parent.kill()
        parent.wait()
        assert parent.stdout is not None
        parent.stdout.close()


def test_help_has_examples() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "resources.sandbox", "--help"],
        cwd=PROJECT, capture_output=True, text=True, timeout=30, check=True,
    )  # fmt: skip
    assert "examples:" in done.stdout
    for option in ("--port", "--catalogue", "--seed", "--latency-ms", "--rate"):
        assert option in done.stdout
