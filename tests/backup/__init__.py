"""Tests of copies of a ledger."""
