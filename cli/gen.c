// SPDX-License-Identifier: Apache-2.0
// millrace gen: synthetic feeds. One kind so far: `gen itch`.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "core/clock.h"
#include "gen/itch_session.h"

#define BLOCK_BYTES (1u << 20)

struct gen_words {
    uint64_t messages;
    const char *bytes;
    uint64_t seed;
    uint64_t symbols;
    uint64_t live;
    const char *date;
    const char *out;
};

static int write_all(int fd, const uint8_t *bytes, size_t length, const char *name,
                     struct mr_error *err)
{
    while (length > 0) {
        ssize_t wrote = write(fd, bytes, length);
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote < 0)
            return mr_fail_errno(err, MR_ERR_OUTPUT, "%s: cannot write", name);
        bytes += wrote;
        length -= (size_t)wrote;
    }
    return MR_OK;
}

// Fills and writes until the session is over; says on stderr what was made and how fast.
static int pour(struct mr_itch_session *session, int fd, const char *name, struct mr_error *err)
{
    uint64_t bytes = 0;
    int code = MR_OK;
    uint8_t *block = malloc(BLOCK_BYTES);
    if (!block)
        return mr_fail(err, MR_ERR_MEMORY, "no memory for a block of %u bytes", BLOCK_BYTES);
    int64_t began_ns = mr_mono_ns();
    size_t filled;
    while (code == MR_OK && (filled = mr_itch_session_fill(session, block, BLOCK_BYTES)) > 0) {
        code = write_all(fd, block, filled, name, err);
        bytes += filled;
    }
    free(block);
    double seconds = (double)(mr_mono_ns() - began_ns) / 1e9;
    uint64_t messages = mr_itch_session_messages(session);
    if (code == MR_OK)
        fprintf(stderr, "%s: %llu messages, %llu bytes in %.2f s (%.1f million messages/s)\n", name,
                (unsigned long long)messages, (unsigned long long)bytes, seconds,
                seconds > 0 ? (double)messages / seconds / 1e6 : 0.0);
    return code;
}

// "20200130-synthetic.itch": a name that the source finds the day in.
static int default_name(const char *date, char *out, size_t out_bytes, struct mr_error *err)
{
    int year, month, day, length = 0;
    if (sscanf(date, "%4d-%2d-%2d%n", &year, &month, &day, &length) != 3 || date[length] != '\0' ||
        length != 10 || month < 1 || month > 12 || day < 1 || day > 31)
        return mr_fail(err, MR_ERR_USAGE, "--date: found \"%s\", expected YYYY-MM-DD", date);
    snprintf(out, out_bytes, "%04d%02d%02d-synthetic.itch", year, month, day);
    return MR_OK;
}

static int open_out(const char *name, int *fd, struct mr_error *err)
{
    if (strcmp(name, "-") == 0) {
        if (isatty(STDOUT_FILENO))
            return mr_fail(
                err, MR_ERR_USAGE,
                "standard output is a terminal, expected a pipe or file: ITCH is binary");
        *fd = STDOUT_FILENO;
        return MR_OK;
    }
    *fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (*fd < 0)
        return mr_fail_errno(err, MR_ERR_OUTPUT, "%s: cannot create", name);
    return MR_OK;
}

static int parse_size(const char *text, uint64_t *bytes, struct mr_error *err)
{
    char name[] = "--bytes", copy[64];
    snprintf(copy, sizeof copy, "%s", text);
    struct mr_node node = {
        .kind = MR_NODE_SCALAR, .file = "command line", .path = name, .text = copy};
    return mr_config_size(&node, bytes, err);
}

static int gen_itch(const struct gen_words *words, struct mr_error *err)
{
    struct mr_itch_session_options options = {.messages = words->messages,
                                              .seed = words->seed,
                                              .symbols = (uint32_t)words->symbols,
                                              .live = (uint32_t)words->live};
    struct mr_itch_session *session;
    char named[64];
    const char *name = words->out;
    int fd = -1;
    if (words->symbols > MR_ITCH_SESSION_SYMBOLS_MAX)
        return mr_fail(err, MR_ERR_USAGE, "--symbols: found %llu, expected at most %u",
                       (unsigned long long)words->symbols, MR_ITCH_SESSION_SYMBOLS_MAX);
    if (words->live > MR_ITCH_SESSION_LIVE_MAX)
        return mr_fail(err, MR_ERR_USAGE, "--live: found %llu, expected at most %u",
                       (unsigned long long)words->live, MR_ITCH_SESSION_LIVE_MAX);
    if (words->bytes && words->messages)
        return mr_fail(err, MR_ERR_USAGE, "found --messages and --bytes, expected one of them");
    if (!words->bytes && !words->messages)
        options.messages = 1000000;
    int code = words->bytes ? parse_size(words->bytes, &options.bytes, err) : MR_OK;
    if (code == MR_OK)
        code = default_name(words->date, named, sizeof named, err);
    if (code == MR_OK)
        code = mr_itch_session_open(&session, &options, err);
    if (code != MR_OK)
        return code;
    name = name ? name : named;
    code = open_out(name, &fd, err);
    if (code == MR_OK)
        code = pour(session, fd, strcmp(name, "-") == 0 ? "standard output" : name, err);
    if (fd > STDOUT_FILENO && close(fd) != 0 && code == MR_OK)
        code = mr_fail_errno(err, MR_ERR_OUTPUT, "%s: cannot write", name);
    mr_itch_session_close(session);
    return code;
}

int mr_cli_gen(int argc, char **argv)
{
    struct gen_words words = {.seed = 1, .date = "2020-01-30"};
    struct mr_arg_list rest;
    struct mr_error err;
    int code;
    const struct mr_arg table[] = {
        {"messages", "N", "how many messages (default 1000000)", MR_ARG_COUNT, &words.messages},
        {"bytes", "SIZE", "how large instead, e.g. 1GiB: at most that", MR_ARG_TEXT, &words.bytes},
        {"seed", "S", "another seed, another day (default 1)", MR_ARG_COUNT, &words.seed},
        {"symbols", "N", "how many stocks (default: as suits the size, at most 500)", MR_ARG_COUNT,
         &words.symbols},
        {"live", "N", "orders in the books at a time, about (default: 160 a stock)", MR_ARG_COUNT,
         &words.live},
        {"date", "YYYY-MM-DD", "day in the name of the file (default 2020-01-30)", MR_ARG_TEXT,
         &words.date},
        {"out", "FILE|-", "where to (default YYYYMMDD-synthetic.itch here; -: standard output)",
         MR_ARG_TEXT, &words.out},
        {0}};
    const struct mr_usage usage = {
        "gen",
        "itch",
        "Generates a synthetic feed. `gen itch` makes a day of Nasdaq TotalView-ITCH 5.0: all 23 "
        "message\n"
        "types, orders that live consistent lives, the same bytes for the same seed and size.",
        table,
        1,
        1};
    if (!mr_args_parse(&usage, argc, argv, &rest, &code))
        return code;
    if (strcmp(rest.items[0], "itch") != 0) {
        mr_fail(&err, MR_ERR_USAGE, "found \"%s\", expected itch", rest.items[0]);
        return mr_cli_fail("gen", &err);
    }
    code = gen_itch(&words, &err);
    return code == MR_OK ? code : mr_cli_fail("gen", &err);
}
