# Every habit is a target. `make` builds; `make help` lists the rest.
# Everything is made in .venv and build/; `make clean` removes both.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:

BIN := .venv/bin
# What makes .venv, if the environment names it; everything else runs what is in there.
BASE_PYTHON := $(PYTHON)
override PYTHON := $(BIN)/python
CYTHON_CODE := $(sort $(shell find switch server benchmarks -name '*.pyx' -o -name '*.px[di]'))
SOURCES := setup.py tools/fetch_lmdb.py tools/find_front.py tools/find_libpq.py $(CYTHON_CODE) \
    $(shell find switch server benchmarks -name '*.[ch]')
# What we compile into a module of its own; the benchmarks' are nobody's to install.
MODULES := $(sort $(basename $(shell find switch server -name '*.pyx')))
# One of them only where libpq is (clusters): it is looked for as the build does.
WITHOUT_LIBPQ := $(if $(shell python3 tools/find_libpq.py 2>/dev/null),,switch/cluster/_pq)
BUILT := $(filter-out $(WITHOUT_LIBPQ),$(MODULES))
# The folders that hold Python of ours.
PYTHON_CODE := setup.py switch server benchmarks tests tools docs/examples
PYTEST := $(PYTHON) -m pytest
# The folders of tests that call the product in their own process.
IN_PROCESS := $(filter-out tests/server/ tests/examples/ tests/torture/,$(dir $(wildcard tests/*/__init__.py)))
# More for the command of a target: make run ARGS="--centres 100".
ARGS ?=
# How many processes of `make test` share its files: two more than the two cores that it
# is meant for, as tests wait for servers, timers and disks, too.
PROCESSES ?= 4
# When `make test` begins, in IST, as far as its programs know: CLOCK=23:59:50.
CLOCK ?=

.PHONY: build
build: .venv/core.stamp build/fonts.stamp build/assets.stamp  ## make .venv, compile the core in place, fetch fonts

.PHONY: venv
venv: .venv/ready.stamp  ## make .venv only

.venv/ready.stamp: requirements.lock tools/make_venv.sh
	PYTHON="$(BASE_PYTHON)" bash tools/make_venv.sh .venv requirements.lock
	@touch $@

.venv/core.stamp: .venv/ready.stamp pyproject.toml $(SOURCES) \
    $(foreach module,$(BUILT),$(if $(wildcard $(module).*.so),,missing))
	$(PYTHON) setup.py --quiet build_clib build_ext --inplace --parallel 2
	@# The command and the metadata; the core is up to date by now.
	@if ! [ .venv/installed.stamp -nt pyproject.toml ] \
	    || ! [ .venv/installed.stamp -nt .venv/ready.stamp ]; then \
	    $(PYTHON) -m pip install -qq --no-build-isolation --no-deps -e . \
	    && touch .venv/installed.stamp; fi
	@touch $@

# By their hashes. Only papers on A5 and on rolls need them: without a stamp the next
# build tries again.
build/fonts.stamp: switch/papers/fonts.lock tools/fetch_fonts.py
	@mkdir -p build
	@if python3 tools/fetch_fonts.py; then touch $@; \
	else echo "receipts on A5 and on rolls have no fonts yet" >&2; fi

# One has gone although the stamp is there.
.PHONY: missing
missing:

# By their hashes, as the fonts: only the counter's page needs them.
build/assets.stamp: switch/web/assets.lock tools/fetch_assets.py
	@mkdir -p build
	@if python3 tools/fetch_assets.py switch/web/assets.lock switch/web/assets; \
	then touch $@; else echo "the counter's page has no scripts yet" >&2; fi

.PHONY: run
run: build  ## a hard March day over gRPC, audited; then serves (ONCE=1: ends)
	$(BIN)/payswitch day --data ./data $(if $(filter 1,$(ONCE)),--once) $(ARGS)

# What the tests run on and with; each is mostly one compiler after another.
.PHONY: test-builds
test-builds: asserts nosync interop build/bank/schemas.stamp build/front/fuzz build/front/threads \
    build/front/memory fuzz-targets build/browser/axe.min.js build/collected.stamp  ## what `make test` needs (--jobs 2)

.PHONY: test
test: build test-builds  ## every test, on the core with asserts
	bash tools/need.sh strace promtool systemd-analyze=systemd curl nghttp=nghttp2-client \
	    h2load=nghttp2-client
	@mkdir -p build/skipped && rm -f build/skipped/chromium build/skipped/postgresql
	bash tools/need.sh chromium \
	    || echo "tests/browser is skipped: there is no Chromium" | tee build/skipped/chromium >&2
	@# What was not there when this build began is compiled now.
	bash tools/need.sh /usr/lib/postgresql/17/bin/initdb=postgresql-17 \
	    $(if $(WITHOUT_LIBPQ),libpq-dev) && $(MAKE) --no-print-directory build \
	    || echo "tests of the log in PostgreSQL are skipped: there is no PostgreSQL 17" \
	    | tee build/skipped/postgresql >&2
	CLOCK="$(CLOCK)" SWITCH_TEST_LIB=build/assert/lib \
	    bash tools/run_tests.sh $(PYTHON) $(PROCESSES) $(ARGS)

# In a fresh clone each process of the tests would rewrite the assertions of all files, which
# takes sixteen seconds: it is done once here, and kept where tools/run_tests.sh looks.
build/collected.stamp: | build
	@mkdir -p build
	PYTHONPYCACHEPREFIX=$(CURDIR)/build/pycache PYTHONDONTWRITEBYTECODE= \
	    $(PYTEST) --collect-only -q -p no:cacheprovider tests >/dev/null
	@touch $@

# What a browser needs that looks at pages: Chromium, and axe-core by its hash.
build/browser/axe.min.js: tests/browser/axe.lock tools/fetch_assets.py
	python3 tools/fetch_assets.py tests/browser/axe.lock build/browser

.PHONY: browser
browser: build build/browser/axe.min.js  ## the counter's page in a real browser: build/browser/report
	bash tools/need.sh chromium strace
	$(PYTHON) -m tests.browser $(ARGS)

# Typed at terminals and walked in Chromium on a slow line, beside one ledger of `make run`.
.PHONY: journeys
journeys: build  ## the documents' commands as typed, four people's ways: build/journeys (ARGS=operator)
	bash tools/need.sh chromium openssl jq
	$(PYTHON) -m tests.journeys $(ARGS)

.PHONY: asserts
asserts: build  ## build/assert/lib: the core looks at what it relies on
	SWITCH_ASSERT=1 $(PYTHON) setup.py --quiet build

# Each is built by tests/interop/build.sh, where its source is newer.
.PHONY: interop
interop: build/interop/go_client build/interop/node/node_modules/.package-lock.json  ## others' clients

build/interop/go_client: tests/interop/build.sh $(wildcard tests/interop/go/*.go)
	bash tests/interop/build.sh go

# Behind the other: both may have to install packages, and apt-get has one lock.
build/interop/node/node_modules/.package-lock.json: tests/interop/node/package-lock.json \
    | build/interop/go_client
	bash tests/interop/build.sh node

# ISO's schemas, by their hash.
build/bank/schemas.stamp: tests/bank/build.sh tests/bank/schemas.lock .venv/ready.stamp
	bash tests/bank/build.sh $(PYTHON)

.PHONY: check
check: build check-format check-lint check-types check-proto check-layers  ## all but tests

.PHONY: check-format
check-format: build
	$(BIN)/ruff format --check .
	$(BIN)/buf format --diff --exit-code

.PHONY: check-lint
check-lint: build
	$(BIN)/ruff check .
	@# cython-lint runs pycodestyle by its name.
	PATH=$(CURDIR)/$(BIN):$$PATH cython-lint $(CYTHON_CODE)

.PHONY: check-types
check-types: build
	$(BIN)/mypy $(PYTHON_CODE)
	$(PYTHON) -m mypy.stubtest $(subst /,.,$(BUILT)) --mypy-config-file pyproject.toml \
	    --allowlist tools/stubtest_allowlist.txt

.PHONY: check-proto
check-proto: build
	$(BIN)/buf lint

.PHONY: check-layers
check-layers: build
	$(BIN)/lint-imports --no-cache

.PHONY: format
format: build  ## rewrite Python and proto files in the one format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	$(BIN)/buf format --write

.PHONY: bench
bench: build  ## the benchmarks in short: benchmarks/results/quick.json
	$(PYTHON) -m benchmarks.run $(ARGS)

.PHONY: bench-full
bench-full: build  ## all of them, with 55 GB of disk: benchmarks/results/full.json
	$(PYTHON) -m benchmarks.run --full $(ARGS)

# What bench-table and bench-plots read.
RESULTS ?= benchmarks/results/full.json

.PHONY: bench-table
bench-table: build  ## figures against targets, as Markdown
	@$(PYTHON) -m benchmarks.run --table $(RESULTS)

.PHONY: bench-plots
bench-plots: build  ## growth and latency as SVG in build/plots
	$(PYTHON) -m benchmarks.plots $(RESULTS) --out build/plots

.PHONY: proto
proto: .venv/ready.stamp  ## generate switch/v1 from proto/
	$(PYTHON) tools/gen_proto.py

.PHONY: torture
torture: build small build/front/fuzz  ## all long tests, a line for each, JSON last (ARGS="--seed 7")
	bash tools/need.sh strace
	$(PYTHON) -m tests.torture $(ARGS)

# As root it installs what is missing, else it unpacks that into build/cluster.
.PHONY: cluster
cluster: build  ## 3 etcd, 3 Patroni, 2 switches on 127.0.0.1: faults, proofs (ARGS=--short; --up stays)
	$(PYTHON) -m tools.cluster $(ARGS)

.PHONY: cluster-down
cluster-down:  ## end and remove what data/cluster names
	$(PYTHON) -m tools.cluster --down $(ARGS)

.PHONY: old-pages
old-pages: build  ## every page of a ledger put back to what it was (ARGS="--seed 7")
	$(PYTHON) -m tests.torture.old_pages $(ARGS)

.PHONY: restarts
restarts: build small  ## 2,000 sessions of one ledger (ARGS="--seed 7")
	$(PYTHON) -m tests.torture.restarts $(ARGS)

.PHONY: fuzz
fuzz: build  ## the fuzz targets, driven by coverage (ARGS="--minutes 5 --targets http2")
	$(PYTHON) -m tests.torture.fuzz_targets $(ARGS)

.PHONY: fuzz-messages
fuzz-messages: build  ## 5 M messages, core's parser and generated classes (ARGS="--seed 7")
	$(PYTHON) -m tests.torture.fuzz_wire $(ARGS)

# The front door without Python, and the core's parts, for what no client sends.
include tests/fuzz/build.mk

.PHONY: fuzz-front
fuzz-front: build/front/fuzz build/front/threads build/front/memory  ## 10^6 frames under sanitizers (SEED=7)
	build/front/fuzz 1000000 $(or $(SEED),1)
	TSAN_OPTIONS=halt_on_error=1 build/front/threads 100000 $(or $(SEED),1)
	build/front/memory

.PHONY: nosync
nosync: build  ## build/nosync/lib: commits without the sync, for one test
	SWITCH_TEST_NOSYNC=1 $(PYTHON) setup.py --quiet build

.PHONY: small
small: .venv/ready.stamp  ## build/small/lib: small pages and pieces, for one test
	SWITCH_TEST_SMALL=1 $(PYTHON) setup.py --quiet build

# What is in C, and what ledgers of a cluster do with it.
SANITIZED := tests/core tests/billing/test_hot.py tests/totals/test_sums.py \
    $(patsubst %,tests/cluster/test_%.py,through_ledger follower postgres lease)

.PHONY: sanitize
sanitize: build  ## tests of the core, billers' C and the log's, and a server, under sanitizers of memory
	SWITCH_SANITIZE=1 $(PYTHON) setup.py --quiet build
	@# Python's own allocator would hide what is read beyond a small object.
	@# What a thread that dies in LMDB leaves, and how, is tested: its signals stay the core's (fault.h).
	PYTHONMALLOC=malloc \
	LD_PRELOAD="$$(gcc -print-file-name=libasan.so) $$(gcc -print-file-name=libubsan.so)" \
	    ASAN_OPTIONS=detect_leaks=0:handle_segv=0:handle_sigbus=0:handle_sigfpe=0 \
	    UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 \
	    SWITCH_TEST_LIB=build/sanitize/lib $(PYTEST) $(SANITIZED) --timeout 1800 $(ARGS)
	$(PYTHON) -m tests.torture.sanitized memory

.PHONY: sanitize-threads
sanitize-threads: build build/front/threads  ## races of the queue, the front and a server under load
	SWITCH_THREADS=1 $(PYTHON) setup.py --quiet build
	bash tools/sanitize_threads.sh $(PYTHON) $(ARGS)

.PHONY: coverage
coverage: build  ## which lines of Python and of the core the tests reach
	SWITCH_TRACE=1 $(PYTHON) setup.py --quiet build
	SWITCH_TEST_LIB=build/trace/lib $(PYTHON) -m coverage run -m pytest \
	    $(IN_PROCESS) --timeout 1800 $(ARGS)
	$(PYTHON) -m coverage report --skip-covered

.PHONY: lock
lock: .venv/ready.stamp  ## write requirements.lock anew with the newest releases
	bash tools/lock.sh requirements.lock

.PHONY: licences
licences: .venv/ready.stamp  ## write the table of docs/licences.md
	$(PYTHON) tools/licences.py

.PHONY: clean
clean:  ## remove what was built; ./data stays
	rm -rf .venv build $(MODULES:=.c) $(MODULES:=.*.so) benchmarks/*.so payswitch.egg-info
	find . -name __pycache__ -prune -exec rm -rf {} +

.PHONY: help
help:  ## list the targets
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/:.*## */\t/' | expand -t 12
