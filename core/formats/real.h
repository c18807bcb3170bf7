// SPDX-License-Identifier: Apache-2.0
// Reals from and to text by the C++ library's <charconv>: correctly rounded, and the shortest text
// that reads back as the same value, both in a few ten ns. core/formats/number.h has the same for
// programs that link nothing but the C library, and says what a real may look like.
#ifndef MR_CORE_FORMATS_REAL_H
#define MR_CORE_FORMATS_REAL_H

#include "core/base.h"

#ifdef __cplusplus
extern "C" {
#endif

// A number without anything around it. False: it is written otherwise, or out of range; ask
// mr_parse_f64.
bool mr_real_parse(const char *text, size_t length, double *out);

// As mr_print_f64 and mr_print_f32 do, into MR_NUMBER_TEXT_BYTES, without a NUL; return the length.
size_t mr_real_print_f64(double value, char *out);
size_t mr_real_print_f32(float value, char *out);

#ifdef __cplusplus
}
#endif
#endif
