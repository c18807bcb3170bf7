// SPDX-License-Identifier: Apache-2.0
#include "tests/support/refusal.h"

#include <criterion/criterion.h>
#include <seccomp.h>
#include <string.h>

#include "tests/support/emulated.h"

static void refuse(const char *call, int error, unsigned comparisons,
                   struct scmp_arg_cmp comparison)
{
    if (mr_test_emulated())
        cr_skip("an emulator does not filter system calls");
    int number = seccomp_syscall_resolve_name(call);
    cr_assert_neq(number, __NR_SCMP_ERROR, "no system call is named %s", call);
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
    cr_assert_not_null(filter);
    int failed = seccomp_rule_add_array(filter, SCMP_ACT_ERRNO((uint16_t)error), number,
                                        comparisons, &comparison);
    if (failed == 0)
        failed = seccomp_load(filter);
    seccomp_release(filter);
    cr_assert_eq(failed, 0, "cannot filter system calls here: %s", strerror(-failed));
}

void refuse_call(const char *call, int error)
{
    refuse(call, error, 0, (struct scmp_arg_cmp){0});
}

void refuse_call_with(const char *call, int error, unsigned argument, uint64_t value)
{
    refuse(call, error, 1, (struct scmp_arg_cmp){argument, SCMP_CMP_EQ, value, 0});
}

void refuse_call_flagged(const char *call, int error, unsigned argument, uint64_t flags)
{
    refuse(call, error, 1, (struct scmp_arg_cmp){argument, SCMP_CMP_MASKED_EQ, flags, flags});
}
