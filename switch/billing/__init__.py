"""What billers are asked and what they say. Knows no network.

May use `register`, `ledger`, the core, the words, and the messages of `v1`.
"""
