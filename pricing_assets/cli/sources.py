"""`pricing sources`: what is asked, at what price and under which licence; the switches."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any
from zoneinfo import ZoneInfo

import click
import sqlalchemy as sa

from pricing_assets.core.licences import FILES, SIMULATED, Terms
from pricing_assets.core.wording import number_of
from pricing_assets.schema import tables as t
from pricing_assets.store.budgets import Budget, budgets
from pricing_assets.store.circuits import Trouble, troubles
from pricing_assets.store.opening import open_database, register
from pricing_assets.store.source_settings import (
    UnknownSource,
    declare_agreement,
    set_columns,
    stored_name,
    switch,
)
from resources.clock import Clock
from resources.database import Database
from resources.settings import Settings
from resources.sources import registered_sources
from resources.sources.credentials import Credentials

NONE = "none"
"""The word that clears a budget."""

MAX_NUMBER = Decimal(10) ** 9


class _Number(click.ParamType[Any]):
    """A number within bounds, exact; `none` where that is a value."""

    def __init__(self, *, whole: bool = False, least: str = "0.01", clears: bool = False) -> None:
        self.name = "whole number" if whole else "number"
        self._whole, self._least, self._clears = whole, Decimal(least), clears

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Decimal | str:
        if self._clears and str(value).strip().lower() == NONE:
            return NONE
        try:
            number = Decimal(str(value).strip())
        except InvalidOperation:
            number = Decimal("NaN")
        fits = number.is_finite() and self._least <= number < MAX_NUMBER
        if not fits or (self._whole and number != int(number)):
            also = f", or {NONE!r}" if self._clears else ""
            self.fail(f"{value!r} is not a {self.name} from {self._least}{also}", param, ctx)
        return number


class _Zone(click.ParamType[str]):
    """An IANA time zone."""

    name = "zone"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            return ZoneInfo(str(value)).key
        except (LookupError, ValueError, OSError):
            # What is no name of a zone may be a path, or a directory of zones.
            self.fail(f"{value!r} is not an IANA time zone like Europe/Berlin", param, ctx)


@click.group()
def sources() -> None:
    """List the sources, switch them, and set what they may cost.

    Names are taken with or without 'sandbox:'; a bare name is that of the profile at hand.

    \b
    Examples:
      pricing sources list
      pricing sources disable ebay_browse
      pricing sources set searchapi_ebay_sold --calls-a-day 500 --usd-a-day 2.50
      pricing sources agree searchapi_ebay_sold --reference "Contract 2026-17"
    """


@sources.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON array.")
def list_sources(as_json: bool) -> None:
    """Show every source: whether it is asked, or why not, its price, limits and licence.

    \b
    Examples:
      pricing sources list
      pricing sources list --json
    """
    settings, clock = Settings.from_env(), Clock.from_env()
    with open_database(settings) as database:
        described = _described(database, settings, now=clock.now())
    if as_json:
        click.echo(json.dumps(described, indent=2))
        return
    for source in described:
        _show(source)


@sources.command()
@click.argument("name")
def enable(name: str) -> None:
    """Ask a source.

    \b
    Example:
      pricing sources enable ebay_marketplace_insights
    """
    with _chosen(name) as (database, settings, stored):
        switch(database, stored, enabled=True)
        register(database, settings)
        source = _one(database, settings, stored)
    click.echo(f"{stored} is {'asked' if source['active'] else 'on'}" + _reason(source))


@sources.command()
@click.argument("name")
def disable(name: str) -> None:
    """Ask a source no more; what it answered stays.

    \b
    Example:
      pricing sources disable ebay_browse
    """
    with _chosen(name) as (database, settings, stored):
        switch(database, stored, enabled=False)
        register(database, settings)
    click.echo(f"{stored} is not asked any more. Undo: pricing sources enable {stored}")


@sources.command("set")
@click.argument("name")
@click.option("--freshness-days", type=_Number(), help="How long an answer stays good.")
@click.option(
    "--calls-a-day",
    type=_Number(whole=True, least="1", clears=True),
    help=f"Calls in a day; {NONE!r} lifts the limit.",
)
@click.option(
    "--usd-a-day", type=_Number(clears=True), help=f"USD in a day; {NONE!r} lifts the limit."
)
@click.option("--cost", type=_Number(least="0"), help="USD that one call costs.")
@click.option("--time-zone", type=_Zone(), help="IANA zone in which the source's day begins.")
def set_source(
    name: str,
    freshness_days: Decimal | None,
    calls_a_day: Decimal | str | None,
    usd_a_day: Decimal | str | None,
    cost: Decimal | None,
    time_zone: str | None,
) -> None:
    """Set a source's freshness, budgets, cost or time zone; what is not named stays.

    \b
    Examples:
      pricing sources set open_library --freshness-days 180
      pricing sources set google_books --calls-a-day 1000 --time-zone America/Los_Angeles
      pricing sources set searchapi_ebay_sold --usd-a-day none
    """
    given = {
        "freshness_days": None if freshness_days is None else float(freshness_days),
        "daily_call_budget": int(calls_a_day) if isinstance(calls_a_day, Decimal) else calls_a_day,
        "daily_usd_budget": usd_a_day,
        "cost_per_call_usd": cost,
        "time_zone": time_zone,
    }
    values = {
        column: None if value == NONE else value
        for column, value in given.items()
        if value is not None
    }
    if not values:
        raise click.UsageError("nothing to set: name at least one of the options, see --help")
    with _chosen(name) as (database, settings, stored):
        set_columns(database, stored, values)
        source = _one(database, settings, stored)
    _show(source)


@sources.command()
@click.argument("name")
@click.option(
    "--reference", required=True, help="What a person finds the agreement by: a contract, a mail."
)
def agree(name: str, reference: str) -> None:
    """Declare that you have an agreement with the vendor that lets its content train models.

    Declared once; every training set's card repeats it with its date.

    \b
    Example:
      pricing sources agree searchapi_ebay_sold --reference "Contract 2026-17, signed 3 May"
    """
    if not reference.strip():
        raise click.BadParameter("it is empty", param_hint="--reference")
    with _chosen(name) as (database, _settings, stored):
        now = Clock.from_env().now()
        declare_agreement(database, stored, " ".join(reference.split()), now=now)
    click.echo(f"{stored}: agreement declared as of {now:%Y-%m-%d}: {' '.join(reference.split())}")


@contextmanager
def _chosen(name: str) -> Iterator[tuple[Database, Settings, str]]:
    settings = Settings.from_env()
    with open_database(settings) as database:
        try:
            stored = stored_name(database, name, settings.source_prefix)
        except UnknownSource as error:
            raise click.UsageError(f"{error} See: pricing sources list") from None
        yield database, settings, stored


def _one(database: Database, settings: Settings, stored: str) -> dict[str, Any]:
    found = _described(database, settings, now=Clock.from_env().now())
    return next(source for source in found if source["name"] == stored)


def _described(database: Database, settings: Settings, *, now: datetime) -> list[dict[str, Any]]:
    """Return every source of the profile, and every file, as it is shown."""
    left = budgets(database, now=now)
    found = troubles(database, settings.limits, settings.source_prefix)
    trouble = {one.status.source: one for one in found}
    rows = database.rows(sa.select(t.data_sources).order_by(t.data_sources.c.name))
    return [
        _description(row, settings, left, trouble.get(row.name))
        for row in rows
        if row.name.startswith(SIMULATED) == bool(settings.source_prefix)
        or row.name.startswith(FILES)
    ]


def _description(
    row: sa.Row[Any], settings: Settings, left: Mapping[str, Budget], trouble: Trouble | None
) -> dict[str, Any]:
    terms = Terms.of(row.name, row.licence, row.agreement, row.agreed_at)
    budget = left.get(row.name)
    return {
        "name": row.name,
        "kind": row.kind,
        "categories": json.loads(row.categories),
        "active": row.is_active,
        "why_not": None if row.is_active else _why_not(row, settings),
        "rate_per_second": row.rate_per_second,
        "cost_per_call_usd": float(row.cost_per_call_usd),
        "freshness_days": row.freshness_days,
        "calls_a_day": row.daily_call_budget,
        "usd_a_day": None if row.daily_usd_budget is None else float(row.daily_usd_budget),
        "time_zone": row.time_zone,
        "calls_left_today": budget.calls if budget else None,
        "allowance": row.allowance,
        "circuit": trouble.document() if trouble else None,
        "licence": terms.word(),
        "agreement": row.agreement,
        "agreed_at": row.agreed_at.isoformat() if row.agreed_at else None,
    }


def _why_not(row: sa.Row[Any], settings: Settings) -> str:
    source = registered_sources().get(row.name.removeprefix(settings.source_prefix))
    if source is None:
        return "it is read from files, or this version does not know it"
    if row.enabled is False:
        return "switched off"
    missing = source.missing_credentials(Credentials.from_env())
    if missing and settings.profile == "live":
        return f"no credentials: set {', '.join(missing)}"
    return "off by default: pricing sources enable " + source.name


def _reason(source: Mapping[str, Any]) -> str:
    return "." if source["active"] else f", but not asked: {source['why_not']}"


def _show(source: Mapping[str, Any]) -> None:
    known = f" of {', '.join(source['categories'])}" if source["categories"] else ""
    click.echo(
        f"{source['name']:<36} {source['kind']}{known}"
        + ("" if source["active"] else f"; NOT ASKED: {source['why_not']}")
    )
    limits = [
        number_of(source["calls_a_day"], "call") + " a day"
        if source["calls_a_day"] is not None
        else "",
        f"${source['usd_a_day']:,.2f} a day" if source["usd_a_day"] is not None else "",
    ]
    budget = " and ".join(filter(None, limits)) or "no limit"
    if source["calls_left_today"] is not None:
        budget += (
            f", {number_of(source['calls_left_today'], 'call')} left today ({source['time_zone']})"
        )
    if source["allowance"]:
        budget += f"; rate and calls of a day are shared by all of {source['allowance']}"
    click.echo(
        f"  ${source['cost_per_call_usd']:.4f} a call, {source['rate_per_second']:g} a second, "
        f"fresh for {number_of(source['freshness_days'], 'day')}; {budget}"
    )
    if circuit := source["circuit"]:
        again = circuit["tried_again_at"]
        click.echo(
            f"  LEFT IN PEACE: its circuit is {circuit['state']}, since it {circuit['reason']}; "
            f"it is tried again {f'at {again}' if again else 'with the next question'}"
        )
    agreement = (
        f"agreement {source['agreement']!r} of {source['agreed_at'][:10]}"
        if source["agreement"]
        else "no agreement declared"
    )
    click.echo(f"  licence: {source['licence']}; {agreement}")
