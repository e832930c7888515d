# Bills that are put in: of each file one row, so that it is the one which was put in, and in
# its turn. What lies in the file is nothing to the core.

cdef bint bills_record_is_valid(const uint8_t* tail, uint32_t size) noexcept nogil:
    cdef const BillsRecord* record = <const BillsRecord*>tail
    return (
        size >= sizeof(BillsRecord)
        and BILLS_FORM_FULL <= record.form <= BILLS_FORM_ADDITION
        and record.count <= BILLS_COUNT_MAX and record.amount <= AMOUNT_MAX
        and (record.count != 0 or record.form == BILLS_FORM_FULL)
        and (record.amount == 0 or (record.count != 0 and record.form != BILLS_FORM_WITHDRAWAL))
        and keys_is_zero(record.reserved_0, 3) and keys_is_zero(record.reserved_1, 16)
    )


cdef int _bills_newest(State* s, uint16_t service, uint64_t* newest) noexcept nogil:
    """The newest file of a service, of whatever form; 0 if there is none."""
    cdef uint64_t addition
    cdef int rc = rows_find_link(s, service, LINK_BILLS, newest)
    if rc != 0:
        return rc
    rc = rows_find_link(s, service, LINK_ADDITION, &addition)
    if addition > newest[0]:
        newest[0] = addition
    return rc


cdef int bills_keep_rule(
    State* s, Row* row, const uint8_t* tail, int* result
) noexcept nogil:
    """A register row that is right otherwise: by which rule bills are paid stays once a file
    was put in, which said what is due by that rule."""
    cdef const ServiceRecord* record = <const ServiceRecord*>tail
    cdef uint64_t newest = 0
    cdef int rc
    if (
        tail[0] != RECORD_SERVICE or not row.flags & ROW_UPDATE
        or record.amount_rule == s.group.services[row.debit].record.amount_rule
    ):
        return 0
    rc = _bills_newest(s, <uint16_t>row.debit, &newest)
    if newest != 0 and not native_planted(b"amount_rules_stay"):
        result[0] = RESULT_RULE_FIXED
        row.debit = 0
        row.flags &= <uint16_t>(~ROW_UPDATE & 0xFFFF)
    return rc


cdef int bills_renewed(State* s, uint16_t service, uint64_t* time) noexcept nogil:
    """When a file was put in last that does more than add; 0: never. What was fetched until
    then does not pay. It is looked up once, and again behind each file."""
    cdef Service* known = &s.group.services[service]
    cdef uint64_t sequence
    cdef Row row
    cdef int rc = 0
    if not known.files_known:
        rc = rows_find_link(s, service, LINK_BILLS, &sequence)
        row.timestamp = 0
        if rc == 0 and sequence != 0:
            rc = rows_get(s, sequence, &row)
        if rc != 0:
            return rc
        known.renewed = row.timestamp
        known.files_known = 1
    time[0] = known.renewed
    return 0


cdef int bills_decide(State* s, const Row* row, int* result, uint64_t* other) noexcept nogil:
    """A file of its sender's service, behind the one that it names and that no other follows."""
    cdef const ServiceRecord* record
    cdef uint64_t newest
    cdef int rc
    result[0] = RESULT_SERVICE_UNKNOWN
    if row.service == 0 or row.service >= s.group.services_count:
        return 0
    record = &s.group.services[row.service].record
    if record.biller != row.participant:
        return 0
    # Of bills that are paid in part or again a file would go on saying what is paid.
    if (
        record.price_rule != PRICE_BILL or record.duplicate_rule != DUPLICATE_ONCE
        or record.amount_rule == AMOUNT_EXACT_AND_BELOW
    ):
        result[0] = RESULT_RULE_FIXED
        return 0
    rc = _bills_newest(s, row.service, &newest)
    if rc != 0:
        return rc
    result[0] = RESULT_OK
    if row.resolves != newest:
        result[0] = RESULT_ALREADY_FOLLOWED
        other[0] = newest
    return 0
