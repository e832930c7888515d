"""Totals: what the network has taken."""
