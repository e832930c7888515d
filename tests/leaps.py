"""A wall clock that a test sets for other processes; the machine's own stays."""

import os
import struct
import subprocess
from pathlib import Path

SOURCE = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

static const volatile int64_t *ahead_s;

__attribute__((constructor)) static void begin(void) {
    int file = open(getenv("LEAP_FILE"), O_RDONLY);
    ahead_s = mmap(NULL, 8, PROT_READ, MAP_SHARED, file, 0);
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real)
        real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    int rc = real(clock, now);
    if (rc == 0 && clock == CLOCK_REALTIME && ahead_s)
        now->tv_sec += *ahead_s;
    return rc;
}
"""


class Leaps:
    """What a process reads as wall time; the kernel's own waits do not know of it."""

    def __init__(self, directory: Path) -> None:
        self._file = directory / "leap"
        self.set(0)
        source, library = directory / "leap.c", directory / "leap.so"
        source.write_text(SOURCE)
        command = ["gcc", "-shared", "-fPIC", "-o", str(library), str(source), "-ldl"]
        subprocess.run(command, check=True)
        # Behind a sanitizer's, which must be the first.
        preload = f"{os.environ.get('LD_PRELOAD', '')} {library}".strip()
        self.prefix = ("env", f"LD_PRELOAD={preload}", f"LEAP_FILE={self._file}")

    def set(self, seconds: int) -> None:
        mode = "r+b" if self._file.exists() else "wb"
        with self._file.open(mode) as file:
            file.write(struct.pack("<q", seconds))
