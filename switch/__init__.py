"""A payment switch: prefunded wallets, department billers, one durable ledger."""
