// SPDX-License-Identifier: Apache-2.0
#include "cli/args.h"

#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <string.h>

#include "core/error.h"

static bool follow;
static const char *format;
static uint64_t limit;
static double factor;
static struct mr_arg_list sets, words;
static int code;

static const struct mr_arg table[] = {
    {"follow", NULL, "wait for more", MR_ARG_SWITCH, &follow},
    {"format", "csv|ndjson", "how records are printed", MR_ARG_TEXT, &format},
    {"limit", "COUNT", "end after so many", MR_ARG_COUNT, &limit},
    {"factor", "X", "a factor", MR_ARG_REAL, &factor},
    {"set", "KEY=VALUE", "override", MR_ARG_LIST, &sets},
    {0}};
static const struct mr_usage usage = {.command = "try",
                                      .words = "FILE",
                                      .about = "Tries.",
                                      .args = table,
                                      .words_min = 1,
                                      .words_max = 2};

static void set_up(void)
{
    cr_redirect_stdout();
    cr_redirect_stderr();
    follow = false;
    format = "csv";
    limit = 7;
    factor = 1;
    sets.count = 0;
}
TestSuite(args, .init = set_up);

#define PARSE(...)                                                                                 \
    ({                                                                                             \
        char *argv[] = {"try", __VA_ARGS__, NULL};                                                 \
        mr_args_parse(&usage, MR_COUNT_OF(argv) - 1, argv, &words, &code);                         \
    })

Test(args, words_and_options_in_any_order)
{
    cr_assert(PARSE("--limit", "3", "a", "--format=ndjson", "--set", "x=1", "b", "--set=y=2",
                    "--follow", "--factor", "2.5"));
    cr_expect_eq(words.count, 2);
    cr_expect_str_eq(words.items[1], "b");
    cr_expect_eq(limit, 3);
    cr_expect_str_eq(format, "ndjson");
    cr_expect_eq(sets.count, 2);
    cr_expect_str_eq(sets.items[0], "x=1");
    cr_expect_str_eq(sets.items[1], "y=2");
    cr_expect(follow);
    cr_expect_float_eq(factor, 2.5, 0);
}

Test(args, what_was_not_given_keeps_its_default)
{
    cr_assert(PARSE("a"));
    cr_expect_eq(limit, 7);
    cr_expect_str_eq(format, "csv");
    cr_expect(!follow);
}

Test(args, behind_two_dashes_all_are_words_and_a_dash_is_one)
{
    cr_assert(PARSE("--", "--follow", "-"));
    cr_expect(!follow);
    cr_expect_str_eq(words.items[0], "--follow");
    cr_expect_str_eq(words.items[1], "-");
}

static void expect_usage_error(bool parsed)
{
    cr_expect(!parsed);
    cr_expect_eq(code, MR_ERR_USAGE);
}

Test(args, errors)
{
    expect_usage_error(PARSE("--nothing", "a"));
    expect_usage_error(PARSE("-x", "a"));
    expect_usage_error(PARSE("a", "b", "c"));
    expect_usage_error(PARSE("--follow"));
    expect_usage_error(PARSE("a", "--limit"));
    expect_usage_error(PARSE("a", "--limit", "-1"));
    expect_usage_error(PARSE("a", "--limit", "3x"));
    expect_usage_error(PARSE("a", "--limit", ""));
    expect_usage_error(PARSE("a", "--limit", "99999999999999999999"));
    expect_usage_error(PARSE("a", "--factor", "fast"));
    expect_usage_error(PARSE("a", "--follow=yes"));
}

Test(args, too_many_of_a_list)
{
    char *argv[2 * MR_ARG_LIST_MAX + 5] = {"try", "a"};
    int argc = 2;
    for (unsigned i = 0; i <= MR_ARG_LIST_MAX; i++) {
        argv[argc++] = "--set";
        argv[argc++] = "k=v";
    }
    expect_usage_error(mr_args_parse(&usage, argc, argv, &words, &code));
}

Test(args, an_unknown_option_names_the_nearest)
{
    expect_usage_error(PARSE("--folow", "a"));
    fflush(stderr);
    cr_assert_stderr_eq_str(
        "millrace try: unknown option \"folow\", expected --follow?; see `millrace try --help`\n");
}

Test(args, help_wins_over_errors)
{
    cr_expect(!PARSE("--nothing", "--help"));
    cr_expect_eq(code, MR_OK);
}

Test(args, nearest)
{
    const char *const names[] = {"run", "stat", "transform"};
    cr_expect_str_eq(mr_nearest("runn", names, 3), "run");
    cr_expect_str_eq(mr_nearest("sta", names, 3), "stat");
    cr_expect_str_eq(mr_nearest("trasform", names, 3), "transform");
    cr_expect(mr_nearest("zebra", names, 3) == NULL);
    cr_expect(mr_nearest("", names, 3) == NULL);
    cr_expect(mr_nearest("a name that is much longer than any of the commands there are", names,
                         3) == NULL);
}
