"""The citizen's papers as a counter prints them: A5, and 58 mm rolls.

May use the words alone, and needs neither the core nor the switch: what a paper says
comes from what GetReceipt and GetAcknowledgement give, and is only laid out here.
"""

from switch.papers.checks import check_base, check_url, inline_square
from switch.papers.facts import Facts, PaperError, read_paper
from switch.papers.fonts import find_fonts
from switch.papers.press import Press
from switch.papers.printers import PrinterError, send

__all__ = [
    "Facts",
    "PaperError",
    "Press",
    "PrinterError",
    "check_base",
    "check_url",
    "find_fonts",
    "inline_square",
    "read_paper",
    "send",
]
