"""Alembic migrations: the way from any earlier schema to this one."""
