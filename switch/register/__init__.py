"""Who takes part, and what each may do. May use `ledger`, the core and the words."""
