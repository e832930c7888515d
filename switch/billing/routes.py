"""To which biller rows belong, by their services.

May use the register and the tables. Knows no biller but by its participant index.
"""

from collections.abc import Iterator

import numpy as np

from switch._core import Rows
from switch.billing._hot import Router
from switch.billing.table import Table
from switch.register.register import Register


class Routes:
    """Of all billers; read again when the register has changed."""

    def __init__(self, register: Register) -> None:
        """No biller has a table."""
        self._register = register
        self._version = -1
        self._biller_of_service = np.zeros(0, np.uint32)
        self._tables: dict[int, Table] = {}
        self.router = Router()
        """Takes rows to the tables that are known."""

    def add(self, biller: int, table: Table) -> None:
        """From here on rows of this biller's services are its table's."""
        self._tables[biller] = table
        self._route(biller)

    def refresh(self, service: int = 0) -> None:
        """See what has changed, and have this service (its index) be known."""
        if self._version == self._register.version and (
            service < len(self._biller_of_service)
        ):
            return
        if service > len(self._register.services()):
            self._register.refresh()
        self._version = self._register.version
        known = self._register.services()
        self._biller_of_service = np.zeros(len(known) + 1, np.uint32)
        for one in known:
            self._biller_of_service[one.index] = one.biller
        self.router.clear()
        for biller in self._tables:
            self._route(biller)

    def _route(self, biller: int) -> None:
        for service in np.flatnonzero(self._biller_of_service == biller).tolist():
            self.router.route(service, self._tables[biller])

    def parts(self, rows: Rows) -> Iterator[tuple[int, Rows]]:
        """The rows of each biller, in order."""
        services = rows["service"]
        self.refresh(int(services.max()))
        billers = self._biller_of_service[services]
        order = np.argsort(billers, kind="stable")
        sorted_billers = billers[order]
        ends = np.flatnonzero(np.diff(sorted_billers)) + 1
        rows = rows[order]
        start = 0
        for end in [*ends.tolist(), len(rows)]:
            yield int(sorted_billers[start]), rows[start:end]
            start = end
