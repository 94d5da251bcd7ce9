"""Set-based statements over the tables, one file a stage: the only readers and writers.

Assets, checks and the command line call these; nothing here knows Dagster.
"""
