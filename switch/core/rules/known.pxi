# Requests whose id has an answer already: the same content has it again, other content never.

cdef struct Tailed:           # what the tail of a payment's row holds
    const uint8_t* fixed      # FIXED_TAIL_SIZE bytes, or NULL
    const uint8_t* note
    uint32_t note_size


cdef int _known_price_rule(State* s, const Row* row) noexcept nogil:
    """Of the service of a payment's row; PRICE_STATED without one."""
    if not kinds_is_payment(row.kind) or row.service == 0:
        return PRICE_STATED
    return s.group.services[row.service].record.price_rule


cdef int _known_get_noted_tail(
    State* s, const Row* row, Tailed* tailed
) noexcept nogil:
    """The tail of a row that may have a note: its fixed part, or NULL, and the note."""
    cdef int rc = 0
    tailed.fixed = NULL
    tailed.note_size = 0
    if row.flags & ROW_TAIL:
        rc = rows_get_tail(s, row.sequence, &tailed.note, &tailed.note_size)
    if rc == 0 and prices_has_tail(_known_price_rule(s, row)):
        if tailed.note_size < FIXED_TAIL_SIZE:
            return MDB_CORRUPTED
        tailed.fixed = tailed.note
        tailed.note += FIXED_TAIL_SIZE
        tailed.note_size -= FIXED_TAIL_SIZE
    return rc


cdef bint _known_same_reference(
    State* s, const Draft* draft, const Row* row, const Tailed* tailed
) noexcept nogil:
    """Whether the row has the reference as it was sent now, or in its canonical form. That is
    by the row's service: a row without one knows no other than what was sent.

    What is sent with a quotation is the citizen's reference, which a bill's row has in its
    tail. It may come again without one."""
    cdef const uint8_t* sent = &draft.row.reference[0]
    cdef const uint8_t* there = &row.reference[0]
    cdef uint8_t[REFERENCE_SIZE] form
    cdef bint quoted = tailed.fixed != NULL and not row.flags & ROW_STATED and (
        _known_price_rule(s, row) == PRICE_BILL
    )
    if draft.respelled:
        sent = &draft.sent[0]
    if quoted:
        there = &(<const BillTail*>tailed.fixed).reference[0]
    if memcmp(sent, there, REFERENCE_SIZE) == 0:
        return True
    if not kinds_is_payment(row.kind) or row.service == 0:
        return False
    memcpy(form, sent, REFERENCE_SIZE)
    return references_canonical(&s.group.services[row.service], form, not quoted) and (
        memcmp(form, there, REFERENCE_SIZE) == 0
    )


cdef bint _known_same_items(State* s, const Draft* draft, const Tailed* tailed) noexcept nogil:
    """Whether a payment by tariff names the same items, in the same order."""
    cdef const TariffTail* sent = <const TariffTail*>draft.fixed
    cdef const TariffTail* there = <const TariffTail*>tailed.fixed
    return draft.items_count == there.items_count and (
        memcmp(sent.items, there.items, ITEMS_MAX * sizeof(ItemLine)) == 0
    )


cdef int _known_compare(State* s, const Draft* draft, const Row* row, int* field) noexcept nogil:
    """The first field in which a request differs from the row that has its id."""
    cdef const Row* wanted = &draft.row
    cdef Tailed tailed
    cdef const uint8_t* item = NULL
    cdef uint32_t size
    cdef bint signed_
    cdef int kind = row.kind
    cdef bint payment = kinds_is_payment(kind)
    cdef bint filled = kinds_is_filled(kind)
    cdef bint noted = kinds_has_note(kind)
    cdef int rc = 0
    field[0] = FIELD_NONE
    memset(&tailed, 0, sizeof(Tailed))
    if noted:
        rc = _known_get_noted_tail(s, row, &tailed)
    if rc == 0:
        rc = signed_find(s, row, &item, &size, &signed_)
    if rc != 0:
        return rc
    # Whether a message pays or holds, and how long, is the register's word and may change.
    cdef bint alike = draft.from_message and payment and kinds_is_payment(wanted.kind)
    if (wanted.kind != kind and not alike) or (wanted.flags ^ row.flags) & ROW_UNFREEZE:
        field[0] = FIELD_KIND
    elif wanted.service != row.service and (
        kinds_is_file(kind) or (payment and row.service != 0)
    ):
        field[0] = FIELD_SERVICE
    elif wanted.amount != row.amount:
        field[0] = FIELD_AMOUNT
    elif kind != KIND_REFUND and not (signed_ and kinds_has_record(kind)) and (
        not _known_same_reference(s, draft, row, &tailed)
    ):
        field[0] = FIELD_REFERENCE
    elif not payment and wanted.operator_ != row.operator_:
        # Whoever at the counter asks again has the answer.
        field[0] = FIELD_OPERATOR
    elif not filled and wanted.debit != row.debit:
        field[0] = FIELD_DEBIT
    elif not filled and not payment and wanted.credit != row.credit:
        field[0] = FIELD_CREDIT
    elif payment and (wanted.flags ^ row.flags) & ROW_TENDER_MASK:
        field[0] = FIELD_TENDER
    elif payment and (wanted.flags ^ row.flags) & ROW_HEAD_MASK:
        field[0] = FIELD_HEAD
    elif wanted.basket != row.basket:
        field[0] = FIELD_BASKET
    elif noted and (
        draft.tail_size != tailed.note_size
        # Without a note there is nowhere to look.
        or (draft.tail_size > 0 and memcmp(draft.tail, tailed.note, draft.tail_size) != 0)
    ):
        # Tails of other kinds are compared by their hash, the reference.
        field[0] = FIELD_NOTE
    elif signed_ and (
        signed_size(draft.tail_size) != size
        or (size > 0 and memcmp(draft.tail, item, size) != 0)
    ):
        field[0] = FIELD_NOTE
    if field[0] != FIELD_NONE:
        return 0
    if wanted.resolves != row.resolves or (
        # A refused one has the row in the way there.
        kinds_has_total(kind)
        and row.result == RESULT_OK and wanted.total != row.total
    ):
        field[0] = FIELD_RESOLVES
    elif wanted.checker != row.checker:
        field[0] = FIELD_CHECKER
    elif wanted.deadline != row.deadline and not alike:
        field[0] = FIELD_DEADLINE
    elif _known_price_rule(s, row) == PRICE_TARIFF and not _known_same_items(
        s, draft, &tailed
    ):
        field[0] = FIELD_ITEMS
    return 0


cdef int _known_find_id(
    State* s, const uint8_t* id, uint32_t participant, uint64_t high, uint64_t low, bint before,
    Row* row, bint* found, uint32_t* others
) noexcept nogil:
    """The row that this sender gave this id to, among those whose keys collide; and how many of
    these are newer. The walk has no bound of its own: what is there has to be found, however
    many of its key another index than the one it was decided with has."""
    cdef uint64_t sequence
    cdef KeyWalk walk
    cdef int rc
    found[0] = False
    others[0] = 0
    lookup_begin(s, &walk, MAP_IDS, high, low, before)
    while True:
        rc = lookup_next(s, &walk, &sequence)
        if rc != 0:
            return 0 if rc == MDB_NOTFOUND else rc
        rc = rows_get(s, sequence, row)
        if rc != 0:
            return rc
        if row.participant == participant and memcmp(row.id, id, 16) == 0:
            found[0] = True
            return 0
        others[0] += 1


cdef int known_find_id(
    State* s, const uint8_t* id, uint32_t participant, Row* row, bint* found
) noexcept nogil:
    """The row that a sender gave an id to, of all that are there."""
    cdef uint64_t high, low
    cdef uint32_t others
    keys_id(s, id, participant, &high, &low)
    return _known_find_id(s, id, participant, high, low, True, row, found, &others)


cdef int known_answer(
    State* s, Draft* draft, Outcome* out, bint* known
) noexcept nogil:
    """Answer a request whose id has an answer already."""
    cdef Row row
    cdef int field
    cdef const Fence* key = &draft.keys[KEYS_ID]
    cdef int rc = _known_find_id(
        s, draft.row.id, draft.row.participant, key.high, key.low, draft.maybe_id, &row, known,
        &draft.id_others,
    )
    if rc != 0 or not known[0]:
        return rc
    rc = _known_compare(s, draft, &row, &field)
    if rc != 0:
        return rc
    if field == FIELD_NONE:
        return answer_row(s, out, &row, True)
    out.result = RESULT_ID_REUSED
    out.field = <uint8_t>field
    out.other = row.sequence
    memcpy(out.other_id, row.id, 16)
    answer_balance(s, out, &draft.row)
    return 0


cdef bint known_is_crowded(
    State* s, const Draft* draft, uint32_t more, Outcome* out
) noexcept nogil:
    """Whether too many other ids have the key of a new one, with so many more of its basket: who
    looks one of them up has to look at all. Then that is its answer, without a row. Asked once
    the id is known to be new."""
    if draft.id_others + more < <uint32_t>IDS_OF_KEY_MAX:
        return False
    native_assert(out.sequence == 0, b"known_is_crowded: it has no row")
    out.result = RESULT_ANOTHER_ID_NEEDED
    s.shared.ids_turned_away += 1
    return True


cdef bint known_basket_is_crowded(
    State* s, const Draft* drafts, uint32_t count, const uint8_t* known, Outcome* outs
) noexcept nogil:
    """The same of a basket: if one of it has such an id, those that are new have answers without
    a row."""
    cdef bint crowded = False
    cdef uint32_t before, i, j
    for i in range(count):
        if known[i]:
            continue
        before = 0
        for j in range(i):
            before += not known[j] and (
                memcmp(&drafts[j].keys[KEYS_ID], &drafts[i].keys[KEYS_ID], sizeof(Fence)) == 0
            )
        outs[i].result = RESULT_INVALID_BASKET
        if known_is_crowded(s, &drafts[i], before, &outs[i]):
            crowded = True
    return crowded
