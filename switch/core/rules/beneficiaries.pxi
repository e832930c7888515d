# Beneficiaries: to which account at a bank the money of a biller account is paid out.
#
# Index 0 is nobody's. One is found by its biller account, which never changes; where the money
# goes stands in its newest row and is nothing to the core.

cdef bint _beneficiaries_ifsc_is_valid(const uint8_t* ifsc) noexcept nogil:
    """[A-Z]{4}0[A-Z0-9]{6}, zero-padded."""
    cdef uint32_t i
    for i in range(<uint32_t>IFSC_SIZE):
        if not (65 <= ifsc[i] <= 90 or (i > 4 and 48 <= ifsc[i] <= 57) or i == 4):
            return False
    return ifsc[4] == 48 and keys_is_zero(ifsc + IFSC_SIZE, 16 - IFSC_SIZE)


cdef bint beneficiaries_record_is_valid(const uint8_t* tail, uint32_t size) noexcept nogil:
    cdef const BeneficiaryRecord* record = <const BeneficiaryRecord*>tail
    return (
        size >= sizeof(BeneficiaryRecord)
        and record.active <= 1 and record.account != 0
        and banks_number_is_valid(record.number)
        and _beneficiaries_ifsc_is_valid(record.ifsc)
        and keys_is_zero(record.reserved, 2)
    )


cdef inline bint beneficiaries_are(const State* s) noexcept nogil:
    """Whether this is a ledger with beneficiaries."""
    return s.group.beneficiaries_count > 1


cdef uint32_t beneficiaries_find(const State* s, uint32_t account) noexcept nogil:
    """Index of the beneficiary of a biller account, or 0."""
    return s.group.beneficiary_of[account] if account < ACCOUNTS_MAX else 0


cdef uint64_t beneficiaries_wait_ns(const State* s) noexcept nogil:
    """How long a beneficiary's newest row is seen by all before money goes there."""
    cdef uint64_t wait_s = s.group.thresholds.wait_s
    return (wait_s if wait_s != 0 else BENEFICIARY_WAIT_S) * <uint64_t>1000000000


cdef void beneficiaries_apply(State* s, const Row* row, const uint8_t* tail) noexcept nogil:
    """Note an accepted register row of a beneficiary."""
    cdef const BeneficiaryRecord* record = <const BeneficiaryRecord*>tail
    cdef Beneficiary* beneficiary = &s.group.beneficiaries[row.debit]
    native_assert(
        0 < row.debit and row.debit < BENEFICIARIES_MAX, b"beneficiaries_apply: it has a place"
    )
    native_assert(record.account < ACCOUNTS_MAX, b"beneficiaries_apply: of an account")
    native_assert(beneficiary.sequence < row.sequence, b"beneficiaries_apply: the newest counts")
    s.group.beneficiaries_count = max(s.group.beneficiaries_count, row.debit + 1)
    s.group.beneficiary_of[record.account] = row.debit
    beneficiary.sequence = row.sequence
    beneficiary.active = record.active


cdef void beneficiaries_publish(State* s, const Row* row) noexcept nogil:
    """A row of a beneficiary is durable."""
    if row.debit < s.group.beneficiaries_count and (
        s.group.beneficiaries[row.debit].sequence == row.sequence
    ):
        s.group.beneficiaries[row.debit].durable = row.sequence


cdef void beneficiaries_publish_all(State* s) noexcept nogil:
    """All that memory knows is durable."""
    cdef uint32_t i
    for i in range(s.group.beneficiaries_count):
        s.group.beneficiaries[i].durable = s.group.beneficiaries[i].sequence
