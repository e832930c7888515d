"""Files that the treasury gives out: each a function of the ledger's journal."""
