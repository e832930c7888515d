"""Goal: a thread that dies of a signal while it is in LMDB leaves the marks of its own
ledger, and dies as it would have died; one that is elsewhere leaves none.

Method: a C program around `switch/core/fault.h` says that it is at a place and then
dies in every way there is: faults of the processor, `abort`, signals that it sends to
itself or gets from others, with handlers set before and behind ours. Its exit code, its
last words and the files that it leaves are compared.
"""

import os
import signal
import subprocess
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
INDEX, JOURNAL, BOTH = 1, 2, 3
MARKS: dict[int, set[str]] = {0: set(), INDEX: {"index.damaged"}, JOURNAL: {"DOUBT"}}
MARKS[BOTH] = MARKS[INDEX] | MARKS[JOURNAL]
WAIT_S = 20.0

PROGRAM = r"""
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include "core/fault.h"

static FaultPlace place;
static struct sigaction before;

/* As Python's faulthandler: a word, back to the handler before, and once more. */
static void tell(int number) {
    if (write(2, "told\n", 5) != 5)
        _exit(99);
    sigaction(number, &before, NULL);
    raise(number);
}

static void set_other(int number) {
    struct sigaction other;
    memset(&other, 0, sizeof(other));
    other.sa_handler = tell;
    other.sa_flags = SA_NODEFER;
    sigaction(number, &other, &before);
}

static void die(const char *how, const char *file) {
    volatile int zero = 0, some = 7;
    if (!strcmp(how, "segv"))
        *(volatile char *)0 = 1;
    if (!strcmp(how, "fpe"))
        zero = some / zero;
    if (!strcmp(how, "abort"))
        abort();
    if (!strcmp(how, "raise"))
        raise(SIGSEGV);
    if (!strcmp(how, "wait")) {
        puts("ready");
        fflush(stdout);
        pause();
    }
    if (!strcmp(how, "bus")) {
        int fd = open(file, O_RDWR | O_CREAT, 0600);
        char *map = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
        zero = *(volatile char *)map;
    }
}

int main(int count, char **words) {
    int parts = atoi(words[2]), number = atoi(words[4]);
    place.directory = open(words[1], O_RDONLY | O_DIRECTORY);
    place.parts = parts;
    if (strchr(words[5], 'b')) set_other(number);
    if (fault_set_handlers() != 0) return 98;
    if (strchr(words[5], 'a')) set_other(number);
    /* A second ledger is opened. */
    if (strchr(words[5], '2') && fault_set_handlers() != 0) return 97;
    if (parts) {
        FaultPlace *first = fault_enter_writing(&place);
        fault_leave_writing(first, &place);
        if (place.turns != 2) return 96;
        fault_enter(&place);
    }
    die(words[3], words[6]);
    return 0;
}
"""

WAYS = {
    "segv": signal.SIGSEGV,
    "bus": signal.SIGBUS,
    "fpe": signal.SIGFPE,
    "abort": signal.SIGABRT,
    "raise": signal.SIGSEGV,
}


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fault")
    (folder / "fault.c").write_text(PROGRAM)
    compiler = sysconfig.get_config_var("CC").split()[0]
    flags = ["-std=gnu11", "-D_GNU_SOURCE", "-O2", "-Wall", "-Wno-unused-function"]
    include = ["-Werror", "-I", str(ROOT / "switch")]
    command = [compiler, *flags, *include, "fault.c", "-o", "fault"]
    subprocess.run(command, cwd=folder, check=True)
    return folder / "fault"


def words(
    program: Path, folder: Path, parts: int, how: str, number: int, others: str
) -> list[str]:
    spare = str(folder.parent / "spare")
    return [str(program), str(folder), str(parts), how, str(number), others, spare]


@pytest.mark.parametrize("others", ["-", "b", "a", "a2", "ba", "ba2"])
@pytest.mark.parametrize("how", WAYS)
@pytest.mark.parametrize("parts", [0, INDEX, JOURNAL, BOTH])
def test_a_death_leaves_the_marks_of_its_place(
    program: Path, tmp_path: Path, parts: int, how: str, others: str
) -> None:
    """`b`, `a`: another's handler is set before ours or behind; `2`: ours again."""
    folder = tmp_path / "ledger"
    folder.mkdir()
    command = words(program, folder, parts, how, WAYS[how], others)
    done = subprocess.run(command, capture_output=True, timeout=WAIT_S, check=False)
    assert done.returncode == -WAYS[how]
    assert {path.name for path in folder.iterdir()} == MARKS[parts]
    # Whoever wants to say something about it still does.
    assert (b"told" in done.stderr) == (others != "-")


@pytest.mark.parametrize("number", WAYS.values())
def test_what_others_send_says_nothing(
    program: Path, tmp_path: Path, number: signal.Signals
) -> None:
    folder = tmp_path / "ledger"
    folder.mkdir()
    command = words(program, folder, BOTH, "wait", number, "-")
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        process.send_signal(number)
        assert process.wait(WAIT_S) == -number
    assert not list(folder.iterdir())


@pytest.mark.parametrize("kind", ["link", "pipe", "folder"])
def test_a_mark_follows_nothing(program: Path, tmp_path: Path, kind: str) -> None:
    """Whatever lies in its place: the process dies as it would, and does not wait."""
    folder = tmp_path / "ledger"
    folder.mkdir()
    for name in MARKS[BOTH]:
        if kind == "link":
            (folder / name).symlink_to(tmp_path / "elsewhere")
        elif kind == "pipe":
            os.mkfifo(folder / name)
        else:
            (folder / name).mkdir()
    command = words(program, folder, BOTH, "segv", signal.SIGSEGV, "-")
    done = subprocess.run(command, timeout=WAIT_S, check=False)
    assert done.returncode == -signal.SIGSEGV
    assert not (tmp_path / "elsewhere").exists()
