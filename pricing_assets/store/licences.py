"""The licences of the stored sources, with the agreements that were declared."""

import sqlalchemy as sa

from pricing_assets.core.licences import Terms
from pricing_assets.schema import tables as t
from resources.database import Database


def terms_of_sources(database: Database) -> dict[str, Terms]:
    """Return the terms of every stored source, active or not, by name."""
    sources = t.data_sources
    rows = database.rows(
        sa.select(
            sources.c.name, sources.c.licence, sources.c.agreement, sources.c.agreed_at
        ).order_by(sources.c.name)
    )
    return {row.name: Terms.of(row.name, row.licence, row.agreement, row.agreed_at) for row in rows}
