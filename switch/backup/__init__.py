"""Copies of a ledger: made beside a running server, and proved.

May use the walk over pages (`ledger.look`), the words and the console; runs the auditor
in a process of its own.
"""
