"""Tests of the sandbox: over a socket where it answers, pure where it only computes."""
