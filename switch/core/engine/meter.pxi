# How large groups are and how long their commits take, counted for operators.
#
# Written by who commits, who is one at a time; read at any time by anybody: a figure may
# be of a group that another does not have yet, and no figure is ever torn.

cdef inline int _meter_step(uint64_t value, uint64_t least, int steps_max) noexcept nogil:
    """The step of a histogram whose bounds are `least` and its doubles; the last has the rest."""
    if value <= least:
        return 0
    return min(64 - native_zeros((value - 1) // least), steps_max)


cdef void meter_begin(Meter* meter, uint64_t now, uint64_t used) noexcept nogil:
    """`used`: the processor time of this thread so far."""
    meter.since = now
    meter.began_ns = used


cdef void meter_end(
    Meter* meter, int rc, uint64_t rows_count, uint64_t now, uint64_t used
) noexcept nogil:
    """A commit that began as `meter_begin` said has ended with `rc`."""
    cdef uint64_t spent = now - meter.since
    cdef uint64_t held = used - meter.began_ns
    native_assert(meter.since != 0 and now >= meter.since, b"meter_end: it began")
    meter.since = 0
    meter.held_ns += held
    meter.holds[_meter_step(held, METER_TIME_NS, METER_TIMES)] += 1
    if rc != 0:
        meter.refused += 1
        return
    if rows_count == 0:
        return
    meter.rows += rows_count
    meter.spent_ns += spent
    meter.sizes[_meter_step(rows_count, 1, METER_SIZES)] += 1
    meter.times[_meter_step(spent, METER_TIME_NS, METER_TIMES)] += 1
