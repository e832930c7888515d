"""The extension and its build modes; nothing else.

SWITCH_SYSTEM_LMDB=1  link the system's liblmdb (0.9.33 or later) instead of our own
SWITCH_TRACE=1        Cython line tracing for coverage, into build/trace
SWITCH_SANITIZE=1     address and undefined-behaviour sanitizers, into build/sanitize
SWITCH_THREADS=1      thread sanitizer, into build/threads
SWITCH_ASSERT=1       with asserts, into build/assert; sanitize, threads and small too
SWITCH_TEST_NOSYNC=1  for one test only: commits that skip the sync, into build/nosync
SWITCH_TEST_SMALL=1   for one test only: pages, blocks and pieces of a few entries, so
                      that a small ledger has many of each, into build/small
"""

import json
import os
import platform
import subprocess
import sys
from glob import glob

import numpy
from Cython.Build import cythonize
from setuptools import Extension, setup

MODES = {"SWITCH_TRACE": "trace", "SWITCH_SANITIZE": "sanitize",
         "SWITCH_THREADS": "threads", "SWITCH_ASSERT": "assert",
         "SWITCH_TEST_NOSYNC": "nosync",
         "SWITCH_TEST_SMALL": "small"}  # fmt: skip
modes = [mode for variable, mode in MODES.items() if os.environ.get(variable) == "1"]
if len(modes) > 1:
    raise SystemExit("choose one build mode: " + ", ".join(modes))
mode = modes[0] if modes else "core"
base = f"build/{mode}"

macros: list[tuple[str, str | None]] = [
    ("NPY_NO_DEPRECATED_API", "NPY_1_7_API_VERSION"),
    ("_GNU_SOURCE", None),
]
compile_args = ["-O2", "-g", "-std=gnu11", "-fno-strict-aliasing", "-pthread"]
compile_args += ["-fvisibility=hidden", "-Wall", "-Wno-unused-function"]
link_args = ["-pthread", "-Wl,--exclude-libs,ALL"]
hardening: list[str] = []
"""They make an end of a slip in memory, and no door. Not for builds that look for slips
themselves, or that are not optimized."""
if mode not in ("sanitize", "threads", "nosync"):
    hardening += ["-fstack-protector-strong", "-fstack-clash-protection"]
    hardening += ["-U_FORTIFY_SOURCE", "-D_FORTIFY_SOURCE=3"]
    if platform.machine() in ("x86_64", "i686"):
        hardening.append("-fcf-protection")
    elif platform.machine() == "aarch64":
        hardening.append("-mbranch-protection=standard")
    link_args += ["-Wl,-z,relro", "-Wl,-z,now"]
compile_args += hardening
directives = {
    "language_level": 3,
    "boundscheck": False,
    "wraparound": False,
    "cdivision": True,
    "initializedcheck": False,
    "embedsignature": False,
}

if mode == "trace":
    directives["linetrace"] = True
    macros += [("CYTHON_TRACE", "1"), ("CYTHON_TRACE_NOGIL", "1")]
    macros += [("CYTHON_USE_SYS_MONITORING", "0")]
elif mode == "sanitize":
    # Records are read where they lie in a tail, which no processor we run on minds.
    sanitize = ["-fsanitize=address,undefined", "-fno-sanitize=alignment"]
    compile_args += ["-O1", "-fno-omit-frame-pointer", *sanitize]
    link_args += sanitize
elif mode == "threads":
    compile_args += ["-O1", "-fno-omit-frame-pointer", "-fsanitize=thread"]
    link_args.append("-fsanitize=thread")
elif mode == "nosync":
    # Not optimized: it is built for one test, which waits for it.
    compile_args.append("-O0")
    macros.append(("SWITCH_TEST_NOSYNC", "1"))
elif mode == "small":
    macros.append(("SWITCH_TEST_SMALL", "1"))

if mode in ("assert", "sanitize", "threads", "small"):
    macros.append(("SWITCH_ASSERT", "1"))

# LMDB is a static library of its own: compiled once, without our warnings.
libraries = []
include_dirs = ["switch", numpy.get_include()]
if os.environ.get("SWITCH_SYSTEM_LMDB") != "1":
    fetch = [sys.executable, "tools/fetch_lmdb.py"]
    lmdb = os.path.relpath(subprocess.check_output(fetch, text=True).strip())
    include_dirs.append(lmdb)
    sources = [f"{lmdb}/mdb.c", f"{lmdb}/midl.c"]
    library = {
        "sources": sources,
        "cflags": [
            *("-O2", "-g", "-w", "-fPIC", "-pthread", "-fvisibility=hidden"),
            *hardening,
        ],
        "obj_deps": {key: [f"{lmdb}/lmdb.h", f"{lmdb}/midl.h"] for key in sources},
    }
    libraries = [("switch_lmdb", library)]


def module_of(source: str) -> str:
    """The name under which a file of Cython is imported."""
    return source.removesuffix(".pyx").replace("/", ".")


find = [sys.executable, "tools/find_front.py"]
tls = json.loads(subprocess.check_output(find, text=True))
"""Where OpenSSL and nghttp2 are."""


def over_core(source: str) -> Extension:
    """One module of ours over the core's parts; the core itself verifies signatures."""
    found = tls if source == "switch/_core.pyx" else {key: [] for key in tls}
    return Extension(
        module_of(source),
        [source],
        include_dirs=[*include_dirs, *found["include_dirs"]],
        library_dirs=found["library_dirs"],
        runtime_library_dirs=found["runtime_library_dirs"],
        libraries=([] if libraries else ["lmdb"])
        + (["crypto"] if found is tls else []),
        define_macros=macros,
        extra_compile_args=compile_args,
        extra_link_args=link_args,
        depends=[
            "setup.py",
            *glob("switch/**/*.px[di]", recursive=True),
            *glob("switch/**/*.h", recursive=True),
        ],
    )


def over_libpq(source: str) -> list[Extension]:
    """What speaks to PostgreSQL, where that is there: nothing else needs it."""
    find = [sys.executable, "tools/find_libpq.py"]
    libpq = json.loads(subprocess.check_output(find, text=True) or "null")
    if libpq is None:
        return []
    return [
        Extension(
            module_of(source),
            [source],
            include_dirs=["switch", *libpq["include_dirs"]],
            library_dirs=libpq["library_dirs"],
            libraries=["pq"],
            define_macros=macros,
            extra_compile_args=compile_args,
            extra_link_args=link_args,
            depends=[
                "setup.py",
                *glob("switch/cluster/pq/*.pxi"),
                "switch/core/log_api.h",
            ],
        )
    ]


def over_tls(source: str, folder: str, include: str) -> Extension:
    """A thin face over a folder of C that speaks TLS and HTTP/2."""
    return Extension(
        module_of(source),
        [source, *sorted(glob(f"{folder}/*.c"))],
        include_dirs=[include, "switch", *tls["include_dirs"]],
        library_dirs=tls["library_dirs"],
        runtime_library_dirs=tls["runtime_library_dirs"],
        libraries=["nghttp2", "ssl", "crypto"],
        define_macros=macros,
        extra_compile_args=compile_args,
        extra_link_args=link_args,
        depends=["setup.py", *glob(f"{folder}/*.[ch]"), "switch/core/queue_api.h"],
    )


apart = "switch/cluster/_pq.pyx"
"""It uses no part of the core."""
sources = sorted({*glob("switch/**/*.pyx", recursive=True)} - {apart})
extensions = [
    *map(over_core, sources),
    over_tls("server/_front.pyx", "server/front", "server/front"),
    *over_libpq(apart),
]
if "--inplace" in sys.argv:
    # A tool of this checkout: what is installed elsewhere has no benchmarks.
    extensions.append(over_core("benchmarks/_drive.pyx"))
    client = over_tls("benchmarks/_client.pyx", "benchmarks/client", "benchmarks")
    extensions.append(client)
if mode == "assert":
    # What tests load (tests/conftest.py); no program starts with the rest.
    extensions = extensions[: len(sources)]
setup(
    libraries=libraries,
    ext_modules=cythonize(
        extensions,
        # The same C for every mode; coverage looks for its own beside the source.
        build_dir=None if mode == "trace" else "build/c",
        compiler_directives=directives,
        force=mode == "trace",
    ),
    options={
        "build": {"build_base": base} | ({"build_lib": f"{base}/lib"} if modes else {}),
        "build_clib": {"build_clib": "build/lmdb", "build_temp": "build/lmdb"},
    },
)
