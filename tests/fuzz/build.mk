# Programs that send what no client sends: each part is compiled once for each compiler and
# sanitizer, whatever is linked from it. A part of ../../Makefile.

FRONT_CODE := $(wildcard server/front/*.c)
FRONT_HEADS := $(wildcard server/front/*.h tests/front/*.h tests/fuzz/*.h) switch/core/queue_api.h \
    switch/core/native.h switch/core/filter.h switch/core/packed.h
FRONT_FLAGS := -Iswitch -std=gnu11 -O1 -g -Wall -Wextra -Werror -pthread -D_GNU_SOURCE -DSWITCH_ASSERT
MEMORY := -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
THREADS := -fsanitize=thread
CLANG := clang-19
COVERED := $(MEMORY) -fsanitize=fuzzer-no-link

# How the system's OpenSSL and nghttp2 are found: looked for once.
build/front/flags: tools/find_front.py
	@mkdir -p $(@D)
	@python3 tools/find_front.py --flags >$@

# Objects of the front, of its tests and of the fuzz targets, by folder.
objects = $(patsubst %.c,build/front/$(1)/%.o,$(2))

build/front/memory.d/%.o: %.c $(FRONT_HEADS) build/front/flags
	@mkdir -p $(@D)
	gcc $(FRONT_FLAGS) $(MEMORY) -c $< -o $@ $$(cat build/front/flags)

build/front/threads.d/%.o: %.c $(FRONT_HEADS) build/front/flags
	@mkdir -p $(@D)
	gcc $(FRONT_FLAGS) $(THREADS) -c $< -o $@ $$(cat build/front/flags)

build/front/covered.d/%.o: %.c $(FRONT_HEADS) build/front/flags
	@mkdir -p $(@D)
	$(CLANG) $(FRONT_FLAGS) $(COVERED) -Wno-unused-function -Wno-unused-command-line-argument -c $< -o $@ $$(cat build/front/flags)

# As it is installed: for what is counted.
build/front/counted.d/%.o: %.c $(FRONT_HEADS) build/front/flags
	@mkdir -p $(@D)
	gcc $(filter-out -O1 -DSWITCH_ASSERT -Wextra,$(FRONT_FLAGS)) -O2 -c $< -o $@ $$(cat build/front/flags)

build/front/fuzz: $(call objects,memory.d,tests/front/fuzz.c $(FRONT_CODE))
	gcc $(MEMORY) -pthread $^ -o $@ $$(cat build/front/flags)

build/front/threads: $(call objects,threads.d,tests/front/fuzz.c $(FRONT_CODE))
	gcc $(THREADS) -pthread $^ -o $@ $$(cat build/front/flags)

# Every request for memory goes by the program that refuses one of them.
WRAPPED := -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc

build/front/memory: $(call objects,memory.d,tests/front/memory.c $(FRONT_CODE))
	gcc $(MEMORY) -pthread $(WRAPPED) $^ -o $@ $$(cat build/front/flags)

# --- targets: tests/fuzz ------------------------------------------------------------

# Those over the front, with its clock and sockets in memory; without TLS, or with it.
IN_MEMORY := -Wl,--wrap=clock_ns,--wrap=recv,--wrap=send,--wrap=shutdown
PLAIN_CODE := $(filter-out server/front/tls.c,$(FRONT_CODE)) $(addprefix tests/fuzz/,door.c plain.c allocated.c)
TLS_CODE := $(FRONT_CODE) $(addprefix tests/fuzz/,door.c allocated.c)
http2_CODE := $(PLAIN_CODE) tests/fuzz/http2.c tests/fuzz/hpack.c
framing_CODE := $(PLAIN_CODE) tests/fuzz/framing.c
tls_CODE := $(TLS_CODE) tests/fuzz/tls.c
OVER_FRONT := http2 framing tls
tls_LINKED := -Wl,--wrap=http2_receive
# Those over the core's C, as Cython has made it for every build: what is not called is left
# out, and with it all that needs Python.
OVER_CORE := wire chunks
# Pages are C of their own.
TARGETS := $(OVER_FRONT) $(OVER_CORE) pages

CORE_CODE := switch/_core.pyx $(shell find switch/core -name '*.p[xy][di]' -o -name '*.h')
CORE_FLAGS = -w -fno-strict-aliasing -fvisibility=hidden -fno-sanitize=alignment -ffunction-sections \
    -fdata-sections -DNPY_NO_DEPRECATED_API=NPY_1_7_API_VERSION -Ibuild/c/switch \
    -I$(lastword $(sort $(wildcard build/lmdb-*))) $$($(PYTHON) -c 'import sysconfig, numpy; \
    print("-I" + sysconfig.get_paths()["include"], "-I" + numpy.get_include())')

define front_target
build/fuzz/$(1): $$(call objects,memory.d,$$($(1)_CODE) tests/fuzz/main.c)
	@mkdir -p $$(@D)
	gcc $$(MEMORY) -pthread $$(IN_MEMORY) $$($(1)_LINKED) $$^ -o $$@ $$$$(cat build/front/flags)

build/fuzz/$(1).covered: $$(call objects,covered.d,$$($(1)_CODE))
	@mkdir -p $$(@D)
	$$(CLANG) $$(MEMORY) -fsanitize=fuzzer -pthread $$(IN_MEMORY) $$($(1)_LINKED) $$^ -o $$@ $$$$(cat build/front/flags)
endef

CORE_SOURCES := $(addprefix tests/fuzz/,core.c core.h crc.h target.h wire.c chunks.c)
CHOSEN = -Wl,--gc-sections,--defsym=LLVMFuzzerTestOneInput=$(1)_run,--defsym=target_tell=$(1)_tell
chunks_CHOSEN := -Wl,--defsym=LLVMFuzzerCustomMutator=chunks_mutate

build/fuzz/core.o: $(CORE_SOURCES) $(CORE_CODE) .venv/core.stamp
	@mkdir -p $(@D)
	gcc $(filter-out -W%,$(FRONT_FLAGS)) $(MEMORY) $(CORE_FLAGS) -c $< -o $@

build/fuzz/core.covered.o: $(CORE_SOURCES) $(CORE_CODE) .venv/core.stamp
	@mkdir -p $(@D)
	$(CLANG) $(filter-out -W%,$(FRONT_FLAGS)) $(COVERED) $(CORE_FLAGS) -c $< -o $@

define core_target
build/fuzz/$(1): build/fuzz/core.o build/front/memory.d/tests/fuzz/main.o
	gcc $$(MEMORY) $$^ -o $$@ $$(call CHOSEN,$(1)) $$($(1)_CHOSEN)

build/fuzz/$(1).covered: build/fuzz/core.covered.o
	$$(CLANG) $$(MEMORY) -fsanitize=fuzzer $$^ -o $$@ $$(call CHOSEN,$(1)) $$($(1)_CHOSEN)
endef

build/fuzz/pages: $(call objects,memory.d,tests/fuzz/pages.c tests/fuzz/main.c)
	@mkdir -p $(@D)
	gcc $(MEMORY) $^ -o $@

build/fuzz/pages.covered: $(call objects,covered.d,tests/fuzz/pages.c)
	@mkdir -p $(@D)
	$(CLANG) $(MEMORY) -fsanitize=fuzzer $^ -o $@

$(foreach target,$(OVER_FRONT),$(eval $(call front_target,$(target))))
$(foreach target,$(OVER_CORE),$(eval $(call core_target,$(target))))

.PHONY: fuzz-targets fuzz-covered
fuzz-targets: $(TARGETS:%=build/fuzz/%)  ## the fuzz targets under gcc's sanitizers
fuzz-covered: $(TARGETS:%=build/fuzz/%.covered)  ## the same for libFuzzer (clang-19, libclang-rt-19-dev)

# Instructions and bytes of each type of frame.
build/fuzz/frames: $(call objects,counted.d,$(filter-out tests/fuzz/allocated.c,$(PLAIN_CODE)) tests/fuzz/frames.c)
	@mkdir -p $(@D)
	gcc -pthread $(IN_MEMORY) $^ -o $@ $$(cat build/front/flags)
