# The wall clock, and whether it may be believed.
#
# A leap ahead would be final: rows never go back in time, so that every later row, day
# limit and deadline would follow it. What has really passed is told by CLOCK_BOOTTIME,
# which nobody can set, which is slewed as the wall clock is, and which goes on while the
# machine sleeps. The wall clock may run CLOCK_LEAP_MAX_NS ahead of it in all, counted from
# one reading of both (the anchor), not from one group to the next: small leaps add up.
# May use the group, for rows of its own. Belongs to whoever commits.

cdef enum:  # what a look at the clock finds
    CLOCK_GOOD = 0
    CLOCK_LEAPT = 1           # too far ahead, and nobody vouches for it
    CLOCK_AGREES = 2          # it had leapt, and is back
    CLOCK_KEPT = 3            # it has leapt, and the kernel says that it is right


cdef struct Reading:
    uint64_t wall             # ns since 1970
    uint64_t boot             # ns since the machine started
    int64_t ahead_ns          # by how much the wall clock outran the other since the anchor


cdef uint64_t clock_read(int clock) noexcept nogil:
    """A clock of the machine, in nanoseconds."""
    cdef timespec now
    clock_gettime(clock, &now)
    return <uint64_t>now.tv_sec * 1000000000 + <uint64_t>now.tv_nsec


cdef uint64_t _clock_wall(const Guard* guard) noexcept nogil:
    return guard.fake[0] if guard.fake != NULL else clock_read(CLOCK_REALTIME)


cdef uint64_t _clock_boot(const Guard* guard) noexcept nogil:
    return guard.fake[1] if guard.fake != NULL else clock_read(CLOCK_BOOTTIME)


cdef int _clock_ask_kernel(const Guard* guard) noexcept nogil:
    """1 if the kernel is told the time by somebody, 0 if not; minus an errno if it does not
    say. Setting the clock ends that.

    `fake`, for tests, has the same three answers.
    """
    cdef timex_t about
    cdef int state
    if guard.fake != NULL:
        return <int>guard.fake[2]
    memset(&about, 0, sizeof(about))
    state = adjtimex(&about)
    if state < 0:
        return -errno
    return state != TIME_ERROR and (about.status & STA_UNSYNC) == 0


cdef void clock_look(const Guard* guard, Reading* reading) noexcept nogil:
    reading.wall = _clock_wall(guard)
    reading.boot = _clock_boot(guard)
    reading.ahead_ns = <int64_t>(
        reading.wall - guard.anchor_wall - (reading.boot - guard.anchor_boot)
    )


cdef inline uint64_t clock_passed(const Reading* reading) noexcept nogil:
    """The wall clock less what it is ahead of its anchor: by this time holds are due. What
    it has leapt nobody has vouched for, and a biller may still credit a payment meanwhile."""
    if reading.ahead_ns <= 0 or native_planted(b"deadlines_wait_for_what_has_passed"):
        return reading.wall
    return reading.wall - <uint64_t>reading.ahead_ns


cdef void _clock_anchor(Guard* guard, const Reading* reading) noexcept nogil:
    """Believe this reading: the budget is whole again."""
    guard.anchor_wall = reading.wall
    guard.anchor_boot = reading.boot
    guard.has_leapt = 0


cdef int clock_look_vouched(const Guard* guard, Reading* reading) noexcept nogil:
    """A reading between two words of the kernel, and the worse word of the two.

    A clock that somebody sets before the reading loses the first word or the second. One
    that a time service puts right after the reading was not synchronised before it.
    """
    cdef int before = _clock_ask_kernel(guard)
    cdef int after
    clock_look(guard, reading)
    after = _clock_ask_kernel(guard)
    return before if before < after else after


cdef void clock_anchor_at(Guard* guard, uint64_t wall, uint64_t boot) noexcept nogil:
    """Believe a reading that a durable row names, before the queue runs."""
    cdef Reading reading
    reading.wall, reading.boot, reading.ahead_ns = wall, boot, 0
    _clock_anchor(guard, &reading)


cdef void clock_begin(Guard* guard, const uint64_t* fake) noexcept nogil:
    """The first anchor. `fake`, for tests: what is read in place of the clocks, or NULL."""
    cdef Reading reading
    guard.fake = fake
    clock_look(guard, &reading)
    _clock_anchor(guard, &reading)


cdef int _clock_judge(Guard* guard, const Reading* reading) noexcept nogil:
    """What a reading is worth. The kernel is asked only when the budget is used up.

    One that is behind is good: rows then take the time after the last one.
    """
    if reading.ahead_ns <= CLOCK_LEAP_MAX_NS:
        return CLOCK_AGREES if guard.has_leapt else CLOCK_GOOD
    if reading.ahead_ns <= CLOCK_KERNEL_MAX_NS and _clock_ask_kernel(guard) == 1:
        return CLOCK_KEPT
    guard.has_leapt = 1
    return CLOCK_LEAPT


cdef void _clock_believe(Guard* guard, Reading* reading, int verdict) noexcept nogil:
    """After the row that says so is durable. A clock that came back gains no budget."""
    native_assert(
        verdict == CLOCK_KEPT or (verdict == CLOCK_AGREES and guard.has_leapt),
        b"_clock_believe: somebody vouches for it",
    )
    if verdict == CLOCK_AGREES:
        guard.has_leapt = 0
    else:
        _clock_anchor(guard, reading)
        reading.ahead_ns = 0


cdef void _clock_make_row(
    const Reading* reading, int verdict, uint64_t sequence, Row* row, uint8_t* tail
) noexcept nogil:
    """The row that says why time goes on; a tail of 4 and up to CLOCK_TAIL_MAX bytes.

    `sequence` is one that no row has, so that no row has this id.
    """
    cdef uint32_t size
    tail[4] = RECORD_CLOCK
    size = 1 + <uint32_t>snprintf(
        <char*>tail + 5, CLOCK_TAIL_MAX - 1,
        b"{\"ahead_ns\":%lld,\"boottime_ns\":%llu,\"cause\":\"%s\",\"wall_ns\":%llu}",
        <long long>reading.ahead_ns, <unsigned long long>reading.boot,
        <const char*>b"agreed" if verdict == CLOCK_AGREES else <const char*>b"kernel",
        <unsigned long long>reading.wall,
    )
    native_assert(size < CLOCK_TAIL_MAX, b"_clock_make_row: its tail has room")
    memcpy(tail, &size, 4)
    memset(row, 0, sizeof(Row))
    row.kind = KIND_REGISTER
    row.flags = ROW_TAIL
    memcpy(row.id, b"clock row", 8)
    memcpy(row.id + 8, &sequence, 8)
    native_blake2b_256(tail + 4, size, row.reference)


cdef int clock_take(
    Guard* guard, State* s, Outcome* outs, uint8_t* replies, Reading* now
) noexcept nogil:
    """The time of the next group, if it may be believed; where that begins anew, a row.

    RC_CLOCK if it may not, or what came of the row.
    """
    cdef Row row
    cdef uint8_t[4 + CLOCK_TAIL_MAX] tail
    cdef Call call
    cdef int verdict, rc
    clock_look(guard, now)
    verdict = _clock_judge(guard, now)
    if verdict == CLOCK_GOOD:
        return 0
    if verdict == CLOCK_LEAPT:
        return RC_CLOCK
    _clock_make_row(now, verdict, s.shared.sequence + 1, &row, tail)
    memset(&call, 0, sizeof(Call))
    call.body = <const uint8_t*>&row
    call.tails = tail
    call.rows_count = 1
    call.form = FORM_ROWS
    rc = group_commit(
        s, &call, 1, now.wall, now.wall if verdict == CLOCK_KEPT else clock_passed(now), outs,
        replies,
    )
    if rc == 0:
        native_assert(outs[0].result == RESULT_OK, b"clock_take: nothing refuses its row")
        native_assert(
            s.shared.timestamp >= now.wall, b"clock_take: rows have the time that is believed"
        )
        _clock_believe(guard, now, verdict)
    return rc


cdef int clock_accept(
    Guard* guard, State* s, Call* call, int64_t ahead_ns, Outcome* outs, uint8_t* replies
) noexcept nogil:
    """Commit a person's row, and believe the clock from here on.

    RC_CLOCK if it is not as they saw it, or has not leapt: a leap that nobody has looked
    at is not accepted. As long as its own row is not durable nobody vouches for it, and no
    hold ends by it; a row of before vouches for a leap of before.
    """
    cdef Reading now
    cdef int64_t more
    cdef int rc
    native_assert(call.rows_count == 1, b"clock_accept: the row that says so, alone")
    clock_look(guard, &now)
    more = now.ahead_ns - ahead_ns
    if now.ahead_ns <= CLOCK_LEAP_MAX_NS or not (
        -CLOCK_LEAP_MAX_NS <= more <= CLOCK_LEAP_MAX_NS
    ):
        return RC_CLOCK
    rc = group_commit(s, call, 1, now.wall, clock_passed(&now), outs, replies)
    if rc == 0 and outs[0].result == RESULT_OK and not outs[0].repeat:
        _clock_anchor(guard, &now)
    return rc
