"""How a ledger and a log come together: a log begins, a node gets its copy.

A program of its own, run by `payswitch cluster init` and `seed`.
"""
