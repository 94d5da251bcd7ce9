"""The central database's tables, views and migrations."""
