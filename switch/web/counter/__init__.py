"""`payswitch counter`: the page that an operator keeps open all day, on loopback.

A thin client that knows no rule of the ledger: what there is, what is due and what
became of it all comes from the switch's calls. What it owns is one thing: a payment has
its id, and is on this disk with its content, before it is sent for the first time.
"""
