/* The core's own C, as Cython has made it for every build: whatever is not called is left
   out, and with it all that needs Python. */

#ifndef TESTS_FUZZ_CORE_H
#define TESTS_FUZZ_CORE_H

#define PyMODINIT_FUNC __attribute__((unused)) static PyObject *
#include "_core.c"

#include "crc.h"

#define CORE(name) __pyx_f_6switch_5_core_##name

typedef struct __pyx_t_6switch_4core_5state_Draft Draft;
typedef struct __pyx_t_6switch_4core_5state_State State;
typedef struct __pyx_t_6switch_4core_6layout_Chunk Chunk;
typedef struct __pyx_t_6switch_4core_6layout_Row Row;

#endif
