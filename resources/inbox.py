"""The inbox: a directory where files of scans are dropped, and where each one ends.

A file is taken once it has stopped changing. After its rows are stored it moves to
`inbox/done/`; a file that cannot be read moves to `inbox/rejected/` with a report beside
it, and the others go on.
"""

import hashlib
import os
import time
from collections.abc import Iterator
from datetime import datetime
from itertools import chain, count
from pathlib import Path

UNFINISHED_SUFFIXES = (".part", ".tmp", ".crdownload", ".partial", ".swp")
"""Endings by which programs mark a file that they are still writing."""


def waiting_files(inbox: Path, settle_seconds: float) -> Iterator[Path]:
    """Yield the files that may be read now: regular, visible, and not changed of late.

    One pass over the directory without opening a file.

    Args:
        settle_seconds: How long a file must not have changed.
    """
    if not inbox.is_dir():
        return
    newest = time.time() - settle_seconds
    with os.scandir(inbox) as entries:
        for entry in entries:
            if entry.name.startswith(".") or entry.name.lower().endswith(UNFINISHED_SUFFIXES):
                continue
            try:
                ready = entry.is_file(follow_symlinks=False) and entry.stat().st_mtime <= newest
            except FileNotFoundError:
                continue
            if ready:
                yield Path(entry.path)


def content_hash(path: Path) -> str:
    """Return the SHA-256 of a file's content: what makes the same file the same."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def archive(path: Path, moment: datetime) -> Path:
    """Move a file whose rows are stored to `done/`; return its new place."""
    return _move(path, path.parent / "done", moment)


def refuse(path: Path, reason: str, moment: datetime) -> Path:
    """Move a file that cannot be read to `rejected/` and write a report beside it."""
    target = _move(path, path.parent / "rejected", moment)
    report = target.with_name(target.name + ".report.txt")
    report.write_text(
        f"File:     {path.name}\nRefused:  {moment.isoformat(timespec='seconds')}\n"
        f"Reason:   {reason}\nTo do:    mend the file and drop it into {path.parent} again.\n",
        encoding="utf-8",
    )
    return target


def _move(path: Path, folder: Path, moment: datetime) -> Path:
    """Move a file under its own name, or under one with the moment where that is taken.

    A name that is taken is never used: renaming over a file would lose it without a word.
    """
    folder.mkdir(parents=True, exist_ok=True)
    stamp = moment.strftime("%Y%m%dT%H%M%S%f")
    names = chain(
        (path.name, f"{path.stem}.{stamp}{path.suffix}"),
        (f"{path.stem}.{stamp}.{number}{path.suffix}" for number in count(2)),
    )
    return path.rename(next(place for name in names if not (place := folder / name).exists()))
