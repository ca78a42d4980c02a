/* SPDX-License-Identifier: Apache-2.0 */
/* What every cmocka test file includes: cmocka wants these headers before its own. */
#ifndef UNIT_TESTING_H
#define UNIT_TESTING_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h> // IWYU pragma: keep

#endif
