"""The auditor: a second, independent reading of a ledger directory.

It uses NumPy and the `lmdb` package, and never the compiled core: one process must not
open an environment through two copies of LMDB, and a mistake must not vouch for itself.
Always run it in a process of its own: `python -m switch.audit DIR`.
"""

from switch.audit.auditor import Report, audit

__all__ = ["Report", "audit"]
