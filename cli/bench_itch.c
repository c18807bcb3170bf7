// SPDX-License-Identifier: Apache-2.0
#include "cli/bench_itch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/bench_itch_reference.h"
#include "cli/bench_raw_rtt.h"
#include "gen/itch_session.h"

static int make_feed(const struct mr_itch_bench_options *options, struct mr_itch_feed *feed,
                     struct mr_error *err)
{
    struct mr_itch_session_options session_options = {.messages = options->messages,
                                                      .seed = options->seed,
                                                      .symbols = (uint32_t)options->symbols,
                                                      .live = (uint32_t)options->live};
    struct mr_itch_session *session;
    size_t room = (options->messages + 1) * MR_ITCH_FRAME_BYTES_MAX, filled;
    int code = mr_itch_session_open(&session, &session_options, err);
    if (code != MR_OK)
        return code;
    feed->bytes = malloc(room);
    if (feed->bytes)
        while ((filled = mr_itch_session_fill(session, feed->bytes + feed->length,
                                              room - feed->length)) > 0)
            feed->length += filled;
    feed->messages = mr_itch_session_messages(session);
    mr_itch_session_close(session);
    if (!feed->bytes)
        return mr_fail(err, MR_ERR_MEMORY, "no memory for %zu bytes", room);
    return mr_itch_reference(feed, err);
}

static int write_session(const struct mr_itch_feed *feed, const char *path, struct mr_error *err)
{
    FILE *out = fopen(path, "we");
    if (!out)
        return mr_fail_errno(err, MR_ERR_OUTPUT, "%s: cannot create", path);
    size_t wrote = fwrite(feed->bytes, 1, feed->length, out);
    if (fclose(out) != 0 || wrote != feed->length)
        return mr_fail_errno(err, MR_ERR_OUTPUT, "%s: cannot write", path);
    return MR_OK;
}

static int run_round(const struct mr_itch_feed *feed, const struct mr_itch_bench_options *options,
                     const struct mr_bench_scratch *scratch, struct mr_itch_bench_report *report,
                     struct mr_error *err)
{
    struct mr_itch_bench_round *round = &report->round[report->rounds];
    char session[512];
    snprintf(session, sizeof session, "%s/session.itch", scratch->files);
    int code = mr_itch_bench_raw(feed, round, err);
    if (code == MR_OK)
        code = mr_itch_bench_core(feed, report, round, err);
    for (int tuned = 0; tuned < 2 && code == MR_OK; tuned++) {
        double *per_second = tuned ? &round->tuned_per_second : &round->trio_per_second;
        code = write_session(feed, session, err);
        if (code == MR_OK)
            code = mr_itch_bench_trio(feed, options, scratch, session, tuned, per_second, err);
        mr_bench_scratch_clear(scratch);
    }
    report->rounds += code == MR_OK;
    return code == MR_OK && mr_bench_interrupted() ? mr_fail(err, MR_ERR_STAGE, "ended by a signal")
                                                   : code;
}

int mr_bench_itch(const struct mr_itch_bench_options *options, struct mr_itch_bench_report *report,
                  struct mr_error *err)
{
    struct mr_itch_feed feed = {0};
    struct mr_bench_scratch scratch;
    memset(report, 0, sizeof *report);
    int code = make_feed(options, &feed, err);
    if (code == MR_OK)
        code = mr_bench_scratch_make(&scratch, options->directory, err);
    if (code == MR_OK) {
        code = mr_bench_raw_rtt_least(&report->raw_rtt_ns, err);
        while (code == MR_OK && report->rounds < options->rounds)
            code = run_round(&feed, options, &scratch, report, err);
        if (code == MR_OK)
            code = mr_bench_raw_rtt_least(&report->raw_rtt_ns, err);
        mr_bench_scratch_remove(&scratch);
    }
    report->messages = feed.messages;
    report->bytes = feed.length;
    report->orders_live = feed.orders_live;
    memcpy(report->by_type, feed.by_type, sizeof report->by_type);
    free(feed.bytes);
    return code;
}
