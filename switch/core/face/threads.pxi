# The ledger's own threads, as Python starts them. Part of _core.pyx.

def _run_index(Ledger ledger):
    """The index writer's thread; a failed step has killed the ledger."""
    cdef State* s = ledger.s
    cdef uint64_t looked = native_monotonic_ns()
    with nogil:
        while not s.shared.stopping:
            pace_rest(s, pace_round(s))
            if native_monotonic_ns() - looked > READERS_CHECK_NS:
                looked = native_monotonic_ns()
                reads_forget_dead(s)


def _run_reserve(Ledger ledger):
    """The reserve's thread; a failure is kept in `space_failed` and tried again."""
    cdef State* s = ledger.s
    with nogil:
        while not s.shared.stopping:
            reserve_wait(s)


def _run_watch(Ledger ledger):
    """The watch's thread: whether the two others, and who commits, come back from LMDB."""
    with nogil:
        watch_run(ledger.s)
