"""What the licences of its sources leave of a training set."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from pricing_assets.core.licences import SIMULATED, Terms
from pricing_assets.schema import tables as t
from pricing_assets.store.licences import terms_of_sources
from resources.database import Database
from resources.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class Licensed:
    """The sources that a build may have, by name, and why it may not have the others.

    Outside the sandbox its simulated sources are in neither.
    """

    sandbox: bool
    terms: Mapping[str, Terms]
    barred: Mapping[str, str]

    @property
    def sources(self) -> list[str]:
        """The sources that it may have, by name."""
        return sorted(self.terms)

    def agreements(self) -> list[dict[str, Any]]:
        """Return the declared agreements of the sources that it may have."""
        return [
            {"source": name, "reference": terms.agreement, "date": f"{terms.agreed_at:%Y-%m-%d}"}
            for name, terms in sorted(self.terms.items())
            if terms.agreement is not None and terms.agreed_at is not None
        ]

    def agreements_sha256(self) -> str:
        """Return what tells whether an agreement was declared or changed, as 64 hex digits."""
        return hashlib.sha256(json.dumps(self.agreements()).encode()).hexdigest()


def licensed(database: Database, *, sandbox: bool, internal: bool) -> Licensed:
    """Judge every source by its licence and the agreement that was declared.

    Args:
        sandbox: Whether simulated sources may enter.
        internal: Whether the set stays in the house.
    """
    terms = {
        name: source
        for name, source in terms_of_sources(database).items()
        if sandbox or not name.startswith(SIMULATED)
    }
    bars = {name: source.bars_from_training(internal=internal) for name, source in terms.items()}
    barred = {name: bar for name, bar in bars.items() if bar}
    return Licensed(sandbox, {name: terms[name] for name in terms if name not in barred}, barred)


def left_out(
    observations: Mapping[str, int], snapshot: Snapshot, at: datetime, by: Licensed
) -> list[dict[str, Any]]:
    """Return what the licences left out, by source: what, how many rows, and why.

    Args:
        observations: How many of each source were usable at that moment.
    """
    versions = t.metadata_versions
    counted = (
        ("observations", observations.items()),
        (
            "metadata",
            snapshot.rows(
                sa.select(versions.c.source, sa.func.count())
                .where(versions.c.observed_at <= at)
                .group_by(versions.c.source)
            ),
        ),
    )
    return [
        {"source": source, "what": what, "rows": rows, "reason": by.barred[source]}
        for what, found in counted
        for source, rows in sorted(tuple(row) for row in found)
        if source in by.barred
    ]


def why_nothing(at: datetime, by: Licensed, left: Sequence[Mapping[str, Any]]) -> str:
    """Return why there is nothing to build, and what to do."""
    barred = [line for line in left if line["what"] == "observations"]
    if not barred:
        return (
            f"nothing had been observed by {at.isoformat(timespec='seconds')}"
            + ("" if by.sandbox else " outside the sandbox")
            + ": scan something and run the assets first (pricing scan CODE, pricing run)"
        )
    named = "; ".join(f"{b['rows']:,} of {b['source']}: {b['reason']}" for b in barred)
    return (
        f"all observations are left out by their licence: {named}. Declare an agreement "
        "(pricing sources agree NAME --reference TEXT), or build with --internal"
    )
