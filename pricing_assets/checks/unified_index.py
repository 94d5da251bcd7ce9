"""The unified index as a blocking check: no paid call without a decision and its reason."""

import logging
from collections.abc import Sequence

import dagster as dg

from pricing_assets.assets.presentation import bars, markdown_table, weekly
from pricing_assets.assets.raw_scans import raw_scans
from pricing_assets.core.freshness import ASK_REASONS, SKIP_REASONS
from pricing_assets.core.wording import number_of
from pricing_assets.store.decisions import ReasonCount, counts_by_reason, decide
from pricing_assets.store.queue import lease_holders, release_dead_leases
from pricing_assets.store.savings import dearest, saved_by_week
from pricing_assets.store.sessions import close_sessions, running_sessions
from pricing_assets.store.unified_index import disagreements
from resources.clock import Clock
from resources.database import Database
from resources.presence import dead_runs, is_dead
from resources.settings import Settings

_log = logging.getLogger(__name__)


@dg.asset_check(
    asset=raw_scans,
    blocking=True,
    description="Decides for every pending scan which sources are worth asking, and writes "
    "each decision with its reason. Fails, and stops the paid steps, when the index "
    "disagrees with what is stored.",
)
def unified_index(
    context: dg.AssetCheckExecutionContext,
    database: dg.ResourceParam[Database],
    clock: dg.ResourceParam[Clock],
    settings: dg.ResourceParam[Settings],
) -> dg.AssetCheckResult:
    """Decide what to ask; fail where index and store disagree."""
    if freed := release_dead_leases(database, settings.runs):
        leases = number_of(
            freed, "lease of a run that is gone was", "leases of runs that are gone were"
        )
        _log.info("%s given up", leases)
    _close_dead_sessions(context.instance, database, settings, clock)
    ended = lease_holders(database, ended_by=clock.now())
    wrong = disagreements(database, dead=dead_runs(context.instance, ended))
    if wrong:
        return dg.AssetCheckResult(
            passed=False,
            severity=dg.AssetCheckSeverity.ERROR,
            description="The index disagrees with the store: "
            + "; ".join(f"{count:,} {name}" for name, count in wrong.items())
            + ". Nothing was asked. Rebuild the index with 'pricing index repair', and run again.",
            metadata=dict(wrong),
        )
    decided = decide(database, now=clock.now(), run_id=context.run.run_id)
    counts = counts_by_reason(database, context.run.run_id)
    return dg.AssetCheckResult(
        passed=True,
        description=_sentence(decided.scans, counts),
        metadata={
            "scans_decided": decided.scans,
            "calls_to_make": _calls(counts, "ask"),
            "calls_saved": _calls(counts, "skip"),
            "saved_usd": round(_usd(counts, "skip"), 4),
            **_by_reason(counts),
            "by_reason": markdown_table(
                ("action", "source", "reason", "meaning", "calls", "USD"),
                [
                    (
                        c.action,
                        c.source,
                        c.reason,
                        _MEANING[c.reason],
                        f"{c.calls:,}",
                        f"{c.usd:.2f}",
                    )
                    for c in counts
                ],
            ),
            "dearest": dearest_table(database, context.run.run_id),
            "decisions_by_reason": _bars(counts),
            "saved_by_week": weekly(
                "Calls saved by week, and what they would have cost",
                saved_by_week(database, now=clock.now()),
            ),
        },
    )


def _close_dead_sessions(
    instance: dg.DagsterInstance, database: Database, settings: Settings, clock: Clock
) -> None:
    asking = [session["run_id"] for session in running_sessions(database)]
    dead = {run_id for run_id in asking if is_dead(settings.runs, run_id)}
    dead.update(dead_runs(instance, asking))
    if closed := close_sessions(database, dead, now=clock.now()):
        sessions = number_of(
            closed, "session of a run that is gone was", "sessions of runs that are gone were"
        )
        _log.info("%s closed as failed", sessions)


_MEANING = {**ASK_REASONS, **SKIP_REASONS}


def dearest_table(database: Database, run_id: str) -> dg.MarkdownMetadataValue:
    """Return the decisions of a run that cost or save most."""
    return markdown_table(
        ("item", "title", "calls to make", "USD", "calls saved", "USD saved", "reasons"),
        [
            (d.natural_key, d.title, d.calls_to_make, d.cost_usd, d.calls_saved, d.saved_usd, d.why)
            for d in dearest(database, run_id)
        ],
    )


def _sentence(scans: int, counts: Sequence[ReasonCount]) -> str:
    asked, skipped = _calls(counts, "ask"), _calls(counts, "skip")
    return (
        f"{number_of(scans, 'scan')} decided: {number_of(asked, 'call')} to make, "
        f"{skipped:,} not made."
    )


def _calls(counts: Sequence[ReasonCount], action: str) -> int:
    return sum(count.calls for count in counts if count.action == action)


def _usd(counts: Sequence[ReasonCount], action: str) -> float:
    return sum(float(count.usd) for count in counts if count.action == action)


def _by_reason(counts: Sequence[ReasonCount]) -> dict[str, int]:
    """Return a number for every reason, zeros included: Dagster plots each over the runs."""
    calls = dict.fromkeys(
        [f"ask_{reason}" for reason in ASK_REASONS] + [f"skip_{reason}" for reason in SKIP_REASONS],
        0,
    )
    for count in counts:
        calls[f"{count.action}_{count.reason}"] += count.calls
    return calls


def _bars(counts: Sequence[ReasonCount]) -> dg.MarkdownMetadataValue:
    calls = {name: number for name, number in _by_reason(counts).items() if number}
    if not calls:
        return dg.MetadataValue.md("*no scan was pending*")
    named = [(name.replace("_", ": ", 1).replace("_", " "), n) for name, n in calls.items()]
    return bars("Calls by decision", "calls", named)
