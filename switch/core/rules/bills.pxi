# Bills that are put in: of each file one row, so that it is the one which was put in, and in
# its turn. What lies in the file is nothing to the core.

cdef bint bills_record_is_valid(const uint8_t* tail, uint32_t size) noexcept nogil:
    cdef const BillsRecord* record = <const BillsRecord*>tail
    return (
        size >= sizeof(BillsRecord)
        and BILLS_FORM_FULL <= record.form <= BILLS_FORM_WITHDRAWAL
        and record.count <= BILLS_COUNT_MAX and record.amount <= AMOUNT_MAX
        and (record.count != 0 or record.form == BILLS_FORM_FULL)
        and (record.amount == 0 or (record.count != 0 and record.form != BILLS_FORM_WITHDRAWAL))
        and keys_is_zero(record.reserved_0, 3) and keys_is_zero(record.reserved_1, 16)
    )


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
    if record.price_rule != PRICE_BILL:
        result[0] = RESULT_RULE_FIXED
        return 0
    rc = rows_find_link(s, row.service, LINK_BILLS, &newest)
    if rc != 0:
        return rc
    result[0] = RESULT_OK
    if row.resolves != newest:
        result[0] = RESULT_ALREADY_FOLLOWED
        other[0] = newest
    return 0
