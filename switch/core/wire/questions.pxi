# The billers' stream: answers out of their bytes, questions into bytes.
#
# Any thread may call this. See proto/switch/v1/billers.proto.

cdef enum:
    QUESTION_ONE_MAX = 127      # bytes of the fields that each payment has: the length is one byte
    QUESTION_TIMES_MAX = 33     # bytes of those that a question has once
    QUESTION_MAX = 2227         # with its basket, its tag and its length


# --- answers ------------------------------------------------------------------------------------

cdef void _questions_set_text(
    Answer* answer, const Wire* part, uint8_t* text, uint8_t* size, int bad
) noexcept nogil:
    """At most 32 printable ASCII characters, or none and `bad`."""
    cdef size_t length = part.end - part.at
    cdef size_t i = 0
    memset(text, 0, REFERENCE_SIZE)
    size[0] = 0
    answer.bad &= <uint8_t>(~bad & 0xFF)
    while i < length and i < REFERENCE_SIZE and 0x20 <= part.at[i] <= 0x7E:
        i += 1
    if i < length:
        answer.bad |= <uint8_t>bad
        return
    memcpy(text, part.at, length)
    size[0] = <uint8_t>length


cdef void _questions_set_scalar(Answer* answer, uint32_t field, uint64_t value) noexcept nogil:
    cdef uint32_t kind = <uint32_t>value
    if field == 1:
        answer.number = value
    elif field == 3:
        answer.kind = <uint8_t>(kind if kind <= <uint32_t>ANSWERED_NOT_SEEN else 0)
    elif field == 11:
        answer.sent_ns = value
    elif field == 12:
        answer.amount = value


cdef int _questions_read_answer(Wire* wire, Answer* answer) noexcept nogil:
    """One Answer message. Its bills are counted: who fetches a bill reads them, from the
    bytes of this message alone."""
    cdef uint32_t field
    cdef int kind
    cdef uint64_t value
    cdef Wire part
    while wire.at < wire.end:
        if wire_read_tag(wire, &field, &kind) != 0:
            return -1
        if kind == WIRE_VARINT:
            if wire_read_varint(wire, &value) != 0:
                return -1
            _questions_set_scalar(answer, field, value)
        elif kind == WIRE_BYTES:
            if wire_read_bytes(wire, &part) != 0:
                return -1
            if field == 2:
                memset(answer.id, 0, 16)
                if part.end - part.at == 16:
                    memcpy(answer.id, part.at, 16)
            elif field == 4:
                _questions_set_text(
                    answer, &part, answer.biller_reference, &answer.biller_reference_size,
                    BAD_REFERENCE,
                )
            elif field == 5:
                _questions_set_text(
                    answer, &part, answer.reason, &answer.reason_size, BAD_REASON
                )
            elif field == 10:
                answer.bills_count += 1
        elif wire_skip(wire, field, kind) != 0:
            return -1
    return 0


cdef int questions_read_answers(
    const uint8_t* body, size_t size, Answer* answers, uint32_t* count
) noexcept nogil:
    """Walk a ConnectRequest. `answers` NULL: count only; the framing inside is checked when
    they are filled. -1 if it is malformed, -2 if it holds more than ANSWERS_MAX."""
    cdef Wire wire, message
    cdef uint32_t field
    cdef int kind
    wire.at = body
    wire.end = body + size
    count[0] = 0
    while wire.at < wire.end:
        if wire_read_tag(&wire, &field, &kind) != 0:
            return -1
        if kind != WIRE_BYTES or field != 1:
            if wire_skip(&wire, field, kind) != 0:
                return -1
            continue
        if wire_read_bytes(&wire, &message) != 0:
            return -1
        if count[0] == ANSWERS_MAX:
            return -2
        if answers != NULL:
            memset(&answers[count[0]], 0, sizeof(Answer))
            answers[count[0]].at = <uint32_t>(message.at - body)
            answers[count[0]].size = <uint32_t>(message.end - message.at)
            if _questions_read_answer(&message, &answers[count[0]]) != 0:
                return -1
        count[0] += 1
    return 0


cdef int questions_read_clock(const uint8_t* body, size_t size, uint64_t* clock) noexcept nogil:
    """The clock in a ConnectRequest, 0 if there is none; -1 if it is malformed."""
    cdef Wire wire
    cdef uint32_t field
    cdef int kind
    wire.at = body
    wire.end = body + size
    clock[0] = 0
    while wire.at < wire.end:
        if wire_read_tag(&wire, &field, &kind) != 0:
            return -1
        if field == 2 and kind == WIRE_VARINT:
            if wire_read_varint(&wire, clock) != 0:
                return -1
        elif wire_skip(&wire, field, kind) != 0:
            return -1
    return 0


cdef int questions_make_rows(
    const Answer* answers, uint32_t count, Row* rows, uint8_t* tails, size_t* tails_size
) noexcept nogil:
    """Posts and voids that the committer takes, and their tails: u32 size and bytes each.

    -1 if an answer is neither yes nor no, -2 if a text is over-long or not printable."""
    cdef const Answer* answer
    cdef const uint8_t* text
    cdef Row* row
    cdef uint8_t* at = tails
    cdef uint32_t i, j, size
    memset(rows, 0, count * sizeof(Row))
    for i in range(count):
        answer = &answers[i]
        row = &rows[i]
        memcpy(row.id, answer.id, 16)
        row.resolves = answer.number
        row.flags = ROW_EVIDENCE
        if answer.kind == ANSWERED_CONFIRMED:
            row.kind = KIND_POST
            row.amount = answer.amount
            text = <const uint8_t*>answer.biller_reference
            size = answer.biller_reference_size
        elif answer.kind == ANSWERED_REJECTED:
            row.kind = KIND_VOID
            text = <const uint8_t*>answer.reason
            size = answer.reason_size
        else:
            return -1
        if size == 0:
            continue
        if size > REFERENCE_SIZE:
            return -2
        for j in range(size):
            if not 0x20 <= text[j] <= 0x7E:
                return -2
        row.flags |= ROW_TAIL
        memcpy(at, &size, 4)
        memcpy(at + 4, text, size)
        at += 4 + size
    tails_size[0] = at - tails
    return 0


# --- questions ------------------------------------------------------------------------------------

cdef inline uint64_t _questions_until(
    const Row* hold, uint64_t deadline, uint64_t sent
) noexcept nogil:
    """`deadline`, or when the hold is released if that is before, and still to come."""
    cdef uint64_t due = hold.timestamp + <uint64_t>hold.deadline * 1000000000
    return deadline if hold.flags & ROW_KEEP or deadline < due or due <= sent else due


cdef uint8_t* _questions_put_fields(
    State* s, uint8_t* at, const Row* hold, int kind, uint64_t deadline, uint64_t sent
) noexcept nogil:
    """The fields of a question about one hold."""
    # The code of a service never changes; the index is durable, as the hold is.
    cdef const uint8_t* code = s.group.services[hold.service].record.code
    at = wire_put_field(at, 1, hold.sequence)
    at = wire_put_field(at, 2, kind)
    at = wire_put_id(at, 3, hold.id)
    at = wire_put_text(at, 4, code, SERVICE_CODE_MAX)
    at = wire_put_text(at, 5, hold.reference, REFERENCE_SIZE)
    at = wire_put_field(at, 6, hold.amount)
    at = wire_put_field(at, 7, hold.timestamp)
    at = wire_put_field(at, 8, _questions_until(hold, deadline, sent))
    return wire_put_field(at, 9, hold.sequence)


cdef uint8_t* _questions_put_times(uint8_t* at, uint64_t until, uint64_t sent) noexcept nogil:
    """The biller's last moment to credit, also as milliseconds from now, and when now is."""
    at = wire_put_field(at, 11, until)
    at = wire_put_field(at, 12, (until - sent) // 1000000 if until > sent else 0)
    return wire_put_field(at, 13, sent)


cdef int _questions_get_hold(View* view, uint64_t sequence, Row* hold) noexcept nogil:
    """An accepted hold; MDB_NOTFOUND for any other row."""
    cdef const Row* row
    cdef int rc = views_get_row(view, sequence, &row)
    if rc != 0:
        return rc
    if row.kind != KIND_HOLD or row.result != RESULT_OK:
        return MDB_NOTFOUND
    hold[0] = row[0]
    return 0


cdef int _questions_put(
    State* s, View* view, const Row* hold, int kind, uint64_t deadline, uint64_t sent,
    uint64_t until, uint8_t** out
) noexcept nogil:
    """One `questions` field of a response, with its basket: at most QUESTION_MAX bytes."""
    cdef uint8_t[QUESTION_MAX] body
    cdef uint8_t[QUESTION_ONE_MAX] one
    cdef uint8_t* at = _questions_put_fields(s, body, hold, kind, deadline, sent)
    cdef uint8_t* end
    cdef Row member
    cdef uint32_t i
    cdef int rc
    if fields_basket_size(hold) > BASKET_MAX:
        return MDB_CORRUPTED
    for i in range(fields_basket_size(hold)):
        rc = _questions_get_hold(view, hold.sequence + i, &member)
        if rc == 0 and member.basket != fields_basket(fields_basket_size(hold), i):
            rc = MDB_CORRUPTED
        if rc != 0:
            return rc
        end = _questions_put_fields(s, one, &member, kind, deadline, sent)
        at[0] = (10 << 3) | WIRE_BYTES
        at = wire_put_varint(at + 1, end - one)
        memcpy(at, one, end - one)
        at += end - one
    at = _questions_put_times(at, until, sent)
    out[0][0] = (1 << 3) | WIRE_BYTES
    end = wire_put_varint(out[0] + 1, at - body)
    memcpy(end, body, at - body)
    out[0] = end + (at - body)
    return 0


cdef int questions_write(
    State* s, const uint64_t* sequences, const uint64_t* until, uint32_t count, int kind,
    uint64_t deadline, uint64_t sent, uint8_t* out, size_t* size
) noexcept nogil:
    """One ConnectResponse that asks about these holds, to be credited until `until`. Later
    members of a basket are in the question of its first, which must be here for them to be
    asked about."""
    cdef View view
    cdef Row hold
    cdef uint8_t* at = out
    cdef uint32_t i = 0
    cdef int rc
    pthread_mutex_lock(&s.shared.lock)
    rc = views_begin(s, &view)
    pthread_mutex_unlock(&s.shared.lock)
    while rc == 0 and i < count:
        rc = _questions_get_hold(&view, sequences[i], &hold)
        if rc == 0 and fields_basket_index(&hold) == 0:
            rc = _questions_put(s, &view, &hold, kind, deadline, sent, until[i], &at)
        i += 1
    views_end(s, &view)
    size[0] = at - out
    return rc
