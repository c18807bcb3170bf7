// SPDX-License-Identifier: Apache-2.0
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/log.h"

// What `write_lines` wrote to stderr.
static const char *captured(void (*write_lines)(void))
{
    static char text[64 * 1024];
    FILE *file = tmpfile();
    int saved = dup(STDERR_FILENO);
    dup2(fileno(file), STDERR_FILENO);
    write_lines();
    dup2(saved, STDERR_FILENO);
    close(saved);
    rewind(file);
    text[fread(text, 1, sizeof text - 1, file)] = 0;
    fclose(file);
    return text;
}

static unsigned lines_in(const char *text)
{
    unsigned lines = 0;
    for (; *text; text++)
        lines += *text == '\n';
    return lines;
}

static void one_of_each_level(void)
{
    mr_debug("alpha %d", 1);
    mr_info("beta %d", 2);
    mr_warn("gamma %d", 3);
    mr_error_line("delta %d", 4);
}

Test(log, lines_below_the_level_are_not_written)
{
    mr_log_setup("producer", MR_LOG_WARN);
    const char *text = captured(one_of_each_level);
    cr_expect_eq(lines_in(text), 2);
    cr_expect_null(strstr(text, "beta"));
    cr_expect_not_null(strstr(text, "warn  producer: gamma 3\n"));
    cr_expect_not_null(strstr(text, "error producer: delta 4\n"));
}

static void a_thousand_lines(void)
{
    for (int i = 0; i < 1000; i++)
        mr_info("again %d", i);
}

Test(log, one_call_site_writes_few_lines_a_second)
{
    mr_log_setup("loader", MR_LOG_INFO);
    unsigned lines = lines_in(captured(a_thousand_lines));
    cr_expect_geq(lines, MR_LOG_LINES_PER_SECOND_MAX);
    cr_expect_leq(lines, 4 * MR_LOG_LINES_PER_SECOND_MAX, "%u lines", lines);
}

static void a_burst_and_one_more(void)
{
    for (int i = 0; i < 101; i++) {
        if (i == 100)
            mr_sleep_until_mono_ns(mr_mono_ns() + 1050000000);
        mr_info("again %d", i);
    }
}

Test(log, it_says_how_many_it_swallowed)
{
    mr_log_setup("loader", MR_LOG_INFO);
    const char *text = captured(a_burst_and_one_more);
    cr_expect_not_null(strstr(text, "again 100 (95 more like this)\n"), "%s", text);
}

static void a_very_long_line(void)
{
    char words[8000];
    memset(words, 'x', sizeof words - 1);
    words[sizeof words - 1] = 0;
    mr_info("%s", words);
}

Test(log, a_long_text_is_one_cut_line)
{
    mr_log_setup("loader", MR_LOG_INFO);
    const char *text = captured(a_very_long_line);
    cr_expect_eq(lines_in(text), 1);
    cr_expect_leq(strlen(text), 1400);
}
