"""Where state lives and which world the platform talks to, read from the environment.

One place for every `PRICING_*` variable, and for the `.env` files that stand in for it. What
is a secret to a source is not kept here: it belongs to the source clients, which keep it out
of every repr and log.
"""

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from dotenv import dotenv_values

Profile = Literal["sandbox", "live"]

DEFAULT_USER = "default"


class SettingsError(ValueError):
    """An environment variable has a value that cannot be used."""


def environment() -> Mapping[str, str]:
    """Return the variables by which the platform is set up.

    Those of the process win over `.env` in the working directory, and that over `.env` in
    `PRICING_HOME`. `PYTHON_DOTENV_DISABLED=1` leaves both files alone.

    Raises:
        SettingsError: A file cannot be read.
    """
    if os.environ.get("PYTHON_DOTENV_DISABLED", "").casefold() in ("1", "true", "t", "yes", "y"):
        return os.environ
    here = _variables(Path(".env"))
    home = Path(os.environ.get("PRICING_HOME") or here.get("PRICING_HOME") or "data")
    return {**_variables(home.expanduser() / ".env"), **here, **os.environ}


def _variables(path: Path) -> dict[str, str]:
    if not path.is_file():
        return {}
    try:
        # As it is written: a "$" in a secret is no reference to another variable.
        values = dotenv_values(path, interpolate=False)
    except (OSError, UnicodeDecodeError) as error:
        # The error's own text may quote the file.
        raise SettingsError(f"{path} cannot be read ({type(error).__name__}).") from None
    return {name: value for name, value in values.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Settings:
    """The platform's settings.

    Attributes:
        home: Directory of all operational state (`PRICING_HOME`, default `./data`).
        database_url: SQLAlchemy URL of the central database (`PRICING_DATABASE_URL`,
            default `pricing.db` under `home`).
        profile: `sandbox` (simulated vendors) or `live` (`PRICING_PROFILE`).
        sandbox_url: Origin of a running sandbox (`PRICING_SANDBOX_URL`); None starts
            one when it is needed.
        catalogue: Catalogue file that a sandbox started by us serves
            (`PRICING_CATALOGUE`); None means the bundled one.
        inbox_settle_seconds: A file in the inbox is read once it has not changed for
            this long (`PRICING_INBOX_SETTLE_SECONDS`).
    """

    home: Path
    database_url: str = field(repr=False)  # it may hold a password
    profile: Profile
    sandbox_url: str | None = None
    catalogue: Path | None = None
    inbox_settle_seconds: float = 5.0

    @classmethod
    def from_env(cls) -> "Settings":
        """Read the settings from the environment.

        Raises:
            SettingsError: A variable has an impossible value; the message names it.
        """
        environ = environment()
        home = Path(environ.get("PRICING_HOME") or "data").expanduser().resolve()
        profile = environ.get("PRICING_PROFILE") or "sandbox"
        if profile not in ("sandbox", "live"):
            raise SettingsError(f"PRICING_PROFILE is {profile!r}; use 'sandbox' or 'live'.")
        settle = environ.get("PRICING_INBOX_SETTLE_SECONDS") or "5"
        try:
            settle_seconds = float(settle)
        except ValueError:
            settle_seconds = math.nan
        if not 0 <= settle_seconds < math.inf:
            raise SettingsError(
                f"PRICING_INBOX_SETTLE_SECONDS is {settle!r}; use a number of seconds."
            )
        catalogue = environ.get("PRICING_CATALOGUE")
        return cls(
            home=home,
            database_url=environ.get("PRICING_DATABASE_URL") or f"sqlite:///{home}/pricing.db",
            profile="live" if profile == "live" else "sandbox",
            sandbox_url=environ.get("PRICING_SANDBOX_URL") or None,
            catalogue=Path(catalogue).expanduser().resolve() if catalogue else None,
            inbox_settle_seconds=settle_seconds,
        )

    @property
    def inbox(self) -> Path:
        """Directory that is watched for files of scans."""
        return self.home / "inbox"

    @property
    def training_sets(self) -> Path:
        """Directory that holds one folder per month's build."""
        return self.home / "training_sets"

    @property
    def runs(self) -> Path:
        """Directory of the lock files by which runs are present on this machine."""
        return self.home / "runs"

    @property
    def spool(self) -> Path:
        """Directory of answers that wait for their commit."""
        return self.home / "spool"

    @property
    def limits(self) -> Path:
        """Directory of what all processes have sent to each source, and of its circuit."""
        return self.home / "limits"

    @property
    def source_prefix(self) -> str:
        """Prefix of every stored source name: `sandbox:` marks what was simulated."""
        return "sandbox:" if self.profile == "sandbox" else ""
