"""Pure rules of the domain: no Dagster, no network, no database handle."""
