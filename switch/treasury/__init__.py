"""Files that are made of the ledger: scrolls, memoranda, statements, instructions.

May use the core, `ledger`, `register` and words. Each file is a function of the rows
up to those that its name speaks of, and of nothing else: no clock, no setting, no name
that the register has got since. So it is the same whenever and wherever it is made
again.
"""
