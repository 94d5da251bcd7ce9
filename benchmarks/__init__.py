"""Benchmarks of the bulk paths, each beside the plain way of doing the same.

`python -m benchmarks` measures them all and writes `results.json`. A case runs in a process
of its own (`running`) over synthetic rows (`synthetic`); what it and its baseline did is
compared, so that only equal work is compared in time. Nothing of the platform imports this.
"""
