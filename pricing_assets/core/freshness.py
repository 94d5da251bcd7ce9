"""When asking a source again is worth it: the rules of the unified index.

The statement that applies them to all pending scans at once is in
`pricing_assets.store.decisions`. How long the answer of one source stays good is in
`data_sources`, from what the source declares.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta

from pricing_assets.core.answers import FetchResult

LOW_QUALITY = 0.5
"""Completeness below which an item's metadata is asked for again. 0.0 counts."""

RETRY_AFTER = (timedelta(days=1), timedelta(days=3), timedelta(days=7), timedelta(days=30))
"""Waiting times after the first, second, third and every later fetch in a row that left
nothing usable. They grow, so that a source that knows nothing of an item is not paid at
every scan to say so."""

ITEM_FRESHNESS = timedelta(days=30)
"""How long an item as a whole stays good: one that nothing was learnt of for longer, and that no
scan asks for, is renewed by the refresh. A question that failed need not wait for it."""

LEASE = timedelta(minutes=10)
"""How long a run that asks may be silent before another may ask the same. It renews its leases
all the while, so this only counts from its death."""

DEFERRAL = timedelta(minutes=5)
"""After how long to decide anew for a scan whose question could not be put: another run was
asking it, or its source took no questions."""

REFRESH_LAPSES = timedelta(days=7)
"""After how long a call that a refresh planned and nobody made is forgotten: the next refresh
plans it anew."""

ASK_REASONS: Mapping[str, str] = {
    "new": "never asked",
    "stale": "the last answer is older than the source's freshness",
    "low_quality": f"metadata is less than {LOW_QUALITY:.0%} complete",
}
"""Why a source is asked."""

SKIP_REASONS: Mapping[str, str] = {
    "fresh": "the last answer is still fresh",
    "duplicate": "the same item is asked for by an earlier pending scan",
    "backoff": "the source had nothing, and its waiting time is not over",
    "leased": "another run is asking this right now",
    "budget": "the source's budget for the day is spent",
}
"""Why a source is not asked."""

PUT_OFF: frozenset[str] = frozenset({"leased", "budget"})
"""Reasons that save nothing: the scan stays pending, and is decided anew later."""


def is_usable(result: FetchResult, completeness: float | None) -> bool:
    """Tell whether a fetch left what was asked for.

    Args:
        result: What the source answered.
        completeness: Of the item's metadata after the fetch, 0.0 to 1.0; None where the
            source gives no metadata.
    """
    return result == "found" and (completeness is None or completeness >= LOW_QUALITY)


def misses_after(result: FetchResult, completeness: float | None, misses_before: int) -> int:
    """Count the fetches in a row that left nothing usable, this one included."""
    return 0 if is_usable(result, completeness) else misses_before + 1


def next_due(fetched_at: datetime, freshness: timedelta, misses: int) -> datetime:
    """Return the moment from which asking again is worth it.

    After a usable answer that is when it stops being fresh; after misses the waiting time
    of `RETRY_AFTER`, never longer than the freshness.
    """
    if misses == 0:
        return fetched_at + freshness
    wait = RETRY_AFTER[min(misses, len(RETRY_AFTER)) - 1]
    return fetched_at + min(wait, freshness)
