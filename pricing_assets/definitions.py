"""What Dagster loads: the platform as the environment configures it."""

from pricing_assets.build import build_defs

defs = build_defs()
