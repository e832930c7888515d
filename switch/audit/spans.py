"""Spans: accepted money rows between which no row without money stands.

Columns are taken once, in memory order, and shared by all that looks at a span.
"""

import numpy as np

from switch.audit.layout import U64, Index, Mask, Rows, pick
from switch.audit.parts import Parts
from switch.codes import Kind


class Span:
    """The accepted money rows of a span, their columns in memory order."""

    def __init__(self, rows: Rows, parts: Parts) -> None:
        """Take the columns that every span needs."""
        self.rows = rows
        self.parts = parts
        self.sequence: U64 = np.ascontiguousarray(rows["sequence"])
        self.time: U64 = np.ascontiguousarray(rows["timestamp"])
        self.amount: U64 = np.ascontiguousarray(rows["amount"])
        self.kind = np.ascontiguousarray(rows["kind"])
        self.debit: Index = rows["debit"].astype(np.intp)
        self.credit: Index = rows["credit"].astype(np.intp)
        self.kinds = np.bincount(self.kind, minlength=256)

    def only(self, good: Mask) -> "Span":
        """A span of some of the rows."""
        return Span(pick(self.rows, good), self.parts[good])

    def where(self, table: Mask) -> "Index | slice":
        """Positions of the rows whose kind is in the table; a slice if all are."""
        if int(self.kinds[table].sum()) == len(self.rows):
            return slice(None)
        found: Index = np.flatnonzero(table[self.kind])
        return found


class Resolutions:
    """The posts, voids and expiries of a span that found their hold open."""

    def __init__(self, span: Span, at: Index, holds: Rows, kept: Mask) -> None:
        """`at` are positions in the span, `holds` the rows they resolve, `kept` those
        of them that were due no more.
        """
        self.at = at
        self.holds = holds
        self.kept = kept
        self.held: U64 = holds["amount"]
        self.debit: Index = holds["debit"].astype(np.intp)
        self.credit: Index = holds["credit"].astype(np.intp)
        self.post: Mask = span.kind[at] == Kind.POST
        self.expired: Mask = span.kind[at] == Kind.EXPIRE
        zero = np.uint64(0)
        posted = np.where(self.post, span.amount[at], zero)
        self.released: U64 = self.held - np.minimum(posted, self.held)
