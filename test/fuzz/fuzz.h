/* SPDX-License-Identifier: Apache-2.0 */
/* The one function of a fuzz target: libFuzzer calls it, and so does replay.c. */
#ifndef FUZZ_FUZZ_H
#define FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>

/** Try one input. Returns 0; a finding is a crash (an assert of the target, or a sanitizer's). */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
