# What has become of a hold: what ended it, what its biller and people have said since.
#
# A payment that was given back is *in question* while it is unverified, or has an open late
# confirmation: its biller may have credited what its wallet has back. One that was posted is
# *disputed* if that was refunded wholly, and its biller has an open word against it. A
# correction that was undone counts no more, and what undid it counts as a verify.

cdef struct Standing:
    uint64_t end              # what ended the hold, 0 while it is open
    uint64_t confirmed        # the newest case of a late confirmation, 0 for none, as the rest
    uint64_t verified         # the newest verify or undoing
    uint64_t corrected        # the correction, if it was not undone
    uint64_t undone           # the newest undoing
    uint8_t expired           # its deadline ended it


cdef inline bint standing_is_late(const Standing* standing) noexcept nogil:
    """Whether a late confirmation is open."""
    return standing.confirmed > standing.verified and standing.corrected == 0


cdef inline bint standing_is_unverified(const Standing* standing) noexcept nogil:
    return standing.expired and standing.verified == 0 and standing.corrected == 0


cdef inline bint standing_is_in_question(const Standing* standing) noexcept nogil:
    return standing_is_unverified(standing) or standing_is_late(standing)


cdef inline void standing_undo(Standing* standing) noexcept nogil:
    """Let the newest undoing have its say."""
    if standing.undone > standing.corrected:
        standing.corrected = 0
    standing.verified = max(standing.verified, standing.undone)


cdef int standing_get(State* s, uint64_t hold, Standing* out, Row* end) noexcept nogil:
    """Where a hold stands; `end`: the row that ended it, if one has. Of a posted one nothing
    more is read: it is never in question."""
    cdef int rc
    memset(out, 0, sizeof(Standing))
    memset(end, 0, sizeof(Row))
    rc = rows_find_link(s, hold, 0, &out.end)
    if rc != 0 or out.end == 0:
        return rc
    rc = rows_get(s, out.end, end)
    if rc != 0 or end.kind == KIND_POST:
        return rc
    out.expired = end.kind == KIND_EXPIRE
    rc = rows_find_link(s, hold, LINK_CASE + CASE_LATE_CONFIRMATION, &out.confirmed)
    if rc == 0:
        rc = rows_find_link(s, hold, LINK_VERIFY, &out.verified)
    if rc == 0:
        rc = rows_find_link(s, hold, LINK_CORRECTION, &out.corrected)
    if rc == 0 and out.corrected != 0:
        rc = rows_find_link(s, hold, LINK_UNDOING, &out.undone)
    standing_undo(out)
    native_assert(
        rc != 0 or standing_is_unverified(out) == holds_is_unverified(&s.group.holds, hold),
        b"standing_get: the list has what is unverified",
    )
    return rc


cdef int standing_find_word(State* s, uint64_t hold, uint64_t* word) noexcept nogil:
    """The newest word of its biller that people have to judge: the newest case of what it
    has said of a hold, or 0. Whatever else it says leaves nothing to judge."""
    cdef uint64_t[3] links
    cdef uint64_t case_
    cdef int i
    cdef int rc = 0
    links[0] = LINK_CASE + CASE_LATE_CONFIRMATION
    links[1] = LINK_CASE + CASE_LATE_REJECTION
    links[2] = LINK_CASE + CASE_AMOUNT_DIFFERS
    word[0] = 0
    for i in range(3):
        if rc == 0:
            rc = rows_find_link(s, hold, links[i], &case_)
        if rc == 0 and case_ > word[0]:
            word[0] = case_
    return rc


cdef int standing_find_refund(State* s, const Row* final, uint64_t* refund) noexcept nogil:
    """The refund with which all of an accepted pay or post was given back, or 0."""
    cdef Row last
    cdef int rc = rows_find_link(s, final.sequence, 0, refund)
    if rc != 0 or refund[0] == 0:
        return rc
    rc = rows_get(s, refund[0], &last)
    if rc == 0 and last.total < final.amount:
        refund[0] = 0
    return rc


cdef int standing_get_dispute(
    State* s, uint64_t hold, const Row* post, uint64_t* case_, uint64_t* closed
) noexcept nogil:
    """The newest case of another amount than was posted, if all of that was refunded, or 0;
    and who closed it, or 0. While nobody has, the payment is *disputed*: its biller says that
    it has credited what its wallet has back."""
    cdef uint64_t refund
    cdef int rc = rows_find_link(s, hold, LINK_CASE + CASE_AMOUNT_DIFFERS, case_)
    closed[0] = 0
    if rc == 0 and case_[0] < post.sequence:
        # It was about what was held, and its post has answered that.
        case_[0] = 0
    if rc != 0 or case_[0] == 0:
        return rc
    rc = standing_find_refund(s, post, &refund)
    if rc == 0 and refund == 0:
        case_[0] = 0
    if rc != 0 or case_[0] == 0:
        return rc
    return rows_find_link(s, case_[0], 0, closed)
