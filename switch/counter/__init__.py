"""What a counter hands out: receipts and shifts.

May use `register`, `ledger`, the core and the words.
"""
