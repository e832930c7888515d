# The core's C face: what another extension may cimport. No call here needs the GIL.

from libc.stdint cimport uint8_t, uint32_t, uint64_t

from switch.core.queue cimport Group, QueueState, Wait


cdef class Queue:
    cdef QueueState* q
    cdef object ledger            # keeps it and its lock in memory
    cdef object clock             # the array in place of the machine's clocks, or None
    cdef object thread            # the committer's, once it is started

    # A request of payments, as `Request.payments` takes it. 0, RC_FULL or RC_STOPPED;
    # RC_FRAMING if the bytes are none. They must stay until the answer is released.
    cdef int submit_payments(
        self, const uint8_t* body, size_t size, uint32_t sender, uint32_t centre, uint64_t tag
    ) noexcept nogil

    # The same, and block until it is durable: the answer's place is in `wait`. What
    # came of it (0 or RC_*); if `wait.group` is there, it must be released.
    cdef int commit_payments(
        self, const uint8_t* body, size_t size, uint32_t sender, uint32_t centre, Wait* wait
    ) noexcept nogil

    # The next group that is done, in their order, or NULL after so long: its calls have
    # their tags, the places of their answers in `replies`, and all of them `rc`.
    cdef Group* wait_group(self, uint64_t wait_ns) noexcept nogil

    # Whoever got a group gives it back, soon: DONE_GROUPS_MAX of them hold up the next.
    # Only for groups whose calls all came from C.
    cdef void release_group(self, Group* group) noexcept nogil
