"""The one place that says what time it is."""

import os
from datetime import UTC, datetime

from pricing_assets.core.periods import moment
from resources.settings import SettingsError


class Clock:
    """A clock in UTC that can be set, so that tests and simulations own the time.

    Args:
        fixed: The moment to stand still at; None follows the system's clock.
    """

    def __init__(self, fixed: datetime | None = None) -> None:
        if fixed is not None and fixed.tzinfo is None:
            raise ValueError("a clock needs a time with a zone, such as 2026-10-31T12:00:00+00:00")
        self._fixed = fixed

    @classmethod
    def from_env(cls) -> "Clock":
        """Stand at `PRICING_NOW` (ISO-8601 with an offset) when it is set.

        Raises:
            SettingsError: It is no such moment.
        """
        text = os.environ.get("PRICING_NOW")
        try:
            return cls(moment(text) if text else None)
        except ValueError as error:
            raise SettingsError(f"PRICING_NOW: {error}.") from None

    @property
    def fixed(self) -> datetime | None:
        """The moment it stands at, or None when it runs."""
        return self._fixed

    def now(self) -> datetime:
        """Return the current moment, timezone-aware, in UTC."""
        return (self._fixed or datetime.now(UTC)).astimezone(UTC)
