"""Everything that touches the outside: database, HTTP sources, files, DuckDB.

May import `pricing_assets.core`; imports nothing else of the project.
"""
