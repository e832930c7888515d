"""Journeys: people of four kinds with the product as it is delivered.

`make journeys` begins a ledger as `make run` does, types the commands of the documents
at a terminal, one after the other, and walks the pages in Chromium on a slow line.
"""
