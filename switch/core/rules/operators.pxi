# Operators: who sits at a centre's counter, and by which key.
#
# One is found by (participant, number) and by its key, through open-addressed tables, of which
# as much is used as there are operators for. A key that was replaced leaves its slot where it
# is, until the tables are made anew: it leads to one who has another key, which is looked at.

cdef enum:
    OPERATORS_SLOTS_LEAST = 1024   # a power of two
    OPERATORS_SLOTS = 524288       # eight times OPERATORS_MAX


cdef bint operators_record_is_valid(const uint8_t* tail, uint32_t size) noexcept nogil:
    cdef const OperatorRecord* record = <const OperatorRecord*>tail
    return (
        size >= sizeof(OperatorRecord)
        and record.active <= 1
        and record.participant != 0 and record.number != 0
        and not keys_is_zero(record.key, 32)
        and keys_is_zero(record.reserved_0, 2) and keys_is_zero(record.reserved_1, 4)
    )


cdef inline uint32_t _operators_hash(
    const State* s, uint32_t participant, uint32_t number
) noexcept nogil:
    return <uint32_t>native_mix(
        ((<uint64_t>participant << 32) | number) ^ s.config.tables_secret[0]
    )


cdef uint32_t _operators_hash_key(const State* s, const uint8_t* key) noexcept nogil:
    """Whoever registers an operator chooses the key."""
    cdef uint64_t[4] words
    memcpy(words, key, 32)
    return <uint32_t>native_siphash64(s.config.tables_secret, words, 4, 0)


cdef uint32_t operators_find(
    const State* s, uint32_t participant, uint32_t number
) noexcept nogil:
    """Index of the operator with this number at a centre, or 0."""
    cdef uint32_t mask = s.group.operator_slots_count - 1
    cdef uint32_t slot = _operators_hash(s, participant, number) & mask
    cdef const Operator* each
    while s.group.operator_slots[slot] != 0:
        each = &s.group.operators[s.group.operator_slots[slot]]
        if each.number == number and each.participant == participant:
            return s.group.operator_slots[slot]
        slot = (slot + 1) & mask
    return 0


cdef bint operators_has_key(
    const State* s, const uint8_t* key, uint32_t besides
) noexcept nogil:
    """Whether a key is of some operator, active or not, other than this one."""
    cdef uint32_t mask = s.group.operator_slots_count - 1
    cdef uint32_t slot = _operators_hash_key(s, key) & mask
    cdef uint32_t index = s.group.operator_key_slots[slot]
    while index != 0:
        if index != besides and memcmp(s.group.operators[index].key, key, 32) == 0:
            return True
        slot = (slot + 1) & mask
        index = s.group.operator_key_slots[slot]
    return False


cdef inline bint operators_is_missing(
    const State* s, uint32_t participant, uint32_t number, uint32_t sender
) noexcept nogil:
    """Whether a centre signs on, and does not ask for this itself, or has no such operator, or
    none that is active. Of all others it costs one look."""
    if not s.group.participants[participant].signs_on:
        return False
    if sender != participant and not native_planted(b"operators_are_their_centre_s"):
        # Nobody else has the session of one of its operators.
        return True
    return not s.group.operators[operators_find(s, participant, number)].active


cdef int operators_decide(
    const State* s, Row* row, const OperatorRecord* record, uint32_t* existing
) noexcept nogil:
    """Choose the index of an operator: the one that its number has, or the next."""
    if record.participant >= s.group.participants_count or (
        s.group.participants[record.participant].role != ROLE_CENTRE
    ):
        return RESULT_PARTICIPANT_UNKNOWN
    existing[0] = operators_find(s, record.participant, record.number)
    if people_has_key(s, record.key, 0) or operators_has_key(s, record.key, existing[0]):
        return RESULT_SAME_PERSON
    if existing[0] == 0 and s.group.operators_count >= OPERATORS_MAX:
        return RESULT_TABLE_FULL
    row.debit = existing[0] if existing[0] != 0 else s.group.operators_count
    return RESULT_OK


cdef void _operators_place(
    State* s, uint32_t* slots, uint32_t hash_, uint32_t index
) noexcept nogil:
    """Have a slot lead to an operator, unless one does."""
    cdef uint32_t mask = s.group.operator_slots_count - 1
    cdef uint32_t slot = hash_ & mask
    while slots[slot] != 0 and slots[slot] != index:
        slot = (slot + 1) & mask
    s.group.operator_slots_used += slots[slot] == 0
    slots[slot] = index
    native_assert(
        2 * s.group.operator_slots_used <= s.group.operator_slots_count,
        b"_operators_place: half of the slots are free",
    )


cdef void _operators_place_both(State* s, uint32_t index) noexcept nogil:
    cdef const Operator* operator_ = &s.group.operators[index]
    _operators_place(
        s, s.group.operator_slots,
        _operators_hash(s, operator_.participant, operator_.number), index,
    )
    _operators_place(s, s.group.operator_key_slots, _operators_hash_key(s, operator_.key), index)


cdef void _operators_make_room(State* s) noexcept nogil:
    """Make the tables anew if there may be no room for one more: others look up under the
    lock, which is held here."""
    cdef uint32_t i
    if 2 * (s.group.operator_slots_used + 2) <= s.group.operator_slots_count:
        return
    while s.group.operator_slots_count < 8 * s.group.operators_count:
        s.group.operator_slots_count *= 2
    native_assert(
        s.group.operator_slots_count <= OPERATORS_SLOTS, b"_operators_make_room: no more slots"
    )
    s.group.operator_slots_used = 0
    memset(s.group.operator_slots, 0, s.group.operator_slots_count * sizeof(uint32_t))
    memset(s.group.operator_key_slots, 0, s.group.operator_slots_count * sizeof(uint32_t))
    for i in range(1, s.group.operators_count):
        if s.group.operators[i].sequence != 0:
            _operators_place_both(s, i)


cdef void operators_apply(State* s, const Row* row, const uint8_t* tail) noexcept nogil:
    """Note an accepted register row of an operator."""
    cdef const OperatorRecord* record = <const OperatorRecord*>tail
    cdef Operator* operator_ = &s.group.operators[row.debit]
    native_assert(0 < row.debit and row.debit < OPERATORS_MAX, b"operators_apply: it has a place")
    native_assert(operator_.sequence < row.sequence, b"operators_apply: the newest counts")
    native_assert(
        operator_.sequence == 0
        or (operator_.participant == record.participant and operator_.number == record.number),
        b"operators_apply: it stays where it is",
    )
    _operators_make_room(s)
    if operator_.sequence == 0:
        operator_.next = s.group.participants[record.participant].operators
        s.group.participants[record.participant].operators = row.debit
    s.group.operators_count = max(s.group.operators_count, row.debit + 1)
    operator_.sequence = row.sequence
    operator_.participant = record.participant
    operator_.number = record.number
    operator_.active = record.active
    memcpy(operator_.key, record.key, 32)
    _operators_place_both(s, row.debit)
    native_assert(
        operators_find(s, record.participant, record.number) == row.debit,
        b"operators_apply: it is found",
    )


cdef void operators_publish(State* s, const Row* row) noexcept nogil:
    """A row of an operator is durable."""
    if row.debit < s.group.operators_count and (
        s.group.operators[row.debit].sequence == row.sequence
    ):
        s.group.operators[row.debit].durable = row.sequence


cdef void operators_publish_all(State* s) noexcept nogil:
    """All that memory knows is durable."""
    cdef uint32_t i
    for i in range(s.group.operators_count):
        s.group.operators[i].durable = s.group.operators[i].sequence
