# What core/log_api.h declares.

from libc.stdint cimport uint8_t, uint32_t

cdef extern from "core/log_api.h":
    enum:
        LOG_API_VERSION
        LOG_DONE, LOG_FENCED, LOG_UNKNOWN

    const char* LOG_API_NAME

    ctypedef struct LogApi "struct log_api":
        uint32_t version
        void* log
        int (*append)(void*, const uint8_t*, size_t) noexcept nogil
