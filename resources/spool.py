"""The spool: answers on disk between the moment they arrive and the moment they are committed.

A batch of answers is committed every second or so; a process that is killed in between has
paid for answers that the database never saw. Each answer is therefore appended to a file at
once, and the next run files what it finds there before it asks for anything.
"""

import base64
import json
import shutil
import uuid
from collections.abc import Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import IO

import httpx

from pricing_assets.core.answers import Answer, ItemQuery
from resources.presence import try_lock
from resources.sources.base import Source, SourceError
from resources.sources.client import Reply


class Spool:
    """The answers of one run, in segments: one for each batch that is committed.

    A run's directory is locked while its process lives, so that another run can tell a
    spool that was left behind from one that is in use.

    Args:
        directory: Where the spools of all runs live.
        run_id: Whose spool this is.
    """

    def __init__(self, directory: Path, run_id: str) -> None:
        self._directory = directory
        # A name of its own: a step that is tried again in the same process must not write over
        # the segments that its first try left behind.
        self._own = directory / f"{run_id}.{uuid.uuid4().hex[:12]}"
        # Locked before it can be seen, so that no other run takes it for a dead one's.
        unseen = directory / f".{self._own.name}"
        unseen.mkdir(parents=True)
        self._lock = try_lock(unseen / "lock")
        unseen.rename(self._own)
        self._number = 0
        self._file: IO[str] | None = None

    def append(self, reply: Reply) -> None:
        """Write one answer so that it survives the death of this process."""
        if self._file is None:
            self._number += 1
            self._file = (self._own / f"{self._number:08d}.jsonl").open("w", encoding="utf-8")
        self._file.write(json.dumps(_record(reply)) + "\n")
        self._file.flush()

    def close_segment(self) -> Path | None:
        """End the current segment and return its file, to be deleted once it is committed."""
        if self._file is None:
            return None
        path = Path(self._file.name)
        self._file.close()
        self._file = None
        return path

    def close(self) -> None:
        """Give up the lock; remove the directory when everything in it was committed."""
        self.close_segment()
        if not any(self._own.glob("*.jsonl")):
            shutil.rmtree(self._own, ignore_errors=True)
        if self._lock is not None:
            self._lock.close()

    def leftovers(self) -> Iterator[tuple[str, list[Path]]]:
        """Yield what dead runs left behind: the run's id and its segments, in order.

        The directory is removed when the caller comes back for the next one.
        """
        for directory in sorted(self._directory.iterdir()):
            if directory == self._own or directory.name.startswith(".") or not directory.is_dir():
                continue
            lock = try_lock(directory / "lock")
            if lock is None:
                continue
            with lock:
                yield directory.name.rpartition(".")[0], sorted(directory.glob("*.jsonl"))
                shutil.rmtree(directory)


def read_segment(path: Path, sources: Mapping[str, Source], prefix: str) -> Iterator[Reply]:
    """Yield the answers of a segment, read again from their bodies.

    A last line that was cut off by the death of its writer is not an answer, and a source
    that is no longer registered has nothing to file.

    Args:
        sources: The registered sources by name.
        prefix: Prefix of stored source names in this profile.
    """
    with path.open(encoding="utf-8") as file:
        for text in file:
            try:
                record = json.loads(text)
            except json.JSONDecodeError:
                return
            source = sources.get(record["source"].removeprefix(prefix))
            if source is None or prefix + source.name != record["source"]:
                continue
            yield _reply(record, source)


def _record(reply: Reply) -> dict[str, object]:
    return {
        "source": reply.source,
        "query": {name: getattr(reply.query, name) for name in ItemQuery.__slots__},
        "requested_at": reply.requested_at.isoformat(),
        "status": reply.status,
        "latency_ms": reply.latency_ms,
        "body": base64.b64encode(reply.body).decode(),
        "content_type": reply.content_type,
        "sha256": reply.sha256,
        "attempts": reply.attempts,
        "error": reply.error,
        "result": reply.result,
        "cost_usd": str(reply.cost_usd),
    }


def _reply(record: dict[str, object], source: Source) -> Reply:
    values = dict(record)
    query = ItemQuery(**values.pop("query"))  # type: ignore[arg-type]
    body = base64.b64decode(str(values.pop("body")))
    content_type = values["content_type"]
    answer = None
    if values["result"] != "error" and values["status"] is None:
        answer = Answer("not_found")  # the source does not cover the item and was not asked
    elif values["result"] != "error":
        response = httpx.Response(
            int(str(values["status"])),
            content=body,
            headers={"Content-Type": str(content_type)} if content_type else {},
        )
        try:
            answer = source.parse(query, response)
        except SourceError as error:
            values |= {"result": "error", "error": str(error)}
    return Reply(
        **{  # type: ignore[arg-type]
            **values,
            "query": query,
            "body": body,
            "answer": answer,
            "requested_at": datetime.fromisoformat(str(values["requested_at"])),
            "cost_usd": Decimal(str(values["cost_usd"])),
        }
    )
