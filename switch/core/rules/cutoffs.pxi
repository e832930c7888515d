# Cut-offs: when windows close by themselves, by the schedule of the register.
#
# The next one is a function of the schedule and of one time, that of the last window or of
# the schedule's row, whichever is later: it is found when that changes, not when it is asked.

cdef enum:
    CUTOFFS_DAY_S = 86400
    CUTOFFS_MONDAY = 3        # 1970-01-01 was a Thursday

# Larger than an enum's int.
cdef extern from *:
    """
    #define CUTOFFS_TIME_MAX_S 18446744072ULL  /* later ones have no nanosecond */
    """
    const uint64_t CUTOFFS_TIME_MAX_S


cdef bint cutoffs_record_is_valid(const uint8_t* tail, uint32_t size) noexcept nogil:
    cdef const ScheduleRecord* record = <const ScheduleRecord*>tail
    cdef Schedule schedule
    cdef uint32_t i
    if not (
        size >= sizeof(ScheduleRecord)
        and record.weekdays <= 127
        and record.cutoffs_count <= CUTOFFS_MAX and record.holidays_count <= HOLIDAYS_MAX
        and size >= sizeof(ScheduleRecord) + 2 * <uint32_t>record.holidays_count
        and keys_is_zero(record.reserved_0, 1) and keys_is_zero(record.reserved_1, 2)
    ):
        return False
    _cutoffs_read(&schedule, tail)
    for i in range(<uint32_t>CUTOFFS_MAX):
        if i >= record.cutoffs_count:
            if schedule.record.cutoffs[i] != 0:
                return False
        elif schedule.record.cutoffs[i] >= CUTOFFS_DAY_S // 60 or (
            i > 0 and schedule.record.cutoffs[i] <= schedule.record.cutoffs[i - 1]
        ):
            return False
    for i in range(1, <uint32_t>record.holidays_count):
        if schedule.holidays[i] <= schedule.holidays[i - 1]:
            return False
    return True


cdef void _cutoffs_read(Schedule* schedule, const uint8_t* tail) noexcept nogil:
    """Have the record of a schedule, and its holidays, at hand."""
    memset(schedule.holidays, 0, sizeof(schedule.holidays))
    memcpy(&schedule.record, tail, sizeof(ScheduleRecord))
    memcpy(
        schedule.holidays, tail + sizeof(ScheduleRecord), 2 * schedule.record.holidays_count
    )


cdef bint _cutoffs_has_day(const Schedule* schedule, uint32_t day) noexcept nogil:
    """Whether an IST day is one of the weekdays, and no holiday."""
    cdef uint32_t low = 0
    cdef uint32_t high = schedule.record.holidays_count
    cdef uint32_t middle
    if not schedule.record.weekdays >> ((day + CUTOFFS_MONDAY) % 7) & 1:
        return False
    while low < high:
        middle = low + (high - low) // 2
        if schedule.holidays[middle] < day:
            low = middle + 1
        else:
            high = middle
    return low == schedule.record.holidays_count or schedule.holidays[low] != day


cdef uint64_t _cutoffs_time(uint32_t day, uint32_t minute) noexcept nogil:
    """The nanosecond of a minute of an IST day; 0 where there is none so late."""
    cdef uint64_t seconds = <uint64_t>day * CUTOFFS_DAY_S + minute * 60
    # The first day began before the first nanosecond.
    if seconds < IST_OFFSET_S or seconds - IST_OFFSET_S > CUTOFFS_TIME_MAX_S:
        return 0
    return (seconds - IST_OFFSET_S) * 1000000000


cdef uint32_t _cutoffs_april(uint64_t year) noexcept nogil:
    """The IST day that is 1 April of a calendar year; as keys_year, from a 1 March."""
    return <uint32_t>(365 * year + year // 4 - year // 100 + year // 400 + 31 - 719468)


cdef uint64_t _cutoffs_next(const Schedule* schedule, uint64_t after) noexcept nogil:
    """The first cut-off after a time, 0 for none: a minute of a day that counts, or 1 April."""
    cdef uint32_t day = keys_day(after)
    cdef uint32_t april = _cutoffs_april(<uint64_t>keys_year(day) + 1)
    cdef uint32_t i
    cdef uint64_t moment
    native_assert(day < april and april - day <= 366, b"_cutoffs_next: the year ends within one")
    if schedule.record.cutoffs_count > 0 and schedule.record.weekdays != 0:
        while day < april:
            if _cutoffs_has_day(schedule, day):
                for i in range(<uint32_t>schedule.record.cutoffs_count):
                    moment = _cutoffs_time(day, schedule.record.cutoffs[i])
                    if moment > after:
                        return moment
            day += 1
    moment = _cutoffs_time(april, 0)
    native_assert(moment == 0 or moment > after, b"_cutoffs_next: it is to come")
    return moment


cdef int cutoffs_find(
    const uint8_t* tail, uint32_t size, uint64_t after, uint64_t* next_
) noexcept nogil:
    """The same by the record of a schedule that need not be registered; EINVAL if it is none."""
    cdef Schedule schedule
    if not cutoffs_record_is_valid(tail, size) or tail[0] != RECORD_SCHEDULE:
        return EINVAL
    _cutoffs_read(&schedule, tail)
    next_[0] = _cutoffs_next(&schedule, after)
    return 0


# --- the register ---------------------------------------------------------------------------

cdef void cutoffs_follow(State* s, uint64_t time) noexcept nogil:
    """A window has closed, or there is another schedule, at this time."""
    s.group.cutoff = 0
    if s.group.schedule.sequence != 0:
        s.group.cutoff = _cutoffs_next(&s.group.schedule, time)


cdef int cutoffs_open(State* s) noexcept nogil:
    """All rows are learned: follow the last window, if the index knew of it. Where it cannot
    be read nothing closes by itself before the next one: late is better than wrong."""
    cdef uint64_t window = s.group.working_window
    cdef const Row* row
    cdef int rc
    if s.group.schedule.sequence == 0 or window < s.group.schedule.sequence or (
        window > s.shared.indexed
    ):
        return 0
    rc = store_get_row(&s.group.reader, window, &row)
    if rc == MDB_NOTFOUND or store_is_damage(rc):
        s.shared.damaged_row = window
        s.group.cutoff = 0
        return 0
    if rc == 0:
        cutoffs_follow(s, row.timestamp)
    return rc


cdef inline bint cutoffs_is_due(const State* s, uint64_t now) noexcept nogil:
    """Whether the next row, by this clock, would come at a cut-off or behind it."""
    return s.group.cutoff != 0 and (
        now >= s.group.cutoff or s.group.last_timestamp + 1 >= s.group.cutoff
    )


cdef void cutoffs_apply(State* s, const Row* row, const uint8_t* tail) noexcept nogil:
    """Note an accepted register row of the schedule."""
    native_assert(row.debit == 1, b"cutoffs_apply: there is one")
    native_assert(
        s.group.schedule.sequence < row.sequence, b"cutoffs_apply: the newest counts"
    )
    _cutoffs_read(&s.group.schedule, tail)
    s.group.schedule.sequence = row.sequence
    cutoffs_follow(s, row.timestamp)


cdef void cutoffs_publish(State* s, const Row* row) noexcept nogil:
    """A row of the schedule is durable."""
    if s.group.schedule.sequence == row.sequence:
        s.group.schedule.durable = row.sequence
