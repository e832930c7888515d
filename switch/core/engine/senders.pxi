# What waits, by sender: who finds room, and whose turn it is. Under the queue's lock.
#
# Room. Who has something waiting may hold as much as it leaves free, and leaves a quarter
# of the queue to those who have not; who has nothing waiting finds room while there is
# any. RESERVE_PART comes on top of that for small calls of those alone, so that even
# many who each fill their part leave room for a lone payment.
#
# Turns. Deficit round robin, counted in rows: a turn gives a sender credit for TURN_ROWS
# rows, and it sends whole calls as far as that reaches; the rest is kept for its next
# turn, as long as it has something waiting. Its calls keep their order. Who had nothing
# waiting is in a line of its own, with half of a group's room, and joins the round after
# a first turn: its first rows do not wait until everybody else has had a turn. Billers'
# answers come first, likewise with half of the room.
#
# A call that had credit and found no room begins a group, but never two groups in a row:
# so that large calls are not passed over for ever, and the group after has its halves.

cdef int senders_init(Waiting* w) noexcept nogil:
    """Memory for all that may wait; touched only as it is used."""
    # Each call has a row.
    w.slots_count = w.rows_max + w.rows_max // RESERVE_PART
    w.slots = <Call*>malloc(w.slots_count * sizeof(Call))
    w.senders = <Sender*>malloc(SENDERS_MAX * sizeof(Sender))
    w.buckets = <uint32_t*>calloc(SENDER_BUCKETS, sizeof(uint32_t))
    if w.slots == NULL or w.senders == NULL or w.buckets == NULL:
        return ENOMEM
    return 0


cdef void senders_free(Waiting* w) noexcept nogil:
    free(w.slots)
    free(w.senders)
    free(w.buckets)


# --- senders ------------------------------------------------------------------------------

cdef inline uint64_t _senders_bytes(const Call* call) noexcept nogil:
    """What a call takes of the room: the body that is kept for it, and its tail to come."""
    return call.size + call.tail_max


cdef uint64_t _senders_key(const Call* call) noexcept nogil:
    """Who sends it: a participant, or a biller with its answers, which are of their own."""
    if call.form == FORM_ANSWERS:
        return <uint64_t>1 << 32 | call.bound
    if call.form == FORM_ROWS:
        return (<const Row*>call.body).participant
    return call.sender


cdef uint32_t* _senders_bucket(Waiting* w, uint64_t key) noexcept nogil:
    return &w.buckets[native_mix(key) % SENDER_BUCKETS]


cdef Sender* _senders_find(Waiting* w, uint64_t key) noexcept nogil:
    """Who sends it, if anything of theirs waits."""
    cdef uint32_t number = _senders_bucket(w, key)[0]
    while number != 0 and w.senders[number - 1].key != key:
        number = w.senders[number - 1].same
    return NULL if number == 0 else &w.senders[number - 1]


cdef Sender* _senders_begin(Waiting* w, uint64_t key) noexcept nogil:
    """Put a sender that has nothing waiting into its line. There is room in the table."""
    cdef uint32_t* bucket = _senders_bucket(w, key)
    cdef uint32_t number = w.senders_free
    cdef Sender* sender
    native_assert(w.senders_count < SENDERS_MAX, b"_senders_begin: the table has room")
    if number != 0:
        w.senders_free = w.senders[number - 1].same
    else:
        w.senders_used += 1
        number = w.senders_used
    w.senders_count += 1
    sender = &w.senders[number - 1]
    memset(sender, 0, sizeof(Sender))
    sender.key = key
    sender.same = bucket[0]
    bucket[0] = number
    _senders_line_up(w, LINE_ANSWERS if key >> 32 else LINE_FRESH, number)
    return sender


cdef void _senders_end(Waiting* w, uint32_t number) noexcept nogil:
    """Forget a sender whose calls are gone, and with it what credit it had left."""
    cdef Sender* sender = &w.senders[number - 1]
    cdef uint32_t* at = _senders_bucket(w, sender.key)
    native_assert(
        sender.rows_count == 0 and sender.bytes == 0,
        b"_senders_end: nothing of it counts as waiting",
    )
    while at[0] != number:
        native_assert(at[0] != 0, b"_senders_end: it is in its bucket")
        at = &w.senders[at[0] - 1].same
    at[0] = sender.same
    sender.same = w.senders_free
    w.senders_free = number
    w.senders_count -= 1


cdef void _senders_line_up(Waiting* w, int line, uint32_t number) noexcept nogil:
    """To the end of a line."""
    w.senders[number - 1].next = 0
    if w.lines[line].first == 0:
        w.lines[line].first = number
    else:
        w.senders[w.lines[line].last - 1].next = number
    w.lines[line].last = number


# --- room ---------------------------------------------------------------------------------

cdef bint _senders_leaves(uint64_t room, uint64_t all_, uint64_t mine) noexcept nogil:
    """Whether who holds `mine` of `all_` that wait leaves enough of the room."""
    return all_ <= room and max(mine, room // KEPT_PART) <= room - all_


cdef bint _senders_fits(const Waiting* w, const Call* call, const Sender* sender) noexcept nogil:
    """Whether a call finds room; `sender` is NULL if nothing of its sender waits."""
    cdef uint64_t rows = w.rows_count + call.rows_count
    cdef uint64_t size = w.bytes + _senders_bytes(call)
    if sender != NULL:
        return _senders_leaves(w.rows_max, rows, sender.rows_count + call.rows_count) and (
            _senders_leaves(w.bytes_max, size, sender.bytes + _senders_bytes(call))
        )
    if w.senders_count == SENDERS_MAX:
        return False
    if call.rows_count <= TURN_ROWS:
        rows -= min(rows, w.rows_max // RESERVE_PART)
        size -= min(size, w.bytes_max // RESERVE_PART)
    return rows <= w.rows_max and size <= w.bytes_max


cdef int senders_add(Waiting* w, const Call* call) noexcept nogil:
    """Keep a call behind the others of its sender; RC_FULL if it finds no room."""
    cdef uint64_t key = _senders_key(call)
    cdef Sender* sender = _senders_find(w, key)
    cdef uint32_t slot = w.slots_free
    native_assert(call.rows_count > 0, b"senders_add: each call has a row")
    if not _senders_fits(w, call, sender):
        return RC_FULL
    if slot != 0:
        # Memory that was touched before is used first.
        w.slots_free = w.slots[slot - 1].next
    else:
        native_assert(w.slots_used < w.slots_count, b"senders_add: a slot for each row")
        w.slots_used += 1
        slot = w.slots_used
    w.slots[slot - 1] = call[0]
    w.slots[slot - 1].next = 0
    if sender == NULL:
        sender = _senders_begin(w, key)
        sender.first = slot
    else:
        w.slots[sender.last - 1].next = slot
    sender.last = slot
    sender.rows_count += call.rows_count
    sender.bytes += _senders_bytes(call)
    w.count += 1
    w.rows_count += call.rows_count
    w.bytes += _senders_bytes(call)
    native_assert(w.count <= w.rows_count, b"senders_add: rows are counted")
    return 0


# --- turns --------------------------------------------------------------------------------

cdef uint32_t _senders_pull(Waiting* w, Sender* sender) noexcept nogil:
    """A sender's first call waits no longer; slot + 1, which is to be given back."""
    cdef uint32_t slot = sender.first
    cdef const Call* call = &w.slots[slot - 1]
    native_assert(
        sender.rows_count >= call.rows_count and sender.bytes >= _senders_bytes(call),
        b"_senders_pull: what waits was counted",
    )
    sender.first = call.next
    sender.rows_count -= call.rows_count
    sender.bytes -= _senders_bytes(call)
    w.count -= 1
    w.rows_count -= call.rows_count
    w.bytes -= _senders_bytes(call)
    return slot


cdef void senders_give_back(Waiting* w, uint32_t slot) noexcept nogil:
    w.slots[slot - 1].next = w.slots_free
    w.slots_free = slot


cdef void _senders_send(Waiting* w, Sender* sender, Group* group) noexcept nogil:
    """Move a sender's first call into a group that has room for it."""
    cdef uint32_t slot = _senders_pull(w, sender)
    cdef Call* call = &w.slots[slot - 1]
    native_assert(
        sender.credit >= call.rows_count and group.calls_count < GROUP_MAX,
        b"_senders_send: it has its turn, and the group has room",
    )
    sender.credit -= call.rows_count
    senders_put(group, call)
    senders_give_back(w, slot)


cdef void senders_put(Group* group, const Call* call) noexcept nogil:
    """Count a call into a group."""
    if call.wait == NULL:
        group.tagged[call.taker] += 1
    else:
        group.waited += 1
    group.calls[group.calls_count] = call[0]
    group.calls_count += 1
    group.rows_count += call.rows_count
    group.tail_max += call.tail_max


cdef void _senders_serve(Waiting* w, Group* group, int which, uint32_t room) noexcept nogil:
    """Give turns to a line until the group has `room` rows, or the next call does not fit."""
    cdef Line* line = &w.lines[which]
    cdef Sender* sender
    cdef const Call* call
    cdef uint32_t number
    while line.first != 0:
        number = line.first
        sender = &w.senders[number - 1]
        if not line.in_turn:
            sender.credit += TURN_ROWS
        line.in_turn = 1
        while sender.first != 0:
            call = &w.slots[sender.first - 1]
            if call.rows_count > sender.credit:
                break
            if group.rows_count + call.rows_count > room:
                return
            # One call alone may have more tail than all.
            if group.calls_count > 0 and group.tail_max + call.tail_max > TAIL_MAX:
                return
            _senders_send(w, sender, group)
        line.in_turn = 0
        line.first = sender.next
        if sender.first == 0:
            _senders_end(w, number)
        else:
            _senders_line_up(w, LINE_ROUND if which == LINE_FRESH else which, number)


cdef bint _senders_lead(Waiting* w, Group* group) noexcept nogil:
    """Begin a group with a call that found no room before, of each line in turn."""
    cdef int i, line
    for i in range(1, LINES_COUNT + 1):
        line = (w.led_line + i) % LINES_COUNT
        if w.lines[line].in_turn:
            _senders_send(w, &w.senders[w.lines[line].first - 1], group)
            w.led_line = line
            return True
    return False


cdef void senders_fill(Waiting* w, Group* group, bint due) noexcept nogil:
    """Move what waits into an empty group; with holds due, half of it is left to them.

    It may stay empty then, and begins with a large call the next time.
    """
    cdef uint32_t room = GROUP_MAX
    native_assert(group.calls_count == 0, b"senders_fill: a new group")
    w.led = not w.led and _senders_lead(w, group)
    if due and not w.led:
        room = GROUP_MAX // 2
    _senders_serve(w, group, LINE_ANSWERS, room // 2)
    _senders_serve(w, group, LINE_FRESH, group.rows_count + (room - group.rows_count) // 2)
    # What the halves leave is anybody's.
    _senders_serve(w, group, LINE_ROUND, room)
    _senders_serve(w, group, LINE_FRESH, room)
    _senders_serve(w, group, LINE_ROUND, room)
    _senders_serve(w, group, LINE_ANSWERS, room)
    native_assert(
        w.count > 0 or (w.rows_count == 0 and w.bytes == 0 and w.senders_count == 0),
        b"senders_fill: nothing counts as waiting",
    )
    native_assert(
        w.count == 0 or group.calls_count > 0 or due,
        b"senders_fill: something goes out",
    )


cdef uint32_t senders_drain(Waiting* w) noexcept nogil:
    """Any call that waits, a sender's in their order: slot + 1, to be given back; or 0."""
    cdef Line* line
    cdef Sender* sender
    cdef uint32_t slot, number
    cdef int i
    for i in range(LINES_COUNT):
        line = &w.lines[i]
        if line.first != 0:
            number = line.first
            sender = &w.senders[number - 1]
            slot = _senders_pull(w, sender)
            if sender.first == 0:
                line.first = sender.next
                line.in_turn = 0
                _senders_end(w, number)
            return slot
    return 0
