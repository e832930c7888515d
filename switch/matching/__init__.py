"""Matching: the ledger's scrolls against billers' lists and the bank, by files alone.

Uses the words only. Files in, files out; no switch and no clock, so that the same files
give the same breaks wherever they are matched. docs/matching.md says what each is.
"""
