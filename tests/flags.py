"""The flags of rows and references by name, as plain numbers.

To combine members of an enum was a quarter of the model's time.
"""

from types import SimpleNamespace
from typing import Any

from switch import codes

RowFlag: Any = SimpleNamespace(**{k: +v for k, v in codes.RowFlag.__members__.items()})
Ignored: Any = SimpleNamespace(**{k: +v for k, v in codes.Ignored.__members__.items()})
