# What a kind of row is: one table. Nothing follows from the order of the numbers.
#
# Rules ask here what a kind is, and name a kind only where they are about that one. The
# bits are explained in codes.pxd; switch/codes.py has the same table for Python.

cdef enum:  # what several kinds have in common
    KINDS_MONEY = TRAIT_MONEY | TRAIT_DEBIT | TRAIT_CREDIT
    KINDS_ASKED = TRAIT_ID | TRAIT_ASKED
    KINDS_TOLD = TRAIT_TOTAL | TRAIT_FILLED


cdef inline uint32_t kinds_traits(uint64_t kind) noexcept nogil:
    """The bits of a kind, 0 of a number that is none; compiled into a table.

    Of 64 bits, as the `total` of a proposal that names a kind is.
    """
    if kind == KIND_PAY:
        return (
            KINDS_ASKED | KINDS_MONEY | TRAIT_PAYMENT | TRAIT_POSTED | TRAIT_FINAL | TRAIT_CLAIM
            | TRAIT_REFERENCE | TRAIT_AMOUNT
        )
    elif kind == KIND_HOLD:
        return (
            KINDS_ASKED | KINDS_MONEY | TRAIT_PAYMENT | TRAIT_CLAIM | TRAIT_REFERENCE
            | TRAIT_AMOUNT
        )
    elif kind == KIND_POST:
        return (
            KINDS_MONEY | TRAIT_ASKED | TRAIT_POSTED | TRAIT_FINAL | TRAIT_RESOLVES | TRAIT_LINK
            | TRAIT_AMOUNT | TRAIT_PROPOSED
        )
    elif kind == KIND_VOID:
        return KINDS_MONEY | TRAIT_ASKED | TRAIT_RESOLVES | TRAIT_LINK | TRAIT_PROPOSED
    elif kind == KIND_EXPIRE:
        return KINDS_MONEY | TRAIT_RESOLVES | TRAIT_LINK
    elif kind == KIND_REFUND:
        return (
            KINDS_ASKED | KINDS_MONEY | TRAIT_POSTED | TRAIT_LINK | TRAIT_AMOUNT | TRAIT_FILLED
            | TRAIT_PROPOSED
        )
    elif kind == KIND_TOP_UP:
        return (
            KINDS_ASKED | KINDS_MONEY | TRAIT_POSTED | TRAIT_CLAIM | TRAIT_REFERENCE
            | TRAIT_AMOUNT | TRAIT_LINE
        )
    elif kind == KIND_TRANSFER:
        return (
            KINDS_ASKED | KINDS_MONEY | TRAIT_POSTED | TRAIT_REFERENCE | TRAIT_AMOUNT
            | TRAIT_PROPOSED | TRAIT_LINE
        )
    elif kind == KIND_WINDOW:
        return TRAIT_ASKED | TRAIT_LINK
    elif kind == KIND_SETTLE:
        return KINDS_ASKED | KINDS_MONEY | TRAIT_POSTED | TRAIT_AMOUNT | TRAIT_LINE
    elif kind == KIND_OPEN:
        return KINDS_ASKED | TRAIT_DEBIT | TRAIT_RECORD | TRAIT_FILLED | TRAIT_INDEX | TRAIT_LINE
    elif kind == KIND_LIMIT:
        return KINDS_ASKED | TRAIT_DEBIT | TRAIT_RECORD | TRAIT_LINE
    elif kind == KIND_FREEZE:
        return KINDS_ASKED | TRAIT_DEBIT | TRAIT_REFERENCE | TRAIT_LINE
    elif kind == KIND_CLOSE:
        return KINDS_ASKED | TRAIT_DEBIT | TRAIT_REFERENCE | TRAIT_LINE
    elif kind == KIND_REGISTER:
        return KINDS_ASKED | TRAIT_RECORD | TRAIT_FILLED | TRAIT_INDEX | TRAIT_LINE
    elif kind == KIND_CASE:
        return TRAIT_DEBIT | TRAIT_CREDIT
    elif kind == KIND_CASE_CLOSE:
        return (
            KINDS_ASKED | TRAIT_DEBIT | TRAIT_CREDIT | TRAIT_LINK | TRAIT_REFERENCE
            | TRAIT_SPEAKS | TRAIT_FILLED | TRAIT_PROPOSED
        )
    elif kind == KIND_PROPOSE:
        return (
            KINDS_ASKED | TRAIT_REFERENCE | TRAIT_AMOUNT | TRAIT_TOTAL | TRAIT_SPEAKS
            | TRAIT_APPROVED
        )
    elif kind == KIND_APPROVE:
        return KINDS_ASKED | TRAIT_LINK | TRAIT_SPEAKS
    elif kind == KIND_SHIFT:
        return KINDS_ASKED | TRAIT_RECORD | TRAIT_APPROVED
    elif kind == KIND_VERIFY:
        return TRAIT_ASKED | TRAIT_DEBIT | TRAIT_CREDIT | TRAIT_PROPOSED
    elif kind == KIND_WITHDRAW:
        return KINDS_ASKED | TRAIT_LINK | TRAIT_REFERENCE | TRAIT_SPEAKS
    elif kind == KIND_REQUEST:
        return KINDS_ASKED | TRAIT_AMOUNT
    elif kind == KIND_BOOKED:
        return (
            KINDS_ASKED | KINDS_MONEY | TRAIT_POSTED | TRAIT_CLAIM | TRAIT_REFERENCE
            | TRAIT_AMOUNT | TRAIT_FILLED | TRAIT_LINE
        )
    elif kind == KIND_COMPLAINT:
        return KINDS_ASKED | KINDS_TOLD | TRAIT_SPEAKS | TRAIT_INDEX
    elif kind == KIND_REPLY:
        return KINDS_ASKED | KINDS_TOLD | TRAIT_SPEAKS | TRAIT_LINK
    elif kind == KIND_BILLS:
        return KINDS_ASKED | TRAIT_RECORD | TRAIT_SPEAKS
    elif kind == KIND_HANDED_OUT:
        return KINDS_ASKED | TRAIT_AMOUNT
    elif kind == KIND_SIGNED_OFF:
        return KINDS_ASKED
    return 0


cdef inline bint kinds_has_id(uint64_t kind) noexcept nogil:
    return (kinds_traits(kind) & TRAIT_ID) != 0


cdef inline bint kinds_may_be_asked(uint64_t kind) noexcept nogil:
    return (kinds_traits(kind) & TRAIT_ASKED) != 0


cdef inline bint kinds_is_payment(uint64_t kind) noexcept nogil:
    return (kinds_traits(kind) & TRAIT_PAYMENT) != 0


cdef inline bint kinds_moves_money(uint64_t kind) noexcept nogil:
    return (kinds_traits(kind) & TRAIT_MONEY) != 0


cdef inline bint kinds_posts(uint64_t kind) noexcept nogil:
    return (kinds_traits(kind) & TRAIT_POSTED) != 0


cdef inline bint kinds_is_final(uint64_t kind) noexcept nogil:
    return (kinds_traits(kind) & TRAIT_FINAL) != 0


cdef inline bint kinds_changes_debit(uint64_t kind) noexcept nogil:
    return (kinds_traits(kind) & TRAIT_DEBIT) != 0


cdef inline bint kinds_changes_credit(uint64_t kind) noexcept nogil:
    return (kinds_traits(kind) & TRAIT_CREDIT) != 0


cdef inline bint kinds_resolves_hold(uint64_t kind) noexcept nogil:
    return (kinds_traits(kind) & TRAIT_RESOLVES) != 0


cdef inline bint kinds_may_claim(uint64_t kind) noexcept nogil:
    return (kinds_traits(kind) & TRAIT_CLAIM) != 0


cdef inline bint kinds_links(uint64_t kind) noexcept nogil:
    return (kinds_traits(kind) & TRAIT_LINK) != 0


cdef inline bint kinds_takes_reference(uint64_t kind) noexcept nogil:
    return (kinds_traits(kind) & TRAIT_REFERENCE) != 0


cdef inline bint kinds_says_reference(uint64_t kind) noexcept nogil:
    """Whether its reference is the word of who asks for it, and not the ledger's of its item."""
    return (kinds_traits(kind) & (TRAIT_REFERENCE | TRAIT_SPEAKS)) != 0


cdef inline bint kinds_has_record(uint64_t kind) noexcept nogil:
    return (kinds_traits(kind) & TRAIT_RECORD) != 0


cdef inline bint kinds_has_amount(uint64_t kind) noexcept nogil:
    return (kinds_traits(kind) & TRAIT_AMOUNT) != 0


cdef inline bint kinds_has_total(uint64_t kind) noexcept nogil:
    return (kinds_traits(kind) & TRAIT_TOTAL) != 0


cdef inline bint kinds_speaks(uint64_t kind) noexcept nogil:
    return (kinds_traits(kind) & TRAIT_SPEAKS) != 0


cdef inline bint kinds_is_said(uint64_t kind) noexcept nogil:
    """What a person says about a row, and is no more than that: a propose, approve, withdraw."""
    return (kinds_traits(kind) & (TRAIT_SPEAKS | TRAIT_FILLED | TRAIT_RECORD)) == TRAIT_SPEAKS


cdef inline bint kinds_is_filled(uint64_t kind) noexcept nogil:
    return (kinds_traits(kind) & TRAIT_FILLED) != 0


cdef inline bint kinds_gives_index(uint64_t kind) noexcept nogil:
    return (kinds_traits(kind) & TRAIT_INDEX) != 0


cdef inline bint kinds_is_told(uint64_t kind) noexcept nogil:
    """Whether it is part of the life of a complaint, whose number its debit is."""
    return (kinds_traits(kind) & KINDS_TOLD) == KINDS_TOLD


cdef inline bint kinds_is_file(uint64_t kind) noexcept nogil:
    """Whether it says of a file what it is, behind the row of the one before."""
    return (kinds_traits(kind) & (TRAIT_SPEAKS | TRAIT_RECORD)) == TRAIT_SPEAKS | TRAIT_RECORD


cdef inline bint kinds_has_note(uint64_t kind) noexcept nogil:
    """Whether its tail is, or ends with, what somebody has written for others."""
    return kinds_is_payment(kind) or kinds_is_told(kind)


cdef inline bint kinds_is_about_no_account(uint64_t kind) noexcept nogil:
    """Whether its debit is the number of something that is no account."""
    return kinds_is_filled(kind) and not kinds_changes_debit(kind)


cdef inline bint kinds_may_be_proposed(uint64_t total) noexcept nogil:
    """What a propose may ask for: a kind, an advance, or lines."""
    return total == PROPOSE_ADVANCE or total == PROPOSE_LINES or (
        (kinds_traits(total) & TRAIT_PROPOSED) != 0
    )


cdef inline bint kinds_may_be_line(uint64_t kind) noexcept nogil:
    return (kinds_traits(kind) & TRAIT_LINE) != 0


cdef inline bint kinds_may_be_approved(uint64_t kind) noexcept nogil:
    return (kinds_traits(kind) & TRAIT_APPROVED) != 0
