# What the index knows of the register and of complaints, at an opening: which row speaks of
# each last.

cdef inline bint _recall_is_of(
    const Row* row, const uint8_t* tail, uint32_t size, uint8_t kind
) noexcept nogil:
    """Whether a row speaks of something of this kind of record."""
    if kind == RECORDS_COMPLAINT:
        return kinds_is_told(row.kind)
    return row.kind == KIND_REGISTER and size > 0 and tail[0] == kind


cdef int _recall_get_record(
    State* s, MDB_txn* txn, Walk* walk, uint8_t kind, uint32_t index, const Row** row,
    const uint8_t** tail
) noexcept nogil:
    """The row that speaks of a record last, by the index. MDB_NOTFOUND only of a statement:
    not each bank account has one."""
    cdef uint8_t[5] name
    cdef uint32_t swapped = native_swap32(index)
    cdef uint32_t size = 0
    cdef uint64_t sequence
    cdef MDB_val key, value
    cdef int rc
    name[0] = kind
    memcpy(&name[1], &swapped, 4)
    key.mv_size = 5
    key.mv_data = name
    rc = mdb_get(txn, s.config.records, &key, &value)
    if rc == MDB_NOTFOUND and kind == RECORD_STATEMENT:
        return rc
    rc = damage_of(rc)
    if rc == 0 and value.mv_size != 8:
        rc = RC_INDEX
    if rc != 0:
        return rc
    memcpy(&sequence, value.mv_data, 8)
    if sequence == 0 or sequence > s.index.head.as_of:
        return RC_INDEX
    if kind == RECORDS_COMPLAINT:
        # Its note says nothing to memory, and those that were replied to lie in any order.
        tail[0] = NULL
        rc = store_get_row(walk.reader, sequence, row)
    else:
        # Most were registered in this order, so that the walk goes on.
        rc = store_walk_to(walk, sequence, row, tail, &size)
    if rc != 0:
        return MDB_CORRUPTED if rc == MDB_NOTFOUND else rc
    if row[0].debit != index or not _recall_is_of(row[0], tail[0], size, kind):
        return RC_INDEX
    return 0 if effect_is_within(row[0], tail[0], size) else MDB_CORRUPTED


cdef uint32_t _recall_most(uint8_t kind) noexcept nogil:
    """Places of a kind of record, the unused 0 included."""
    if kind == RECORD_PARTICIPANT:
        return PARTICIPANTS_MAX
    elif kind == RECORD_SERVICE:
        return SERVICES_MAX
    elif kind == RECORD_PERSON:
        return PEOPLE_MAX
    elif RECORD_BANK_ACCOUNT <= kind <= RECORD_STATEMENT:
        return BANK_ACCOUNTS_MAX
    elif kind == RECORD_BENEFICIARY:
        return BENEFICIARIES_MAX
    elif kind == RECORD_OPERATOR:
        return OPERATORS_MAX
    elif kind == RECORDS_COMPLAINT:
        return COMPLAINTS_MAX
    elif RECORD_REVOCATION <= kind <= RECORD_BUDGET:
        return NOTED_MAX
    return SINGLE_RECORDS_MAX


cdef int _recall_records(
    State* s, MDB_txn* txn, Walk* walk, uint8_t kind
) noexcept nogil:
    """The rows of one kind of record, in the order of their index: as many as `meta` says,
    and the very ones that it has summed."""
    cdef uint64_t last = s.index.head.records_count[kind]
    cdef uint64_t count = 0
    cdef uint64_t sum_ = 0
    cdef uint32_t index
    cdef const Row* row
    cdef const uint8_t* tail
    cdef int rc
    if kind == RECORD_STATEMENT:
        last = s.index.head.records_count[RECORD_BANK_ACCOUNT]
    if last >= _recall_most(kind):
        return RC_INDEX
    for index in range(1, <uint32_t>last + 1):
        rc = _recall_get_record(s, txn, walk, kind, index, &row, &tail)
        if rc == MDB_NOTFOUND:
            continue
        if rc != 0:
            return rc
        count += 1
        sum_ += indexer_record_mark(index, row.sequence)
        if kind == RECORDS_COMPLAINT:
            complaints_apply(s, row)
        else:
            register_apply(s, row, tail)
    if count != s.index.head.records_count[kind] or sum_ != s.index.head.records_sum[kind]:
        return RC_INDEX
    return 0


cdef int _recall_into_images(
    State* s, MDB_txn* txn, Walk* walk, uint8_t kind, uint32_t size
) noexcept nogil:
    """What the images need of all records of a kind, each of which is at least so long."""
    cdef uint64_t last = s.index.head.records_count[kind]
    cdef uint32_t index
    cdef const Row* row
    cdef const uint8_t* tail
    cdef int rc
    if last >= _recall_most(kind):
        return RC_INDEX
    for index in range(1, <uint32_t>last + 1):
        rc = _recall_get_record(s, txn, walk, kind, index, &row, &tail)
        if rc != 0:
            return rc
        effect_apply(&s.index.images, row, NULL, tail, size)
    return 0


cdef int recall_fixed(State* s, MDB_txn* txn) noexcept nogil:
    """What of each service never changes, for the claims of the steps to come, and of each
    beneficiary, for its payouts. Any of its records says it. And by which rules they go on."""
    cdef Walk walk
    cdef int rc
    store_begin_walk(&walk, &s.group.reader)
    rc = _recall_into_images(s, txn, &walk, RECORD_SERVICE, sizeof(ServiceRecord))
    if rc == 0:
        rc = _recall_into_images(s, txn, &walk, RECORD_BENEFICIARY, sizeof(BeneficiaryRecord))
    if rc == 0:
        rc = _recall_into_images(s, txn, &walk, RECORD_RULES, sizeof(RulesRecord))
    return rc


cdef int recall_register(State* s, MDB_txn* txn) noexcept nogil:
    """The register and complaints, as of the index."""
    cdef Walk walk
    cdef int kind
    cdef int rc = 0
    store_begin_walk(&walk, &s.group.reader)
    # A confirmation speaks of a revocation, and both of participants, a statement of its bank.
    for kind in range(RECORD_PARTICIPANT, RECORD_OPERATOR + 1):
        if rc == 0:
            rc = _recall_records(s, txn, &walk, <uint8_t>kind)
    return rc
