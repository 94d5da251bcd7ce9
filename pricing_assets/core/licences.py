"""What a source's licence lets us do: what may train, leave in an export, be shown and be kept.

The terms themselves are declared by each source and stored with it; here is what follows
from them. No source is named here, but for the mark of what our own sandbox simulated.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

SIMULATED = "sandbox:"
"""Prefix of the sources that the sandbox plays. Their content is made up here and is ours,
whatever the licence of the vendor that they play says: a training set may have it. That such
content never enters a set that is built outside the sandbox profile is another rule."""

FILES = "file:"
"""Prefix of the sources that are read from an operator's own files, and never asked."""

NO_AGREEMENT = "may train a model only with an agreement, and none is declared"
NO_TRAINING = "may not train a model"
NO_REDISTRIBUTION = "may not leave in an export; an internal build may have it"


@dataclass(frozen=True, slots=True)
class Terms:
    """A source's licence, with the agreement that the operator declared.

    Attributes:
        store_payloads: Whether bodies may be kept as evidence.
        payload_retention_days: How long; None is without limit.
        display_max_age_hours: How old a shown price may be; None is without limit.
        redistribute: Whether content may leave in an export.
        train: Whether it may train a model: `yes`, `with agreement` or `no`.
        agreement: Reference of the agreement; None where none was declared.
        agreed_at: When it was declared.
    """

    source: str
    store_payloads: bool
    payload_retention_days: float | None
    display_max_age_hours: float | None
    redistribute: bool
    train: str
    agreement: str | None = None
    agreed_at: datetime | None = None

    @classmethod
    def of(
        cls, source: str, licence: str, agreement: str | None, agreed_at: datetime | None
    ) -> "Terms":
        """Return the terms of a stored source; `licence` is its JSON text."""
        terms: Mapping[str, Any] = json.loads(licence)
        return cls(
            source,
            store_payloads=terms["store_payloads"],
            payload_retention_days=terms["payload_retention_days"],
            display_max_age_hours=terms["display_max_age_hours"],
            redistribute=terms["redistribute"],
            train=terms["train"],
            agreement=agreement,
            agreed_at=agreed_at,
        )

    def word(self) -> str:
        """Return the licence in a word or two, for a table."""
        train = {"yes": "trains", "no": "never trains"}.get(self.train, f"trains {self.train}")
        return train + (", may leave" if self.redistribute else ", internal")

    def bars_from_training(self, *, internal: bool) -> str | None:
        """Return why a training set may not have this source's content; None where it may.

        Args:
            internal: Whether the set stays in the house: then it is no export.
        """
        if self.source.startswith(SIMULATED):
            return None
        if self.train == "no":
            return NO_TRAINING
        if self.train != "yes" and self.agreement is None:
            return NO_AGREEMENT
        if not self.redistribute and not internal:
            return NO_REDISTRIBUTION
        return None

    def may_show(self, fetched_at: datetime, now: datetime) -> bool:
        """Tell whether a price that was fetched then may still be shown."""
        if self.display_max_age_hours is None:
            return True
        return now - fetched_at <= timedelta(hours=self.display_max_age_hours)
