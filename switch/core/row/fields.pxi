# What is packed into a row's fields: place and size in a basket, head, tender.

cdef inline uint32_t fields_basket_index(const Row* row) noexcept nogil:
    """Place in its basket, from 0; 0 outside one."""
    return row.basket & 0xFF


cdef inline uint32_t fields_basket_size(const Row* row) noexcept nogil:
    """Payments of its basket, 0 outside one. What comes from a disk may have more than
    BASKET_MAX."""
    return row.basket >> 8


cdef inline uint16_t fields_basket(uint32_t size, uint32_t index) noexcept nogil:
    return <uint16_t>((size << 8) | (index & 0xFF))


cdef inline uint64_t fields_basket_lead(const Row* row) noexcept nogil:
    """Sequence of the first row of its basket, which stand side by side; its own outside."""
    return row.sequence - fields_basket_index(row)


cdef inline bint fields_needs_third(const Row* row) noexcept nogil:
    """A proposal that a third person must approve. Of other rows the bit says other things."""
    return row.kind == KIND_PROPOSE and row.flags & ROW_THIRD != 0


cdef inline bint fields_is_of_channel(const Row* row) noexcept nogil:
    """A proposal that a bank's channel signed: what its lines say needs no approval."""
    return row.kind == KIND_PROPOSE and row.flags & ROW_EVIDENCE != 0


cdef inline bint fields_is_recovery(const Row* row) noexcept nogil:
    """A proposal that a recoverer signed. Of holds and cases the bit says other things."""
    return row.kind == KIND_PROPOSE and row.flags & ROW_RECOVERY != 0


cdef inline uint32_t fields_head(const Row* row) noexcept nogil:
    """Which of its service's heads of account it pays."""
    return (row.flags & ROW_HEAD_MASK) >> ROW_HEAD_SHIFT


cdef inline void fields_set_head(Row* row, uint32_t head) noexcept nogil:
    row.flags &= <uint16_t>(~ROW_HEAD_MASK & 0xFFFF)
    row.flags |= <uint16_t>(head << ROW_HEAD_SHIFT)


cdef inline uint32_t fields_tender(const Row* row) noexcept nogil:
    """TENDER_...; of a template it may be none of them."""
    return (row.flags & ROW_TENDER_MASK) >> ROW_TENDER_SHIFT


cdef inline void fields_set_tender(Row* row, uint32_t tender) noexcept nogil:
    row.flags &= <uint16_t>(~ROW_TENDER_MASK & 0xFFFF)
    row.flags |= <uint16_t>(tender << ROW_TENDER_SHIFT)
