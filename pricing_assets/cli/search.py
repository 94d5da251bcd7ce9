"""`pricing search`: what cards like this sold for, or are offered for, now."""

import asyncio
import json
import uuid
from collections.abc import Mapping
from datetime import datetime

import click

from pricing_assets.cli.errors import Refusal
from pricing_assets.core.searches import FoundListing
from pricing_assets.store.budgets import budgets
from pricing_assets.store.evidence import SourceFacts
from pricing_assets.store.licences import terms_of_sources
from pricing_assets.store.opening import open_database
from pricing_assets.store.searches import SearchResult, file_search, search_query, stored_result
from pricing_assets.store.sources import freshness
from resources.clock import Clock
from resources.database import Database
from resources.settings import DEFAULT_USER, Settings
from resources.source_access import SourceAccess
from resources.sources.base import Source
from resources.sources.client import Reply

KINDS = {"sold": "sold", "asks": "ask"}


@click.command()
@click.argument("words", nargs=-1, required=True)
@click.option(
    "--type",
    "kind",
    type=click.Choice(list(KINDS)),
    default="sold",
    show_default=True,
    help="Sales that happened, or what is on offer.",
)
@click.option("--refresh", is_flag=True, help="Ask the source though a stored answer is fresh.")
@click.option("--user", default=DEFAULT_USER, show_default=True, help="Whose search it is.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def search(words: tuple[str, ...], kind: str, user: str, *, refresh: bool, as_json: bool) -> None:
    """Search listings of cards by WORDS: year, set, number, name, parallel.

    A stored answer is served while it is fresh, 30 minutes for sales and 5 for offers. Listings
    whose title names a card are kept as observations of it; `pricing run` values it anew.

    \b
    Examples:
      pricing search "2023 Bowman Chrome #BCP-50 Ethan Salas Refractor /499"
      pricing search 1986 Fleer 57 Michael Jordan --type asks --refresh
    """
    text, settings, clock = " ".join(words), Settings.from_env(), Clock.from_env()
    run_id = f"search-{uuid.uuid4().hex}"
    with open_database(settings) as database, SourceAccess(settings, clock) as access:
        sources = _sources(database, access, KINDS[kind])
        result = None
        if not refresh:
            result = stored_result(
                database,
                text,
                KINDS[kind],
                sources,
                user_id=user,
                run_id=run_id,
                now=clock.now(),
            )
        if result is None:
            result = _ask(database, access, sources, text, user, run_id, clock)
    if as_json:
        click.echo(json.dumps(_document(result), indent=2))
    else:
        _show(result)


def _sources(database: Database, access: SourceAccess, kind: str) -> Mapping[str, Source]:
    """Return the active sources of a kind that may be asked by words, by stored name."""
    active = {name: access.source(name) for name in sorted(freshness(database))}
    found = {name: s for name, s in active.items() if s.kind == kind and s.by_words}
    if not found:
        raise Refusal(f"no active source can be searched for {kind}: pricing sources list")
    return found


def _ask(
    database: Database,
    access: SourceAccess,
    sources: Mapping[str, Source],
    text: str,
    user: str,
    run_id: str,
    clock: Clock,
) -> SearchResult:
    now, name = clock.now(), next(iter(sources))
    left = budgets(database, now=now)
    if name in left and left[name].calls < 1:
        raise Refusal(
            f"the day's budget of {name} is used up; it is renewed at "
            f"{left[name].renewed_at:%Y-%m-%d %H:%M} UTC: pricing sources set"
        )
    source = sources[name]
    reply = asyncio.run(_reply(access, source, text))
    terms = terms_of_sources(database)[name]
    facts = SourceFacts(source.kind, source.freshness, terms.store_payloads)
    result = file_search(database, reply, facts, user_id=user, run_id=run_id, now=now)
    if result is None:
        raise Refusal(f"{reply.error}. Nothing was stored but the attempt.")
    return result


async def _reply(access: SourceAccess, source: Source, text: str) -> Reply:
    async with access.client() as client:
        return await client.ask(source, search_query(text))


def _show(result: SearchResult) -> None:
    for found in result.listings:
        listing = found.listing
        when = f"{listing.sold_at:%Y-%m-%d}" if listing.sold_at else listing.listing_type or ""
        click.echo(
            f"{listing.price:>10,.2f} {listing.currency}  {when:<12} {listing.title[:84]:<84} "
            f"{_card(found)}"
        )
    origin = "stored answer, no call made" if result.cache_hit else "asked now"
    fresh = f"; fresh until {_clock(result.expires_at)}" if result.expires_at else ""
    cards = len({found.natural_key for found in result.listings} - {None})
    click.echo(
        f"{len(result.listings):,} listings of {cards:,} cards from {result.source}, "
        f"{_clock(result.answered_at)} UTC ({origin}{fresh}); {result.stored:,} new observations"
    )


def _card(found: FoundListing) -> str:
    return "(names no card)" if found.natural_key is None else found.natural_key


def _clock(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M}"


def _document(result: SearchResult) -> dict[str, object]:
    return {
        "source": result.source,
        "answered_at": result.answered_at.isoformat(),
        "expires_at": result.expires_at.isoformat() if result.expires_at else None,
        "cache_hit": result.cache_hit,
        "new_observations": result.stored,
        "listings": [
            {
                "listing_id": found.listing.source_listing_id,
                "kind": found.listing.kind,
                "title": found.listing.title,
                "price": str(found.listing.price),
                "currency": found.listing.currency,
                "sold_at": found.listing.sold_at.isoformat() if found.listing.sold_at else None,
                "card": found.natural_key,
                "confidence": found.confidence,
            }
            for found in result.listings
        ],
    }
