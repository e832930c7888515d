"""Ledgers in memory: what they are asked needs no disk."""

from tests.memory import tmp_path

__all__ = ["tmp_path"]
