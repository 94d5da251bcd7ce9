"""The sandbox as a process of its own, started and stopped by a program.

Not here: what the sandbox answers (`resources.sandbox.server`).
"""

import contextlib
import os
import re
import selectors
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

_PROJECT = Path(__file__).resolve().parents[2]
_READY = re.compile(r"sandbox listening on (http://127\.0\.0\.1:\d+)\s*")
_SHOWN_BYTES = 2_000
_STOP_SECONDS = 5


class SandboxDidNotStart(RuntimeError):
    """The sandbox ended, or stayed silent, before it listened; the message says why."""


class SandboxProcess:
    """A sandbox on a free port of 127.0.0.1, for the length of a ``with`` block.

    It ends with the block, and with this process however that ends: its standard input is a
    pipe that only we hold open.
    """

    def __init__(
        self,
        *,
        catalogue: Path | None = None,
        size: int | None = None,
        seed: int = 0,
        latency_ms: int = 0,
        rate: int = 0,
        faults: Path | None = None,
        log_path: Path | None = None,
        timeout: float = 30.0,
    ) -> None:
        """Note what to start.

        Args:
            catalogue: File of the books that exist; None means the bundled catalogue.
            size: Books of the bundled catalogue; None means its default.
            seed: Which market.
            latency_ms: How long each answer takes at least.
            rate: Requests a second that each source lets in; 0 lets all in.
            faults: File of faults to make on purpose; None makes none.
            log_path: File that gets what the sandbox has to say; None keeps it only for the
                error of a failed start.
            timeout: Seconds that the start may take.
        """
        self._arguments = [
            "--exit-with-parent", "--port=0",
            f"--seed={seed}", f"--latency-ms={latency_ms}", f"--rate={rate}",
        ]  # fmt: skip
        if catalogue is not None:
            self._arguments.append(f"--catalogue={catalogue.resolve()}")
        if faults is not None:
            self._arguments.append(f"--faults={faults.resolve()}")
        if size is not None:
            self._arguments.append(f"--size={size}")
        self._log_path = log_path
        self._timeout = timeout
        self._process: subprocess.Popen[bytes] | None = None
        self._log: BinaryIO | None = None
        self.url = ""

    @property
    def pid(self) -> int | None:
        """The process's id; None when it is not running."""
        return self._process.pid if self._process else None

    def start(self) -> Self:
        """Start it and wait until it listens; then `url` is its origin.

        Raises:
            SandboxDidNotStart: It ended or was silent for too long.
        """
        if self._process is not None:
            raise RuntimeError("the sandbox was already started; stop it first")
        if self._log_path is None:
            self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed in `stop`
        else:
            self._log = self._log_path.open("a+b")
        self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            [sys.executable, "-m", "resources.sandbox", *self._arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            cwd=_PROJECT,
            # Ctrl+C in the terminal is for us; we stop the sandbox when we are done with it.
            start_new_session=True,
        )
        try:
            self.url = self._wait_until_ready(self._process)
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """Stop it, if it runs, and wait until it has ended."""
        process, self._process, self.url = self._process, None, ""
        if process is not None:
            for stream in (process.stdin, process.stdout):
                if stream is not None:
                    with contextlib.suppress(OSError):
                        stream.close()
            try:
                process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if self._log is not None:
            self._log.close()
            self._log = None

    def __enter__(self) -> Self:
        """Start it."""
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop it."""
        self.stop()

    def _wait_until_ready(self, process: subprocess.Popen[bytes]) -> str:
        assert process.stdout is not None  # noqa: S101 - opened as a pipe
        output = process.stdout.fileno()
        deadline = time.monotonic() + self._timeout
        said = b""
        with selectors.DefaultSelector() as selector:
            selector.register(output, selectors.EVENT_READ)
            while (left := deadline - time.monotonic()) > 0:
                if not selector.select(left):
                    continue
                chunk = os.read(output, 4096)
                if not chunk:
                    status = process.wait(_STOP_SECONDS)
                    raise SandboxDidNotStart(
                        f"the sandbox ended with status {status} before it listened; it said: "
                        f"{self._last_words()}"
                    )
                said += chunk
                if match := _READY.search(said.decode("utf-8", "replace")):
                    return match[1]
        raise SandboxDidNotStart(
            f"the sandbox did not listen within {self._timeout:g} s; it said: "
            f"{self._last_words()}. Give it more time, or run `python -m resources.sandbox` "
            "to see what it does."
        )

    def _last_words(self) -> str:
        if self._log is None:
            return "nothing"
        end = self._log.seek(0, os.SEEK_END)
        self._log.seek(max(0, end - _SHOWN_BYTES))
        return self._log.read().decode("utf-8", "replace").strip() or "nothing"
