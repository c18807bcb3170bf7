// SPDX-License-Identifier: Apache-2.0
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "core/error.h"

Test(error, the_code_comes_back_with_the_text)
{
    struct mr_error err;
    cr_expect_eq(mr_fail(&err, MR_ERR_INPUT, "%s:%d: found %s", "a.csv", 7, "x"), MR_ERR_INPUT);
    cr_expect_eq(err.code, MR_ERR_INPUT);
    cr_expect_str_eq(err.text, "a.csv:7: found x");
}

Test(error, nobody_needs_to_listen)
{
    cr_expect_eq(mr_fail(NULL, MR_ERR_SHM, "x"), MR_ERR_SHM);
    cr_expect_eq(mr_fail_errno(NULL, MR_ERR_SHM, "x"), MR_ERR_SHM);
}

Test(error, errno_is_spelled_out)
{
    struct mr_error err;
    errno = ENOSPC;
    cr_expect_eq(mr_fail_errno(&err, MR_ERR_OUTPUT, "disk"), MR_ERR_OUTPUT);
    cr_expect_str_eq(err.text, "disk: No space left on device");
}

Test(error, context_goes_before)
{
    struct mr_error err;
    mr_fail(&err, MR_ERR_CONFIG, "found 3");
    cr_expect_eq(mr_error_within(&err, "%s", "ring.size"), MR_ERR_CONFIG);
    cr_expect_eq(mr_error_within(&err, "p.yaml:%d", 4), MR_ERR_CONFIG);
    cr_expect_str_eq(err.text, "p.yaml:4: ring.size: found 3");
}

Test(error, a_long_text_is_cut_not_spilled)
{
    struct mr_error err;
    char long_text[3000];
    memset(long_text, 'x', sizeof long_text - 1);
    long_text[sizeof long_text - 1] = 0;
    mr_fail(&err, MR_ERR_INPUT, "%s", long_text);
    cr_expect_eq(strlen(err.text), sizeof err.text - 1);
    mr_error_within(&err, "%s", long_text);
    cr_expect_eq(strlen(err.text), sizeof err.text - 1);
    errno = EIO;
    mr_fail_errno(&err, MR_ERR_INPUT, "%s", long_text);
    cr_expect_eq(strlen(err.text), sizeof err.text - 1);
}

Test(error, every_exit_code_has_its_number_and_name)
{
    static const char *const names[] = {"ok",      "internal", "usage", "config",  "input",
                                        "output",  "shm",      "busy",  "corrupt", "stage",
                                        "balance", "memory",   "limit"};
    for (int code = 0; code < (int)MR_COUNT_OF(names); code++)
        cr_expect_str_eq(mr_code_name(code), names[code]);
    cr_expect_str_eq(mr_code_name(MR_ERR_BALANCE), "balance");
    cr_expect_eq(MR_ERR_LIMIT, 12);
    cr_expect_str_eq(mr_code_name(-1), "unknown");
    cr_expect_str_eq(mr_code_name(99), "unknown");
}
