# What a participant may be allowed in place of its role's default: bounds of the numbers.

cdef uint64_t budgets_least(uint8_t budget) noexcept nogil:
    """The least that a budget may be: there is always room for one."""
    if budget == BUDGET_PAYMENTS_AT_ONCE or budget == BUDGET_REFUSALS_AT_ONCE:
        return BASKET_MAX
    if budget == BUDGET_BYTES:
        return 1 << 20
    return 1


cdef uint64_t budgets_most(uint8_t budget) noexcept nogil:
    """The most that a budget may be; 0 of what is none."""
    if budget == BUDGET_PAYMENTS_PER_S or budget == BUDGET_PAYMENTS_AT_ONCE:
        return 10000000
    elif budget == BUDGET_READS_PER_S or budget == BUDGET_READS_AT_ONCE:
        return 1000000
    elif budget == BUDGET_FETCHES_PER_S or budget == BUDGET_FETCHES_AT_ONCE:
        return 1000000
    elif budget == BUDGET_CONNECTIONS or budget == BUDGET_FEEDS:
        return 100000
    elif budget == BUDGET_CALLS:
        return 1 << 20
    elif budget == BUDGET_BYTES:
        return <uint64_t>1 << 40
    elif budget == BUDGET_WATCHES:
        return 10000000
    elif budget == BUDGET_REFUSALS_PER_S or budget == BUDGET_REFUSALS_AT_ONCE:
        return 1000000
    return 0


cdef bint budgets_record_is_valid(const uint8_t* tail, uint32_t size) noexcept nogil:
    cdef const BudgetRecord* record = <const BudgetRecord*>tail
    cdef uint64_t most
    if size < sizeof(BudgetRecord) or record.participant == 0:
        return False
    most = budgets_most(record.budget)
    return most != 0 and keys_is_zero(record.reserved, 2) and (
        record.value == 0 or budgets_least(record.budget) <= record.value <= most
    )
