from tests.examples import database, hypertable

__all__ = ("database", "hypertable")
