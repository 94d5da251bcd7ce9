"""What every call leaves behind, whatever it was about: the body as evidence, and its row."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

import pyarrow as pa
import zstandard

from pricing_assets.schema import tables as t
from resources.database import Bulk
from resources.sources.client import Reply

_MOMENT = pa.timestamp("us", tz="UTC")


@dataclass(frozen=True, slots=True)
class SourceFacts:
    """What the store needs to know of a source to file its answers."""

    kind: str
    freshness: timedelta
    store_payloads: bool = True


def keep_evidence(
    bulk: Bulk,
    replies: Sequence[Reply],
    sources: Mapping[str, SourceFacts],
    run_id: str,
    subject: str = "item_id",
) -> None:
    """Store the bodies of replies, and a row for each call.

    Args:
        sources: Facts by stored source name.
        subject: Column that names what was asked about: `item_id` or `person_id`.
    """
    bulk.upsert(t.payloads, _payloads(replies, sources))
    bulk.upsert(t.api_calls, _api_calls(replies, run_id, subject))


def _payloads(replies: Iterable[Reply], sources: Mapping[str, SourceFacts]) -> pa.Table:
    """Return the bodies; of a source that lets us keep none, only their hash and size."""
    compressor = zstandard.ZstdCompressor()
    by_hash = {reply.sha256: reply for reply in replies if reply.sha256}
    # In one order, so that two writers of the same bodies wait instead of deadlocking.
    bodies = {digest: by_hash[digest] for digest in sorted(by_hash)}
    return pa.table(
        {
            "sha256": pa.array(list(bodies), pa.string()),
            "source": pa.array([reply.source for reply in bodies.values()], pa.string()),
            "fetched_at": pa.array([reply.requested_at for reply in bodies.values()], _MOMENT),
            "content_type": pa.array([r.content_type for r in bodies.values()], pa.string()),
            "size_bytes": pa.array([len(reply.body) for reply in bodies.values()], pa.int64()),
            "body_zstd": pa.array(
                [
                    compressor.compress(reply.body) if sources[reply.source].store_payloads else b""
                    for reply in bodies.values()
                ],
                pa.binary(),
            ),
            "removed_at": pa.array(
                [
                    None if sources[reply.source].store_payloads else reply.requested_at
                    for reply in bodies.values()
                ],
                _MOMENT,
            ),
        }
    )


def _api_calls(replies: Sequence[Reply], run_id: str, subject: str) -> pa.Table:
    return pa.table(
        {
            "source": [reply.source for reply in replies],
            subject: pa.array([reply.query.item_id or None for reply in replies], pa.string()),
            "run_id": [run_id] * len(replies),
            "requested_at": pa.array([reply.requested_at for reply in replies], _MOMENT),
            "result": [reply.result for reply in replies],
            "status": pa.array([reply.status for reply in replies], pa.int64()),
            "attempts": pa.array([reply.attempts for reply in replies], pa.int64()),
            "latency_ms": pa.array([reply.latency_ms for reply in replies], pa.float64()),
            "size_bytes": pa.array([len(reply.body) for reply in replies], pa.int64()),
            "cost_usd": pa.array([reply.cost_usd for reply in replies], pa.decimal128(12, 6)),
            "error": pa.array([_error(reply) for reply in replies], pa.string()),
            "payload_sha256": pa.array([reply.sha256 for reply in replies], pa.string()),
            "listings": pa.array(
                [len(reply.answer.listings) if reply.answer else None for reply in replies],
                pa.int64(),
            ),
        }
    )


def _error(reply: Reply) -> str | None:
    if reply.error:
        return reply.error
    problems = reply.answer.problems if reply.answer else ()
    return "; ".join(problems[:5]) or None
