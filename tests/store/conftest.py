from tests.examples import database

__all__ = ("database",)
