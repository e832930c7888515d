# What core/fault.h offers.

from libc.stdint cimport uint64_t

cdef extern from "core/fault.h" nogil:
    int FAULT_INDEX
    int FAULT_JOURNAL
    const char* FAULT_INDEX_MARK
    const char* FAULT_WALK_MARK
    ctypedef struct FaultPlace:
        int directory
        int parts
        uint64_t turns
    FaultPlace* fault_enter(FaultPlace* place)
    void fault_leave(FaultPlace* before)
    FaultPlace* fault_enter_writing(FaultPlace* place)
    void fault_leave_writing(FaultPlace* before, FaultPlace* place)
    void fault_mark(int directory, const char* name)
    void fault_unmark(int directory, const char* name)
    int fault_set_handlers()
