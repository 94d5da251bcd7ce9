"""When a source that returns little has stopped working, rather than the market.

A vendor that changes its format or its search answers 200 with nothing in it. That is no
news of the market: it is reported, and no listing is taken for gone because of it.
"""

from collections.abc import Sequence
from statistics import median

MIN_CALLS = 20
"""Answered calls from which a run or a day tells how much a source returns."""

MIN_DAYS = 3
"""Days of history from which there is a usual amount."""

HISTORY_DAYS = 90
"""How far back the history goes: a market changes in a year, and so does what is asked."""

FAR_FEWER = 0.3
"""Share of the usual number of results a call below which a source is reported. Which items
are asked varies from run to run by a factor of two; of three hardly ever."""

MIN_VANISHED = 10
"""Items whose asks or bids all vanish in one batch, from which that is looked at as one event."""

VANISHED_SHARE = 0.9
"""Share of the items with open asks or bids of which all vanish, from which none is withdrawn."""


def usual_per_call(days: Sequence[tuple[int, int]]) -> float | None:
    """Return the median over days of the results a call; None where too little is known.

    Args:
        days: Answered calls and results of each day.
    """
    ratios = [results / calls for calls, results in days if calls >= MIN_CALLS]
    return median(ratios) if len(ratios) >= MIN_DAYS else None


def is_far_fewer(calls: int, results: int, usual: float | None) -> bool:
    """Tell whether a run's results are far fewer than usual; false where nothing is usual."""
    if usual is None or calls < MIN_CALLS:
        return False
    return results / calls < FAR_FEWER * usual


def tells_nothing(items: int, vanished: int) -> bool:
    """Tell whether a source returned nothing for nearly everything that it had shown before.

    Args:
        items: Items of a batch of answers that had open asks or bids of the source.
        vanished: Those of them for which it shows none any more.
    """
    return vanished >= MIN_VANISHED and vanished >= VANISHED_SHARE * items


def tells_far_fewer(items: int, before: int, now: int) -> bool:
    """Tell whether a source shows only a fraction of what it had shown before, as a cut page does.

    Args:
        items: Items of a batch of answers that had open asks or bids of the source.
        before: Those asks and bids.
        now: Asks and bids that the answers about these items show.
    """
    return items >= MIN_VANISHED and now < FAR_FEWER * before
