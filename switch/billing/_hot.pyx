"""What is done for every group and every message with the lines of a table, in C.

The columns are NumPy's, allocated by `lines` and `table`, which do to the same memory what
is done more seldom. What is rare here is left to them too: who calls is told which rows or
that nothing was done. Belongs to the event loop's thread.
"""

cimport cython
from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcmp, memcpy, memmove

import numpy as np

from switch import _core
from switch.billing import lines
from switch.core.codes cimport *
from switch.core.answered cimport Answer
from switch.core.layout cimport Row
from switch.core.native cimport native_assert

cdef enum:
    GONE, WAITING, CONFIRMING, UNKNOWN, CHECKING, ANSWERED, CANCELLING, STATES_COUNT
    NS_IN_S = 1000000000
    GONE_MIN = 256              # as `lines.GONE_LEAST`
    ENDS_FIRST = 64             # ends that there is room for at first; it doubles
    ENDS_MOST = 65536           # that wait to be told to one biller; then the oldest are left out
    END_SIZE = 32               # bytes of one: a tag and a size, and three fields at the most
    VARINT_SIZE = 10            # bytes of one at the most
    TOLD_ACKNOWLEDGED = 2       # fields of a ConnectResponse
    TOLD_ENDED = 4
    LATENCIES_MOST = 1024       # answers that percentiles speak of
    PAYMENTS_MOST = 4095        # in the questions of a message, half as many as a group has rows

cdef enum:
    LOOK_LATE = 1               # a question has no answer in time, or may not go out any more
    LOOK_ASK = 2                # a question may go out
    LOOK_CANCEL = 4             # money that may have to be given back

ENDS_MAX, LATENCIES_MAX, QUESTION_HOLDS_MAX = ENDS_MOST, LATENCIES_MOST, PAYMENTS_MOST
LATE, ASK, CANCEL = LOOK_LATE, LOOK_ASK, LOOK_CANCEL

if [GONE, WAITING, CONFIRMING, UNKNOWN, CHECKING, ANSWERED, CANCELLING, STATES_COUNT] != [
    lines.State.GONE, lines.State.WAITING, lines.State.CONFIRMING, lines.State.UNKNOWN,
    lines.State.CHECKING, lines.State.ANSWERED, lines.State.CANCELLING, lines.STATES,
] or (lines.FETCH_BIT, lines.GONE_LEAST) != (1 << 63, GONE_MIN):
    raise ImportError("compiled with other states of a line")

include "hot/told.pxi"
include "hot/columns.pxi"
include "hot/tables.pxi"
