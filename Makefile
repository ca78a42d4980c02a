# SPDX-License-Identifier: Apache-2.0
# A thin front for meson and ./check; nothing is decided here.
BUILD ?= build

.PHONY: build check asan tsan e2e fuzz man dist clean

build: $(BUILD)/build.ninja
	ninja -C $(BUILD)

$(BUILD)/build.ninja:
	meson setup $(BUILD)

check:
	./check

asan tsan e2e fuzz:
	./check $@

man: build
	ninja -C $(BUILD) man

dist: build
	meson dist -C $(BUILD) --no-tests

clean:
	rm -rf build build-*
