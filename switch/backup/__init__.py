"""Copies of a ledger: made beside a running server, and proved.

May use the ledger's walk over pages (`ledger.look`) and `ledger.shapes`, the words and
the console; runs the auditor in a process of its own.
"""
