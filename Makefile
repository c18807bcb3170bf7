# SPDX-License-Identifier: Apache-2.0
# Targets: demo test all bench install format lint sanitize clean   (`make help` says what each does)
#
# One Makefile, no recursion. Every object is built in up to three variants, each in its own tree:
# $(B)/release, $(B)/asan (address and undefined-behaviour sanitizers), $(B)/tsan (threads); $(B)/aarch64 is
# built for that machine, whichever this one is.

VERSION := 0.1.0
B ?= build
PREFIX ?= /usr/local
ifeq ($(origin CC),default)
CC := gcc
endif
ifeq ($(origin CXX),default)
CXX := g++
endif
PYTHON ?= python3

# ---- what is built of what -------------------------------------------------------------------------
# The library that other programs link: rings, records, schemas, journals, tap; no other library needed.
LIB_SRC := $(filter-out core/config.c,$(wildcard core/*.c)) $(wildcard ringbuf/*.c) \
           core/formats/number.c core/formats/timestamp.c
APP_SRC := $(filter-out $(LIB_SRC) cli/main.c, $(wildcard core/*.c core/formats/*.c core/pipeline/*.c \
             producers/*.c consumers/transform/*.c consumers/loader/*.c gen/*.c cli/*.c)) \
           $(wildcard core/formats/*.cpp)
UNIT_SRC := $(wildcard tests/unit/*.c tests/unit/*/*.c)
STRESS_SRC := $(wildcard tests/stress/*.c)
FAULTS_SRC := $(wildcard tests/faults/*.c)
SUPPORT_SRC := $(wildcard tests/support/*.c)
EXAMPLE_SRC := $(wildcard examples/*.c)
FUZZ_SRC := $(wildcard tests/fuzz/*.c)
BENCH_SRC := $(wildcard bench/*.c)
PLUGIN_SRC := $(wildcard examples/operators/*.c bench/preload/*.c tests/faults/preload/*.c)
TIDY_SRC := $(filter %.c,$(LIB_SRC) $(APP_SRC)) cli/main.c
ALL_C := $(shell git ls-files '*.c' '*.h' '*.cpp' 2>/dev/null || find . -name '*.[ch]' -o -name '*.cpp')

# ---- flags -------------------------------------------------------------------------------------------
PKGS := yaml-0.1 libmicrohttpd luajit simdjson ncursesw zlib libpcap liburing libseccomp libsystemd
WARN := -Wall -Wextra -Werror -Wshadow -Wpointer-arith -Wvla
CPPFLAGS += -D_GNU_SOURCE -I. -DMR_VERSION='"$(VERSION)"'
CFLAGS ?= -O2 -g
CFLAGS += -std=c17 -Wstrict-prototypes -Wmissing-prototypes $(WARN) -fno-omit-frame-pointer
CXXFLAGS ?= -O2 -g
CXXFLAGS += -std=c++17 $(WARN)
# Asked once, at first use: by then the packages are installed.
PKG_CFLAGS = $(eval PKG_CFLAGS := $$(shell pkg-config --cflags $(PKGS)))$(PKG_CFLAGS)
PKG_LIBS = $(eval PKG_LIBS := $$(shell pkg-config --libs $(PKGS)))$(PKG_LIBS)
# `make V=1` shows the commands.
Q := $(if $(V),,@)
say = $(if $(V),@:,@printf '  %-6s %s\n')
LIBS = $(PKG_LIBS) -lm -ldl -lpthread -lstdc++

release_FLAGS :=
asan_FLAGS := -fsanitize=address,undefined -fno-sanitize-recover=all
tsan_FLAGS := -fsanitize=thread -DMR_ATOMIC_BUILTIN=1
# Counts branches; unoptimised, so that they are those of the text. Who is killed has counted nothing.
cov_FLAGS := --coverage -O0 -fprofile-update=atomic -include tests/support/counted_exit.h
# Comparisons are not traced: with the dictionaries as many edges are found, and an execution takes half the time.
# The plain ones do most of a long run, several times as fast; what they find new, the sanitizers see as well.
COUNTS_EDGES := -fno-sanitize-coverage=trace-cmp
fuzz_FLAGS := -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all $(COUNTS_EDGES)
fuzzplain_FLAGS := -fsanitize=fuzzer-no-link $(COUNTS_EDGES)
# Debian's libraries and headers for aarch64 are unpacked into a directory of their own, and used from there.
AARCH64_CC ?= aarch64-linux-gnu-gcc
AARCH64_CXX ?= aarch64-linux-gnu-g++
AARCH64_ROOT := $(B)/aarch64/root
AARCH64_PKG_CONFIG := PKG_CONFIG_SYSROOT_DIR=$(abspath $(AARCH64_ROOT)) \
  PKG_CONFIG_LIBDIR=$(abspath $(AARCH64_ROOT))/usr/lib/aarch64-linux-gnu/pkgconfig pkg-config
aarch64_FLAGS := --sysroot=$(AARCH64_ROOT)
aarch64_DEPS := aarch64-deps
$(B)/aarch64/%: AR := aarch64-linux-gnu-ar
$(B)/aarch64/%: PKG_CFLAGS = $(eval AARCH64_CFLAGS ?= $$(shell $(AARCH64_PKG_CONFIG) --cflags $(PKGS)))$(AARCH64_CFLAGS)
$(B)/aarch64/%: PKG_LIBS = $(eval AARCH64_LIBS ?= $$(shell $(AARCH64_PKG_CONFIG) --libs $(PKGS)))$(AARCH64_LIBS)
# libFuzzer comes with clang.
fuzz_CC := clang
fuzz_CXX := clang++
fuzzplain_CC := clang
fuzzplain_CXX := clang++
aarch64_CC = $(AARCH64_CC)
aarch64_CXX = $(AARCH64_CXX)
variant_cc = $(or $($(1)_CC),$(CC))
variant_cxx = $(or $($(1)_CXX),$(CXX))

.PHONY: all demo test fuzz check-deps test-deps aarch64-deps bench-deps bench bench-scaling bench-steady install format format-check lint sanitize clean help
.DEFAULT_GOAL := all
.SUFFIXES:
.SECONDARY:

all: check-deps $(B)/release/millrace $(B)/release/libmillrace.a examples

# A rule of its own per variant: objects, library, program, tests, examples.
define variant
$(1)_LIB_OBJ := $$(LIB_SRC:%.c=$(B)/$(1)/%.o)
$(1)_APP_OBJ := $$(patsubst %.cpp,$(B)/$(1)/%.o,$$(APP_SRC:%.c=$(B)/$(1)/%.o))
$(1)_SUPPORT_OBJ := $$(SUPPORT_SRC:%.c=$(B)/$(1)/%.o)
$(1)_UNIT := $$(UNIT_SRC:%.c=$(B)/$(1)/%)
$(1)_STRESS := $$(STRESS_SRC:%.c=$(B)/$(1)/%)
$(1)_FAULTS := $$(FAULTS_SRC:%.c=$(B)/$(1)/%)
$(1)_EXAMPLES := $$(EXAMPLE_SRC:%.c=$(B)/$(1)/%) $$(PLUGIN_SRC:%.c=$(B)/$(1)/%.so)
$(1)_BENCH := $$(BENCH_SRC:%.c=$(B)/$(1)/%)

$(B)/$(1)/%.o: %.c | check-deps $($(1)_DEPS)
	@mkdir -p $$(@D)
	$$(say) CC $$@
	$$(Q)$(call variant_cc,$(1)) $$(CPPFLAGS) $$(CFLAGS) $$(PKG_CFLAGS) $$($(1)_FLAGS) -MMD -MP -c $$< -o $$@
$(B)/$(1)/%.o: %.cpp | check-deps $($(1)_DEPS)
	@mkdir -p $$(@D)
	$$(say) CXX $$@
	$$(Q)$(call variant_cxx,$(1)) $$(CPPFLAGS) $$(CXXFLAGS) $$(PKG_CFLAGS) $$($(1)_FLAGS) -MMD -MP -c $$< -o $$@
$(B)/$(1)/libmillrace.a: $$($(1)_LIB_OBJ)
	@rm -f $$@
	$$(say) AR $$@
	$$(Q)$$(AR) rcs $$@ $$^
$(B)/$(1)/libapp.a: $$($(1)_APP_OBJ)
	@rm -f $$@
	$$(say) AR $$@
	$$(Q)$$(AR) rcs $$@ $$^
$(B)/$(1)/millrace: $(B)/$(1)/cli/main.o $(B)/$(1)/libapp.a $(B)/$(1)/libmillrace.a
	$$(say) LD $$@
	$$(Q)$(call variant_cc,$(1)) $$(CFLAGS) $$($(1)_FLAGS) -rdynamic $$< -Wl,--whole-archive $(B)/$(1)/libapp.a \
	  $(B)/$(1)/libmillrace.a -Wl,--no-whole-archive $$(LDFLAGS) $$(LIBS) -o $$@
# An archive: a program takes only the members that it uses (some need criterion).
$(B)/$(1)/libsupport.a: $$($(1)_SUPPORT_OBJ)
	@rm -f $$@
	$$(say) AR $$@
	$$(Q)$$(AR) rcs $$@ $$^
$$($(1)_UNIT): %: %.o $(B)/$(1)/libsupport.a $(B)/$(1)/libapp.a $(B)/$(1)/libmillrace.a | test-deps
	$$(say) LD $$@
	$$(Q)$(call variant_cc,$(1)) $$(CFLAGS) $$($(1)_FLAGS) -rdynamic $$(filter %.o %.a,$$^) $(B)/$(1)/libapp.a $(B)/$(1)/libmillrace.a \
	  $$(LDFLAGS) -lcriterion $$(LIBS) -o $$@
$$($(1)_STRESS) $$($(1)_FAULTS) $$($(1)_BENCH): %: %.o $(B)/$(1)/libsupport.a $(B)/$(1)/libapp.a $(B)/$(1)/libmillrace.a
	$$(say) LD $$@
	$$(Q)$(call variant_cc,$(1)) $$(CFLAGS) $$($(1)_FLAGS) $$(filter %.o %.a,$$^) $(B)/$(1)/libapp.a $(B)/$(1)/libmillrace.a \
	  $$(LDFLAGS) $$(LIBS) -o $$@
$$(EXAMPLE_SRC:%.c=$(B)/$(1)/%): %: %.o $(B)/$(1)/libmillrace.a
	$$(say) LD $$@
	$$(Q)$(call variant_cc,$(1)) $$(CFLAGS) $$($(1)_FLAGS) $$^ $$(LDFLAGS) -lm -o $$@
$$(PLUGIN_SRC:%.c=$(B)/$(1)/%.so): $(B)/$(1)/%.so: %.c | check-deps $($(1)_DEPS)
	@mkdir -p $$(@D)
	$$(say) SO $$@
	$$(Q)$(call variant_cc,$(1)) $$(CPPFLAGS) $$(CFLAGS) $$($(1)_FLAGS) -fPIC -shared -MMD -MP $$< -o $$@
-include $$($(1)_LIB_OBJ:.o=.d) $$($(1)_APP_OBJ:.o=.d) $$($(1)_UNIT:=.d) $$($(1)_STRESS:=.d) $$($(1)_FAULTS:=.d) \
  $$($(1)_SUPPORT_OBJ:.o=.d) $$($(1)_BENCH:=.d) $$(EXAMPLE_SRC:%.c=$(B)/$(1)/%.d) $$(PLUGIN_SRC:%.c=$(B)/$(1)/%.d) $(B)/$(1)/cli/main.d
endef
$(foreach v,release asan tsan fuzz fuzzplain cov aarch64,$(eval $(call variant,$(v))))
# Time of the simulations is their own (tests/support/sim_clock.c).
SIMULATED := $(foreach v,release asan tsan cov aarch64,$(B)/$(v)/tests/faults/simulate $(B)/$(v)/tests/faults/fault)
$(SIMULATED): LDFLAGS += -Wl,--wrap=mr_mono_ns,--wrap=mr_sleep_until_mono_ns,-u,__wrap_mr_mono_ns
# Memory that runs out is their own (tests/support/failing_alloc.c).
STARVED := $(filter %_starved,$(foreach v,release asan tsan cov aarch64,$($(v)_UNIT)))
$(STARVED): LDFLAGS += -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=aligned_alloc,--wrap=strdup,--wrap=free
# Time and pid of who is stepped are always the same, and its pid (tests/support/singlestep_clock.c).
STEPPED := $(foreach v,release asan tsan cov aarch64,$(B)/$(v)/tests/faults/singlestep)
$(STEPPED): LDFLAGS += -Wl,--wrap=clock_gettime,--wrap=clock_nanosleep,--wrap=mr_clock_setup,--wrap=getpid

.PHONY: examples units
examples: $(release_EXAMPLES)
units: $(release_UNIT) $(release_STRESS) $(release_FAULTS)

# ---- set-up ------------------------------------------------------------------------------------------
# DEPS=skip leaves the packages alone (another distribution, an image that is ready).
DEPS ?= install
check-deps:
ifneq ($(DEPS),skip)
	@scripts/deps.sh build
endif
test-deps:
ifneq ($(DEPS),skip)
	@scripts/deps.sh test
endif
# What of a build needs the machine's own packages, and their libraries for aarch64.
aarch64-deps:
ifneq ($(DEPS),skip)
	@scripts/deps.sh aarch64
endif
	@scripts/aarch64-root.sh $(AARCH64_ROOT)
bench-deps:
ifneq ($(DEPS),skip)
	@scripts/deps.sh bench
endif

# ---- what people run -----------------------------------------------------------------------------------
demo: all
	@scripts/demo.sh $(B)/release/millrace

# All that the tests run.
.PHONY: tested
tested: test-deps all units $(B)/release/bench/instructions/instructions $(B)/asan/mischief $(FUZZ_SRC:%.c=$(B)/fuzz/%)
test: tested
	@scripts/test.sh $(B)/release

# Every figure, in under 12 minutes, into a dated report below bench/results. QUICK=1: only to see that it works.
bench: test-deps bench-deps all $(release_BENCH)
	@if scripts/deps.sh peers only-ask; then $(MAKE) --no-print-directory $(B)/release/bench/peers/peers; \
	  else echo 'bench: without the peers (make bench-peers installs their packages)'; fi
	@$(PYTHON) bench/report/run.py $(B)/release $(if $(QUICK),--quick)
# How cost grows, long form.
bench-scaling: test-deps all
	@$(PYTHON) bench/report/scaling.py $(B)/release --out out/scaling
# Nothing asked of the system per record, nothing kept: over 100 million records.
bench-steady: test-deps all
	@$(PYTHON) bench/report/steady.py $(B)/release --records 100000000

# The ring beside its peers. They need packages of their own, each seen by one file of bench/peers.
PEERS_SRC := $(wildcard bench/peers/*.c bench/peers/*.cpp)
PEERS_OBJ := $(patsubst %.cpp,$(B)/release/%.o,$(PEERS_SRC:%.c=$(B)/release/%.o))
$(PEERS_OBJ): CPPFLAGS += -DNDEBUG
$(PEERS_OBJ): | peers-deps
$(B)/release/bench/peers/rte_ring.o: CFLAGS += $(shell pkg-config --cflags libdpdk 2>/dev/null)
$(B)/release/bench/peers/iceoryx.o: CXXFLAGS += -isystem $(lastword $(wildcard /usr/include/iceoryx/v*))
PEERS_LIBS = $(shell pkg-config --libs libzmq) -lrte_ring -lrte_eal -liceoryx_posh -liceoryx_hoofs -liceoryx_platform
$(B)/release/bench/peers/peers: $(PEERS_OBJ) $(B)/release/libapp.a $(B)/release/libmillrace.a
	$(say) LD $@
	$(Q)$(CXX) $(filter-out -std=c17 -Wstrict-prototypes -Wmissing-prototypes,$(CFLAGS)) $(PEERS_OBJ) \
	  $(B)/release/libapp.a $(B)/release/libmillrace.a $(LDFLAGS) $(PEERS_LIBS) $(LIBS) -o $@
-include $(PEERS_OBJ:.o=.d)
.PHONY: peers-deps bench-peers
peers-deps:
ifneq ($(DEPS),skip)
	@scripts/deps.sh peers
endif
# QUICK=1: a fifth of the time.
bench-peers: $(B)/release/bench/peers/peers
	@QUICK=$(QUICK) scripts/bench-peers.sh $(B)/release

# Instructions a record, beside those recorded in bench/instructions.txt: fails where one grew by more than 3 %.
# UPDATE=1 records them. The program loads operators, as millrace does.
INSTRUCTIONS_OBJ := $(patsubst %.c,$(B)/release/%.o,$(wildcard bench/instructions/*.c))
INSTRUCTIONS := $(B)/release/bench/instructions/instructions
$(INSTRUCTIONS_OBJ): | test-deps
$(INSTRUCTIONS): $(INSTRUCTIONS_OBJ) $(B)/release/libsupport.a $(B)/release/libapp.a $(B)/release/libmillrace.a
	$(say) LD $@
	$(Q)$(CC) $(CFLAGS) -rdynamic $(INSTRUCTIONS_OBJ) $(B)/release/libsupport.a $(B)/release/libapp.a \
	  $(B)/release/libmillrace.a $(LDFLAGS) $(LIBS) -o $@
-include $(INSTRUCTIONS_OBJ:.o=.d)
.PHONY: bench-instructions
bench-instructions: $(INSTRUCTIONS) examples
	@CC='$(CC)' UPDATE=$(UPDATE) scripts/bench-instructions.sh $(B)/release

# RUNS executions of each fuzzer, from the seeds in tests/fuzz/corpus; what they find interesting is kept in CORPUS
# between runs.
RUNS ?= 100000
CORPUS ?= $(B)/corpus
FUZZERS := $(FUZZ_SRC:%.c=$(B)/fuzz/%)
FUZZERS_PLAIN := $(FUZZ_SRC:%.c=$(B)/fuzzplain/%)
define fuzzers
$(FUZZ_SRC:%.c=$(B)/$(1)/%): %: %.o $(B)/$(1)/libsupport.a $(B)/$(1)/libapp.a $(B)/$(1)/libmillrace.a
	$$(say) LD $$@
	$$(Q)$$($(1)_CXX) $$(subst fuzzer-no-link,fuzzer,$$($(1)_FLAGS)) $$(filter %.o %.a,$$^) $(B)/$(1)/libapp.a \
	  $(B)/$(1)/libmillrace.a $$(LDFLAGS) $$(LIBS) -o $$@
endef
$(foreach v,fuzz fuzzplain,$(eval $(call fuzzers,$(v))))
-include $(FUZZERS:=.d) $(FUZZERS_PLAIN:=.d)
fuzz: test-deps $(FUZZERS) $(if $(FUZZ_LEDGER),$(FUZZERS_PLAIN))
	@scripts/fuzz.sh $(RUNS) $(CORPUS) $(FUZZERS)

sanitize: test-deps all $(asan_UNIT) $(asan_STRESS) $(asan_FAULTS) $(B)/asan/millrace $(asan_EXAMPLES) \
          $(B)/tsan/tests/stress/ring_threads
	@scripts/sanitize.sh $(B)

# ---- shown by force (docs/RELIABILITY.md); each ends in one line with its figure ---------------------
# The journal on a simulated disk, a million times. SEED: the first; a seed that fails is printed with its command.
SEEDS ?= 1000000
.PHONY: simulate fault
simulate: $(B)/release/tests/faults/simulate
	@$< --seeds $(SEEDS) --seed $(or $(SEED),1)
# EIO on each write and each sync, completions of every kind; a loader under system calls that fail.
fault: all test-deps $(B)/release/tests/faults/fault
	@bash tests/faults/fault.sh $(B)/release $(or $(SEED),1)
# N journals damaged by seed, read by the program and by a reader of its own (tests/model/journal_reader.py).
N ?= 100000
PYTHON_XXHASH = $(shell for p in $(PYTHON) /usr/bin/python3; do "$$p" -c 'import xxhash' 2>/dev/null && echo "$$p" && break; done)
SEED ?= 1
.PHONY: corrupt
corrupt: test-deps $(B)/release/millrace $(B)/asan/tests/faults/corrupt
	@$(PYTHON_XXHASH) tests/faults/corrupt.py $(B)/release --program $(B)/asan/tests/faults/corrupt \
	  --journals $(N) --seed $(SEED) --jobs $$(nproc) --keep $(B)/corrupt

# KILLS SIGKILLs of stages and supervisor at random moments; SEED says which, SOURCES how many producers there are.
# 1,000 take 40 to 100 s.
KILLS ?= 10000
SOURCES ?= 1
SAMPLE_ITCH ?= $(or $(MILLRACE_SAMPLES),../shared/data)/itch/20200130-0400-premarket.itch
.PHONY: crash
crash: test-deps $(B)/release/millrace $(B)/release/tests/faults/crash
	@$(B)/release/tests/faults/crash --program $(B)/release/millrace --sample $(SAMPLE_ITCH) --kills $(KILLS) --seed $(SEED) \
	  --sources $(SOURCES)

# Every test in other places. WORDS="..." takes those tests alone whose path contains one of them.
.PHONY: places test-refused test-user
places: test-refused test-user test-aarch64
test-refused test-user: test-%: tested
	@scripts/places.sh $(B)/release $* $(WORDS)
.PHONY: test-aarch64
test-aarch64: test-deps $(aarch64_UNIT) $(aarch64_STRESS) $(aarch64_FAULTS) $(B)/aarch64/millrace $(aarch64_EXAMPLES)
	@scripts/places.sh $(B)/aarch64 aarch64 $(WORDS)

# Spin: the ring, the stage transaction, the bell, each with its seeded errors.
.PHONY: model
model: test-deps
	@CC='$(CC)' scripts/model.sh $(B)/model

# SIGKILL at every instruction of a stage's opening, its batches and their commits, of roll-back and of the journal's recovery.
.PHONY: singlestep
singlestep: $(B)/release/tests/faults/singlestep
	@$< --seed $(SEED)

# Which branches of ring, stage, journal and recovery the tests take; fails below 95 %.
.PHONY: coverage
COVERED := $(filter $(addprefix $(B)/cov/tests/unit/,ringbuf/% pipeline/% core/% loader/%),$(cov_UNIT)) $(cov_STRESS) \
  $(B)/cov/millrace $(B)/cov/tests/faults/singlestep $(B)/cov/tests/faults/refused
coverage: test-deps $(COVERED)
	@scripts/coverage.sh $(B)/cov

# The ring between two threads under ThreadSanitizer; RECORDS=1000000000 takes 20 to 60 minutes.
RECORDS ?= 1000000000
.PHONY: tsan-long
tsan-long: $(B)/tsan/tests/stress/ring_threads
	@TSAN_OPTIONS=halt_on_error=1 $< --records $(RECORDS)

# WRITES random writes into the shared pages of a run, everybody at work on them under the address and
# undefined-behaviour sanitizers. Of what it needs alone, so that `make test` has its short form cheaply.
WRITES ?= 10000000
MISCHIEF_SRC := tests/faults/mischief.c tests/support/wild_writes.c tests/support/counting_stage.c \
  tests/support/scratch.c $(LIB_SRC) core/config.c core/formats/json_out.c \
  $(filter-out core/pipeline/exporter.c core/pipeline/harden.c core/pipeline/supervisor%,$(wildcard core/pipeline/*.c))
MISCHIEF_OBJ := $(MISCHIEF_SRC:%.c=$(B)/asan/%.o)
$(B)/asan/mischief: $(MISCHIEF_OBJ)
	$(say) LD $@
	$(Q)$(CC) $(CFLAGS) $(asan_FLAGS) $^ $(LDFLAGS) $(LIBS) -o $@
-include $(MISCHIEF_OBJ:.o=.d)
.PHONY: mischief
mischief: test-deps $(B)/asan/mischief
	@$(B)/asan/mischief --writes $(WRITES) --seed $(SEED)

# CUTS power cuts (a write-back cache under a file system, killed), each followed by a resume; every tenth again
# with durability none. Needs root, fuse and loop devices.
CUTS ?= 200
.PHONY: powercut
powercut: test-deps $(B)/release/millrace
	@$(PYTHON) tests/faults/powercut.py $(B)/release --cuts $(CUTS) --seed $(SEED)
# Each stage, and the supervisor, stopped for so long.
SECONDS ?= 60
.PHONY: stop full
stop: test-deps $(B)/release/millrace
	@BUILD=$(B)/release tests/faults/stop.sh $(SECONDS)
# No room: in shared memory at each segment, on real disks TIMES times, and at every EVERY-th call that needs it.
TIMES ?= 20
EVERY ?= 1
full: test-deps all
	@BUILD=$(B)/release tests/faults/full_shm.sh && BUILD=$(B)/release tests/faults/full_disk.sh $(TIMES) && \
	  $(PYTHON) tests/faults/full.py $(B)/release --every $(EVERY)

format:
	clang-format -i $(ALL_C)
format-check:
	clang-format --dry-run -Werror $(ALL_C)
lint: test-deps format-check
	.ci/check-includes
	$(Q)$(CXX) -std=c++17 -D_GNU_SOURCE -I. -Wall -Wextra -Werror -fsyntax-only -x c++ bench/peers/loops.hpp # C++ reads our headers there
	@printf '%s\n' $(TIDY_SRC) | xargs -P 2 -n 1 sh -c 'clang-tidy --quiet "$$@" -- -D_GNU_SOURCE -I. \
	  -DMR_VERSION=\"\" -std=c17 $(PKG_CFLAGS) 2>/dev/null' sh

DEST = $(DESTDIR)$(PREFIX)
# Rings, records, journals; and what an operator of one's own (a shared object) includes.
HEADERS = millrace.h $(filter-out core/config_tree.h core/type.h core/journal_private.h,$(wildcard core/*.h)) $(wildcard ringbuf/*.h) \
  core/pipeline/pipeline.h core/pipeline/stage.h consumers/transform/operator.h consumers/transform/touch.h consumers/transform/reshape.h
install: all
	install -d $(DEST)/bin $(DEST)/lib/pkgconfig $(DEST)/share/man/man1
	install -m 755 $(B)/release/millrace $(DEST)/bin/
	install -m 644 $(B)/release/libmillrace.a $(DEST)/lib/
	for h in $(HEADERS); do install -D -m 644 $$h $(DEST)/include/millrace/$$h; done
	install -m 644 man/*.1 $(DEST)/share/man/man1/
	install -d $(DEST)/lib/systemd/system
	for u in systemd/*@.*; do sed -e 's|@PREFIX@|$(PREFIX)|' $$u > $(DEST)/lib/systemd/system/$${u##*/}; done
	cd $(DEST)/lib/systemd/system && for n in 3 4; do cp millrace-producer-2@.service millrace-producer-$$n@.service; done
	sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@VERSION@|$(VERSION)|' scripts/millrace.pc.in \
	  > $(DEST)/lib/pkgconfig/millrace.pc

clean:
	rm -rf $(B)

help:
	@echo 'make demo      install what is missing, build, run the main job on a synthetic ITCH session'
	@echo 'make test      install what is missing, build, run every test'
	@echo 'make all       the program, the library, the examples'
	@echo 'make bench     measure everything on this machine; report in bench/results'
	@echo 'make bench-scaling   how cost grows;  make bench-steady   100 million records'
	@echo 'make bench-peers  the ring beside ck_ring, rte_ring, boost, moodycamel, iceoryx, sockets, ZeroMQ; QUICK=1'
	@echo 'make bench-instructions  instructions a record beside those recorded; UPDATE=1 records them'
	@echo 'make simulate  SEEDS=1000000 SEED=1: the journal on a simulated disk, crashes at any operation'
	@echo 'make fault     EIO on every write and sync, completions of every kind, system calls that fail'
	@echo 'make sanitize  tests under the address, undefined-behaviour and thread sanitizers'
	@echo 'make fuzz      RUNS=$(RUNS) executions of every fuzzer of what reads bytes from outside; FUZZ_SECONDS=s at most in all;'
	@echo '               FUZZ_LEDGER=FILE goes on where it ended'
	@echo 'make corrupt   N=$(N) damaged journals, read by the program and by a second reader; SEED=$(SEED)'
	@echo 'make mischief  WRITES=$(WRITES) random writes into the shared pages, everybody at work on them; SEED=$(SEED)'

	@echo 'make crash     KILLS=$(KILLS) SIGKILLs of stages and supervisor at random moments; SEED=$(SEED) SOURCES=$(SOURCES)'
	@echo 'make powercut  CUTS=$(CUTS) power cuts under a running pipeline, and what is there after each; SEED=$(SEED)'
	@echo 'make stop      each stage, and the supervisor, stopped for SECONDS=$(SECONDS)'
	@echo 'make full      disks and shared memory without room at every point: EVERY=$(EVERY) TIMES=$(TIMES)'
	@echo 'make singlestep  SIGKILL before every single instruction of what must survive it'
	@echo 'make coverage  branches of ring, stage, journal and recovery that the tests take'
	@echo 'make model     every state of ring, stage transaction and sleep, and seeded errors found;  make tsan-long'
	@echo 'make places    every test in other places: test-refused (io_uring), test-user, test-aarch64 (qemu); WORDS="loader"'
	@echo 'make install   PREFIX=$(PREFIX) DESTDIR=$(DESTDIR)'
	@echo 'make format    clang-format on every file;  make lint checks format, includes, clang-tidy'
	@echo 'make clean     remove build/'
