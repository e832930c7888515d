# Margins: how long before its deadline no biller credits a payment any more. A row says it from
# there on, for all billers and for some by name. Whoever is held before a change goes by the row
# before it; what billers are asked by is nothing to the core.

cdef bint _margins_is_one(uint32_t margin_ms) noexcept nogil:
    return MARGIN_LEAST_MS <= margin_ms <= MARGIN_MOST_MS


cdef bint margins_record_is_valid(const uint8_t* tail, uint32_t size) noexcept nogil:
    """Each setting has one form: ascending billers, none with the margin of all others."""
    cdef const MarginRecord* record = <const MarginRecord*>tail
    cdef const BillerMargin* each = <const BillerMargin*>(tail + sizeof(MarginRecord))
    cdef uint32_t i
    if size < sizeof(MarginRecord) or record.count > MARGINS_MAX:
        return False
    if size < sizeof(MarginRecord) + record.count * sizeof(BillerMargin):
        return False
    if not _margins_is_one(record.margin_ms):
        return False
    if not keys_is_zero(record.reserved_0, 3) or not keys_is_zero(record.reserved_1, 4):
        return False
    for i in range(record.count):
        if not _margins_is_one(each[i].margin_ms) or each[i].margin_ms == record.margin_ms:
            return False
        if not keys_is_zero(each[i].reserved, 4):
            return False
        if not keys_code_is_valid(each[i].code, CODE_MAX, False):
            return False
        if i > 0 and memcmp(each[i - 1].code, each[i].code, CODE_MAX) >= 0:
            return False
    return True


cdef bint margins_may_say(const Row* row, const uint8_t* tail) noexcept nogil:
    """Whether a register row has none of these records, or the switch itself asks for it."""
    return tail[0] != RECORD_MARGIN or (row.participant == 0 and row.operator_ == 0)
