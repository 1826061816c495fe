# SPDX-License-Identifier: MIT
# The everyday commands. The build itself is described to Meson: meson.build.
# Each target sees to the Debian packages it needs: tools/install-deps.

BUILD   ?= build
PREFIX  ?= /usr/local
LIBDIR  ?= lib
DESTDIR ?=
DIR      = /usr/include
BENCH    =
FUZZ     =
SECONDS  = 60
MESSAGES = 10000000

tools := tools
deps  := $(tools)/install-deps
comma := ,

# A folder per kind of build; $(call configured,FOLDER,OPTIONS) makes it.
configured = @test -f $(1)/build.ninja || meson setup $(1) $(2) >&2

# Of the tests: those that are programs of ours, and no checks of the tree.
programs := --no-rebuild --no-suite house --no-suite headers --no-suite install

.PHONY: build help run test check-fast bench sweep soak soak-queue soak-pool soak-dict \
	fuzz model asan tsan valgrind net musl aarch64 abi deb install uninstall \
	fmt clean

build: ## build the library, the examples and the tests (the default)
	@$(deps) build
	$(call configured,$(BUILD))
	@ninja -C $(BUILD)

help: ## say what each target does
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "make %-11s %s\n", $$1, $$2 }' \
	    Makefile

run: ## play the examples: first steps, a tour, larger ones on DIR=/usr/include
run: build
	@$(deps) run
	@$(tools)/run-examples $(BUILD) '$(DIR)'

test: ## run the whole test-suite
test: build
	@$(deps) test
	@$(deps) --optional peers
	@$(tools)/run-tests $(BUILD) --no-rebuild

check-fast: ## run the tests that take less than 10 seconds together
	@$(deps) build
	$(call configured,$(BUILD))
	@$(tools)/run-tests $(BUILD) --no-suite slow

bench: ## measure all, in half an hour, for bench/results.md; or BENCH=name only
	@$(deps) build >&2
	@$(deps) --optional bench >&2
	$(call configured,build-bench,--buildtype=release -Dbench=true \
	    -Dtests=false -Dman=disabled)
	@ninja -C build-bench >&2
	@$(tools)/run-bench build-bench $(BENCH)

sweep: ## kill a process at every instruction of each operation; mutations too
	@$(deps) build
	$(call configured,$(BUILD))
	@ninja -C $(BUILD) tests/sweep/sweep
	@$(BUILD)/tests/sweep/sweep
	@$(tools)/mutations

soak: ## kill processes at random for SECONDS=60, five times
	@$(deps) build
	$(call configured,$(BUILD))
	@ninja -C $(BUILD) tests/stress/soak
	@$(BUILD)/tests/stress/soak $(SECONDS)
	@$(BUILD)/tests/stress/soak sync $(SECONDS)
	@$(BUILD)/tests/stress/soak queue $(SECONDS)
	@$(BUILD)/tests/stress/soak pipe $(SECONDS)
	@$(BUILD)/tests/stress/soak pool $(SECONDS)

soak-queue: ## MESSAGES=10000000 through a queue whose users are killed
	@$(deps) build
	$(call configured,$(BUILD))
	@ninja -C $(BUILD) tests/stress/millions
	@$(BUILD)/tests/stress/millions $(MESSAGES)

soak-pool: ## kill a pool's worker every 5 ms for SECONDS=60
	@$(deps) build
	$(call configured,$(BUILD))
	@ninja -C $(BUILD) tests/stress/soak
	@$(BUILD)/tests/stress/soak pool $(SECONDS)

soak-dict: SECONDS = 300
soak-dict: ## kill those who use a dict, then a list, for SECONDS=300; histories checked
	@$(deps) build
	$(call configured,$(BUILD))
	@ninja -C $(BUILD) tests/stress/soak
	@$(BUILD)/tests/stress/soak dict $(SECONDS)
	@$(BUILD)/tests/stress/soak list $(SECONDS)

fuzz: SECONDS = 600
fuzz: ## feed bytes to all that parses them, or FUZZ=name; each SECONDS=600
	@$(deps) build fuzz
	@test -f build-fuzz/build.ninja || CC=clang meson setup build-fuzz \
	    -Dfuzz=true -Dexamples=false -Dman=disabled -Db_lundef=false \
	    -Db_sanitize=address$(comma)undefined >&2
	@ninja -C build-fuzz
	@$(tools)/run-fuzz build-fuzz $(SECONDS) $(FUZZ)

model: ## check the models of the protocols by Spin
	@$(deps) model
	@tests/model/run

asan: ## run the tests under AddressSanitizer and UBSan
	@$(deps) build test
	$(call configured,build-asan,-Db_sanitize=address$(comma)undefined \
	    -Db_lundef=false)
	@ninja -C build-asan
	@UBSAN_OPTIONS=$${UBSAN_OPTIONS-print_stacktrace=1} \
	    $(tools)/run-tests build-asan -t 4 $(programs)

tsan: ## run the tests under ThreadSanitizer
	@$(deps) build test
	$(call configured,build-tsan,-Db_sanitize=thread -Db_lundef=false)
	@ninja -C build-tsan
	@TSAN_OPTIONS=$${TSAN_OPTIONS-halt_on_error=1:die_after_fork=0} \
	    $(tools)/run-tests build-tsan -t 10 $(programs)

# Debian 12's valgrind knows no pidfd_open(): no process can be started there.
valgrind: ## run the tests of the lower rooms under valgrind's memcheck
	@$(deps) build test valgrind
	$(call configured,build-valgrind)
	@ninja -C build-valgrind
	@$(tools)/run-tests build-valgrind --setup=valgrind $(programs) \
	    --no-suite process --no-suite pool --no-suite examples \
	    --no-suite stress --no-suite sweep

net: ## two hosts and a cable that delays, loses, is cut; as root
	@$(deps) build net
	$(call configured,$(BUILD))
	@$(tools)/run-tests $(BUILD) --suite net

musl: ## build against musl, and run the tests
	@$(deps) build cross-musl
	@$(tools)/build-cross musl build-musl

aarch64: ## build for 64-bit ARM, and run by qemu-user what that can run
	@$(deps) build cross-aarch64
	@$(tools)/build-cross aarch64 build-aarch64

REF =
abi: ## compare with the last release's library (or REF=commit's): still fit?
	@$(deps) build abi
	@$(tools)/check-abi build-abi $(REF)

deb: ## make the Debian packages, in build-deb
	@$(deps) build deb
	@$(tools)/build-deb build-deb

# Meson's own choice of LIBDIR is, on a Debian without dpkg-dev, lib64, where
# neither the linker nor pkg-config looks.
install: ## install below DESTDIR, for use from PREFIX=/usr/local
install: build
	@meson configure $(BUILD) --prefix='$(PREFIX)' --libdir='$(LIBDIR)'
	@ninja -C $(BUILD)
	@$(tools)/install-files $(BUILD) '$(DESTDIR)'

uninstall: ## remove what `make install` put there
	@$(tools)/install-files --remove $(BUILD)

fmt: ## format the sources by clang-format
	@$(deps) fmt
	@find include src tests bench examples -name '*.[ch]' \
	    -exec clang-format -i {} +

clean: ## remove all that was built
	rm -rf $(BUILD) build-bench build-asan build-tsan build-valgrind \
	    build-fuzz build-mutation build-musl build-musl-parts \
	    build-aarch64 build-aarch64-parts build-abi build-deb
