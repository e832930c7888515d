"""Clocks, and a kernel's word about them, that a test sets for other processes; the
machine's own stay.
"""

import os
import struct
import subprocess
from pathlib import Path
from typing import Final

SOURCE = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/timex.h>
#include <time.h>

enum { OWN, SYNCHRONISED, UNSYNCHRONISED, FAULTY, DENIED, SET_BY_HAND };

static volatile struct {
    int64_t ahead_s;  /* of the wall clock */
    int64_t passed_s; /* more of the time since the machine started */
    int64_t word;     /* of the kernel */
} *played;

__attribute__((constructor)) static void begin(void) {
    int file = open(getenv("LEAP_FILE"), O_RDWR);
    played = mmap(NULL, sizeof *played, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real)
        real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    int rc = real(clock, now);
    if (rc == 0 && clock == CLOCK_REALTIME && played)
        now->tv_sec += played->ahead_s;
    if (rc == 0 && clock == CLOCK_BOOTTIME && played)
        now->tv_sec += played->passed_s;
    return rc;
}

int adjtimex(struct timex *about) {
    static int (*real)(struct timex *);
    if (!real)
        real = (int (*)(struct timex *))dlsym(RTLD_NEXT, "adjtimex");
    int word = played ? (int)played->word : OWN;
    if (word == OWN)
        return real(about);
    if (word == DENIED) {
        errno = EPERM;
        return -1;
    }
    unsigned modes = about->modes;
    memset(about, 0, sizeof *about);
    if (modes != 0) {
        errno = EPERM; /* who asks sets nothing */
        return -1;
    }
    if (word == SET_BY_HAND) {
        /* Right after this word somebody types `date -s`: the clock is another, and as
           the kernel does it, unsynchronised from then on. */
        played->ahead_s += 86400;
        played->word = UNSYNCHRONISED;
        return TIME_OK;
    }
    about->status = word == UNSYNCHRONISED ? STA_UNSYNC : STA_PLL;
    /* A pulse that is gone, say: TIME_ERROR without STA_UNSYNC. */
    return word == SYNCHRONISED ? TIME_OK : TIME_ERROR;
}
"""
OWN, SYNCHRONISED, UNSYNCHRONISED, FAULTY, DENIED, SET_BY_HAND = range(6)
_PLAYED: Final = "<qqq"


class Leaps:
    """What a process reads as wall time and time since the start, and is told of its
    clock; the kernel's own waits do not know of it.
    """

    def __init__(self, directory: Path) -> None:
        self._file = directory / "leap"
        self._file.write_bytes(bytes(struct.calcsize(_PLAYED)))
        source, library = directory / "leap.c", directory / "leap.so"
        source.write_text(SOURCE)
        command = ["gcc", "-shared", "-fPIC", "-o", str(library), str(source), "-ldl"]
        subprocess.run(command, check=True)
        # Behind a sanitizer's, which must be the first.
        preload = f"{os.environ.get('LD_PRELOAD', '')} {library}".strip()
        self.prefix = ("env", f"LD_PRELOAD={preload}", f"LEAP_FILE={self._file}")

    def set(self, seconds: int) -> None:
        """The wall clock is so far ahead."""
        self._write(0, seconds)

    def passes(self, seconds: int) -> None:
        """So many seconds more have passed since the machine started."""
        self._write(1, seconds)

    def says(self, word: int) -> None:
        """The kernel's word, from now on."""
        self._write(2, word)

    def word(self) -> int:
        """The kernel's word now."""
        return int(struct.unpack(_PLAYED, self._file.read_bytes())[2])

    def _write(self, index: int, value: int) -> None:
        with self._file.open("r+b") as file:
            file.seek(8 * index)
            file.write(struct.pack("<q", value))
