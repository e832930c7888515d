# How many refusals of a participant become rows.
#
# A refused row is for ever, as any other, and costs its sender nothing: without a bound one
# certificate fills the disk. Each participant may have so many at once, and so many a second
# (a bucket that leaks evenly, kept as the time at which it is empty). What is beyond has an
# answer and no row: its id stays free. Ids that are known have had their answers before.
# A role's bound is the server's to set, and where it sets none the register's budgets of a
# participant bound nothing either: they say other numbers.

cdef bint refusals_take(State* s, uint32_t participant, uint32_t count) noexcept nogil:
    """Whether so many refusals may be recorded of what a participant sent now; then they are
    counted. Time is that of the rows, which never goes back."""
    cdef Participant* sender
    cdef const RefusalBudget* budget
    cdef uint64_t interval_ns, at_once, now, until
    if participant == 0 or participant >= s.group.participants_count:
        return True
    sender = &s.group.participants[participant]
    native_assert(sender.role < ROLES_COUNT, b"refusals_take: a role")
    budget = &s.shared.refusals[sender.role]
    if budget.per_s == 0:
        return True
    interval_ns = 1000000000 // (
        sender.refusals_per_s if sender.refusals_per_s != 0 else budget.per_s
    )
    at_once = sender.refusals_at_once if sender.refusals_at_once != 0 else budget.at_once
    now = rows_time(s)
    until = max(sender.refused_until, now) + count * interval_ns
    if until - now > interval_ns * at_once:
        s.shared.refusals_turned_away += count
        return False
    sender.refused_until = until
    return True
