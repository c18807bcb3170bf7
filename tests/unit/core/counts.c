// SPDX-License-Identifier: Apache-2.0
// The names of counts and reasons stand in metrics, JSON and dead letters: they do not change.
#include "core/counts.h"

#include <criterion/criterion.h>

Test(counts, names_stand)
{
    cr_expect_str_eq(mr_count_name(MR_COUNT_IN), "in");
    cr_expect_str_eq(mr_count_name(MR_COUNT_OUT), "out");
    cr_expect_str_eq(mr_count_name(MR_COUNT_FILTERED), "filtered");
    cr_expect_str_eq(mr_count_name(MR_COUNT_DUPLICATE), "duplicate");
    cr_expect_str_eq(mr_count_name(MR_COUNT_LATE), "late");
    cr_expect_str_eq(mr_count_name(MR_COUNT_REJECTED), "rejected");
    cr_expect_str_eq(mr_count_name(MR_COUNT_DROPPED), "dropped");
    cr_expect_str_eq(mr_count_name(MR_COUNT_EMITTED), "emitted");
    cr_expect_str_eq(mr_count_name(MR_COUNT_KINDS), "unknown");
}

Test(counts, reasons_stand)
{
    cr_expect_str_eq(mr_reason_name(MR_REASON_SYNTAX), "syntax");
    cr_expect_str_eq(mr_reason_name(MR_REASON_MISSING_FIELD), "missing_field");
    cr_expect_str_eq(mr_reason_name(MR_REASON_BAD_VALUE), "bad_value");
    cr_expect_str_eq(mr_reason_name(MR_REASON_TOO_LONG), "too_long");
    cr_expect_str_eq(mr_reason_name(MR_REASON_BAD_LENGTH), "bad_length");
    cr_expect_str_eq(mr_reason_name(MR_REASON_UNKNOWN_TYPE), "unknown_type");
    cr_expect_str_eq(mr_reason_name(MR_REASON_TRUNCATED), "truncated");
    cr_expect_str_eq(mr_reason_name(MR_REASON_EXPRESSION), "expression");
    cr_expect_str_eq(mr_reason_name(MR_REASON_LIMIT), "limit");
    cr_expect_str_eq(mr_reason_name(MR_REASON_KINDS), "unknown");
}
