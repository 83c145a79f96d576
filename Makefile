# SPDX-License-Identifier: GPL-2.0-only
# Thin: modules go to Kbuild, everything else to tests/lab/mhca-lab.
# What a target needs it installs (as root, with apt; else it says what is missing).
# A line "target: ## text" is what `make help` shows.

KDIR ?= /lib/modules/$(shell uname -r)/build
LAB  := tests/lab/mhca-lab
# User space is built with the layouts of the kernel that KDIR was said to be.
HEADERS := $(if $(filter-out default file,$(origin KDIR)),-Dkernel_headers=$(KDIR))

all: modules ## what `make` makes: the kernel modules

help: ## this list
	@sed -n 's/^\([a-z_-]*\):.*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

modules: ## mhca.ko and mhca_soft.ko, for the running kernel or KDIR=…
	@KDIR=$(KDIR) $(LAB) deps modules
	$(MAKE) -C $(KDIR) M=$(CURDIR) modules

modules_install: modules ## … into that kernel's modules, below updates/
	$(MAKE) -C $(KDIR) M=$(CURDIR) INSTALL_MOD_DIR=updates modules_install

install: modules_install ## the same

FRONT_END ?= mdev
demo: ## two stock guests exchange RDMA in a virtual host; FRONT_END=vfio-user: on this machine, without one
	$(LAB) run --front-end $(FRONT_END) -- -q -s tests/bench/demo.py

test: ## everything, as CI runs it
	$(LAB) test

test-quick: ## before each commit: unit tests, and the modules of one kernel
	$(LAB) test --quick

test-full: ## also what needs an otherwise idle machine or more than CI's time
	MHCA_FULL=1 $(LAB) test

test-debug: ## `make test` on a host with KASAN, lockdep, UBSAN and kmemleak
	$(LAB) test --debug-kernel

# The pure core in user space (tests/unit/README.md): no VM.
UNIT := build/meson
test-unit: $(UNIT)/build.ninja ## the tests that need no virtual machine, with ASan and UBSan
	meson test -C $(UNIT) --no-suite full

# libFuzzer searches with each target for TIME seconds (tests/fuzz/README.md).
TIME ?= 60
fuzz: ## libFuzzer, TIME=60 seconds for each of TARGETS (all)
	@KDIR=$(KDIR) $(LAB) deps fuzz
	tests/fuzz/run.sh $(TIME) $(TARGETS)

coverage: ## lines of the core that the unit tests execute
	@KDIR=$(KDIR) $(LAB) deps unit tools
	tests/unit/coverage.sh build/coverage

bench: ## bandwidth, latency and rates between guests, in the lab
	$(LAB) run -- -q -s tests/bench/bench.py tests/bench/bench_roce.py

bench-native: $(UNIT)/build.ninja ## the core's own costs, in user space
	ninja -C $(UNIT) tests/bench/bench-native
	mkdir -p build/bench
	$(UNIT)/tests/bench/bench-native > build/bench/native.log; status=$$?; \
	cat build/bench/native.log; \
	grep '^{' build/bench/native.log > build/bench/native.jsonl; exit $$status

# In the lane's own CPU time (docs/isolation.md).
bench-isolation: $(UNIT)/build.ninja ## noisy neighbours on one lane
	ninja -C $(UNIT) tests/bench/bench-isolation
	mkdir -p build/bench
	$(UNIT)/tests/bench/bench-isolation > build/bench/isolation.log; status=$$?; \
	grep -v '^{' build/bench/isolation.log; \
	grep '^{' build/bench/isolation.log > build/bench/isolation-native.jsonl; exit $$status

$(UNIT)/build.ninja:
	@KDIR=$(KDIR) $(LAB) deps unit tools
	meson setup $(UNIT) -Dtests=enabled -Dlibmhca=enabled -Dhost_tools=enabled -Dmhcad=enabled \
		$(HEADERS)

LIB := build/libmhca
libmhca: $(LIB)/build.ninja ## the user-space verbs library and its programs
	ninja -C $(LIB)

libmhca_install: libmhca ## … below /usr/local
	meson install -C $(LIB)
	! command -v ldconfig >/dev/null || ldconfig

$(LIB)/build.ninja:
	@KDIR=$(KDIR) $(LAB) deps libmhca
	meson setup $(LIB) --libdir=lib -Db_sanitize=none -Dbuildtype=release -Dlibmhca=enabled \
		-Dtests=disabled -Dhost_tools=disabled -Dmhcad=disabled $(HEADERS)

deb: ## Debian packages below build/deb/
	@KDIR=$(KDIR) $(LAB) deps deb
	python3 packaging/deb.py

shell: ## a root shell on the lab's host
	$(LAB) shell

lint: ## checkpatch, sparse, shellcheck, Python's syntax
	$(LAB) lint

clean: ## what was built; images and logs stay
	$(LAB) clean
	rm -f *.o *.ko *.mod *.mod.c .*.cmd modules.order Module.symvers
	find mdev-driver \( -name '*.o' -o -name '.*.cmd' \) -delete

.PHONY: all help modules modules_install install demo test test-quick test-full test-debug test-unit fuzz \
	coverage bench bench-native bench-isolation libmhca libmhca_install deb shell lint clean
