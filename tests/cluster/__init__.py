"""Tests of a ledger that is led through a log: see the head of each file."""
