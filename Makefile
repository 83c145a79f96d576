# SPDX-License-Identifier: GPL-2.0-only
# Thin: modules go to Kbuild, everything else to tests/lab/mhca-lab.

KDIR ?= /lib/modules/$(shell uname -r)/build
LAB  := tests/lab/mhca-lab
MODULES := mhca.ko mhca_soft.ko
CHECKPATCH ?= $(firstword $(wildcard $(KDIR)/scripts/checkpatch.pl \
	/usr/src/linux-*/scripts/checkpatch.pl))

all: modules

modules:
	$(MAKE) -C $(KDIR) M=$(CURDIR) modules

modules_install install: modules
	$(MAKE) -C $(KDIR) M=$(CURDIR) INSTALL_MOD_DIR=updates modules_install

test:
	$(LAB) test

# Also what needs an otherwise idle machine or more than CI's time.
test-full:
	MHCA_FULL=1 $(LAB) test

test-debug:
	$(LAB) test --debug-kernel

demo:
	$(LAB) run -- -q -s tests/bench/demo.py

bench:
	$(LAB) run -- -q -s tests/bench/bench.py tests/bench/bench_roce.py
	mkdir -p build/bench
	cp build/lab/logs/latest/bench.jsonl build/bench/$$(date +%Y%m%d-%H%M%S).jsonl

# The pure core in user space (tests/unit/README.md): no VM, seconds.
UNIT := build/meson
test-unit: $(UNIT)
	meson test -C $(UNIT)

# libFuzzer searches with each target for TIME seconds (tests/fuzz/README.md).
TIME ?= 60
fuzz:
	tests/fuzz/run.sh $(TIME) $(TARGETS)

bench-native: $(UNIT)
	ninja -C $(UNIT) tests/bench/bench-native
	mkdir -p build/bench
	$(UNIT)/tests/bench/bench-native | tee build/bench/native.log
	grep '^{' build/bench/native.log > build/bench/native.jsonl

# Noisy neighbours on one lane, in the lane's own CPU time (docs/isolation.md).
bench-isolation: $(UNIT)
	ninja -C $(UNIT) tests/bench/bench-isolation
	mkdir -p build/bench
	$(UNIT)/tests/bench/bench-isolation > build/bench/isolation.log; status=$$?; \
	grep -v '^{' build/bench/isolation.log; \
	grep '^{' build/bench/isolation.log > build/bench/isolation-native.jsonl; exit $$status

$(UNIT):
	meson setup $@

coverage:
	tests/unit/coverage.sh build/coverage

shell:
	$(LAB) shell

lint:
	$(LAB) lint

# Debian packages below build/deb/.
deb:
	python3 packaging/deb.py

clean:
	$(LAB) clean
	rm -f *.o *.ko *.mod *.mod.c .*.cmd modules.order Module.symvers
	find mdev-driver \( -name '*.o' -o -name '.*.cmd' \) -delete

.PHONY: all modules modules_install install test test-full test-debug test-unit fuzz demo bench \
	bench-native bench-isolation coverage shell lint deb clean
