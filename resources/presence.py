"""Presence: whether the process that does something on this machine still lives.

A lock file is held for as long as the process does; the operating system gives it up with
the process, however that ends. A run that Dagster believes to be under way may so be known
to be dead.
"""

import fcntl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    import dagster as dg


def try_lock(path: Path) -> IO[str] | None:
    """Take a lock file, made if need be; None when a living process holds it."""
    lock = path.open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        return None
    return lock


@contextmanager
def present(directory: Path, run_id: str) -> Iterator[None]:
    """Be present as a run for the length of a `with` block.

    A run that is present already, in this process or another, stays so by its first holder.
    """
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"{run_id}.lock"
    lock = try_lock(path)
    try:
        yield
    finally:
        if lock is not None:
            path.unlink(missing_ok=True)
            lock.close()


def is_dead(directory: Path, run_id: str) -> bool:
    """Tell whether a run was present on this machine and its process is gone.

    False for a run that has not begun, or that another machine works on: nothing is known
    of it here.
    """
    path = directory / f"{run_id}.lock"
    if not path.exists():
        return False
    lock = try_lock(path)
    if lock is None:
        return False
    lock.close()
    return True


def dead_runs(instance: "dg.DagsterInstance", run_ids: Sequence[str]) -> list[str]:
    """Return those of some runs that Dagster does not know to be under way."""
    return [
        run_id
        for run_id in run_ids
        if (run := instance.get_run_by_id(run_id)) is None or run.is_finished
    ]
