"""`payswitch public`: is this receipt real, and what has the network taken?

A page for citizens, of an identity of its own that may ask for nothing else. It has no
form that changes anything, sets no cookie, runs no script, and keeps nothing of who
asks.
"""
