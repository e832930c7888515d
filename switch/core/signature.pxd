# What core/signature.h offers.

from libc.stdint cimport uint8_t

cdef extern from "core/signature.h" nogil:
    int signature_is_right(const uint8_t* key, const uint8_t* signature, const uint8_t* hash)
