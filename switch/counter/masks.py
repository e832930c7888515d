"""How a reference stands in a log, and before whoever may not know it: enough to
find it again, too little to know it.

May use nothing of the product. The citizen's reference, and the bill's that is made of
it, are the one personal datum that the switch keeps; whatever logs one passes it
through here. A quotation has it in plain bytes, and is not logged at all.
"""

SHOWN = 2
"""Characters that stay at each end of a long reference."""
LONG = 8
"""A shorter reference shows nothing."""
STARS = 4
"""As many for every reference, so that a log does not tell its length."""


def mask_reference(reference: str | bytes) -> str:
    """`12****89` for `123456789`; of a short reference only stars."""
    text = (
        reference.rstrip(b"\0").decode("ascii", "replace")
        if isinstance(reference, bytes)
        else reference
    )
    if len(text) < LONG:
        return "*" * STARS
    # What does not print could forge a line of the log.
    ends = text[:SHOWN] + "*" * STARS + text[-SHOWN:]
    return "".join(one if one.isprintable() else "?" for one in ends)
