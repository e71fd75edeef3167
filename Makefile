# The front door: packages, Meson, and programs under their short names. `make help` lists the targets.

BUILD = build
PORT = 8888
FUZZ_SECONDS = 60

.PHONY: all configure deps demo test test-all test-arm64 asan bench fuzz install fmt clean help

all: configure ## the release build, in build/
	@ninja -C $(BUILD)

configure:
	@tools/deps build
	@test -f $(BUILD)/build.ninja || meson setup $(BUILD)

deps: ## install every package that building, testing and comparing need
	@tools/deps build test bench

demo: configure ## build, then serve the demo on http://localhost:8888 (PORT=...)
	@ninja -C $(BUILD) demos/realtime
	@echo "Open http://localhost:$(PORT)/ in two windows; Ctrl-C stops it."
	@exec $(BUILD)/demos/realtime --port=$(PORT)

test: ## every test, under ASan and UBSan and in the release build; ends with "N passed, N failed"
	@tools/deps build test || { echo "0 passed, 1 failed"; exit 1; }
	@tools/run-tests

test-all: ## the same, then TSan, valgrind, clang, unsigned char, ucontext, poll(2), AArch64, the slow tests and longer fuzzing
	@tools/deps build test || { echo "0 passed, 1 failed"; exit 1; }
	@tools/run-tests --all

test-arm64: ## cross-build base and loop for AArch64 and run their tests under qemu
	@tools/deps build arm64 || { echo "0 passed, 1 failed"; exit 1; }
	@tools/test-arm64

asan: ## build in build-asan/ under ASan and UBSan and run the tests there
	@tools/deps build test
	@tools/run-tests --build=build-asan

bench: all ## measure ours and the peers that are installed (QUICK=1: ours and the bare loops)
	@tools/deps bench || echo "bench: going on with what there is"
	@bench/run --build=$(BUILD)

fuzz: ## fuzz every parser for a minute each (FUZZ_SECONDS=60)
	@tools/deps build test
	@tools/fuzz --seconds=$(FUZZ_SECONDS)

install: all ## install into /usr/local or PREFIX, below DESTDIR if that is set
	@$(if $(PREFIX),meson configure $(BUILD) -Dprefix=$(PREFIX))
	@meson install -C $(BUILD) $(if $(DESTDIR),--destdir $(abspath $(DESTDIR)))
	@test -n "$(DESTDIR)" || test "$$(id -u)" -ne 0 || ldconfig

fmt: ## format the sources in place
	@tools/lint/format --fix

clean: ## remove what was built
	rm -rf $(BUILD) build-asan build-tsan build-valgrind build-clang build-ucontext build-unsigned-char build-fuzz build-arm64 build-arm64-sysroot

help: ## this list
	@sed -n 's/^\([a-z0-9-]*\):.*## /\1\t/p' Makefile | expand -t 12
