// SPDX-License-Identifier: Apache-2.0
// The real three processes, as `millrace run` starts them: the session's file, the operator order_book, a
// journal; which is read back and folded as the other ways' results are.
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/bench_itch.h"
#include "core/journal.h"
#include "core/market.h"
#include "core/pipeline/report.h"
#include "core/pipeline/supervisor.h"

#define SESSION_DATE "2026-01-05"

static int write_pipeline(const struct mr_bench_scratch *scratch, const char *session,
                          const char *durability, bool tuned, char *path, size_t path_bytes,
                          struct mr_error *err)
{
    snprintf(path, path_bytes, "%s/itch.yaml", scratch->files);
    FILE *out = fopen(path, "we");
    if (!out)
        return mr_fail_errno(err, MR_ERR_OUTPUT, "%s: cannot create", path);
    fprintf(out,
            "name: itch\nshm: %s\nsource: {type: itch_file, path: \"%s\", date: " SESSION_DATE "}\n"
            "transform:\n  - order_book: {orders_max: %u, levels_max: %u}\n"
            "sink: {type: journal, path: \"%s/journal\", durability: %s}\n"
            "supervise: {restart: never}\n%s",
            scratch->shm, session, MR_ITCH_BENCH_ORDERS_MAX, MR_ITCH_BENCH_LEVELS_MAX,
            scratch->files, durability,
            tuned ? "placement: auto\nhuge_pages: advise\nprefault: true\ningress: {size: 1MiB}\n"
                  : "");
    if (fclose(out) != 0)
        return mr_fail_errno(err, MR_ERR_OUTPUT, "%s: cannot write", path);
    return MR_OK;
}

static int supervise(const struct mr_pipeline *pipeline, const char *file, struct mr_report *report,
                     struct mr_error *err)
{
    struct mr_supervisor supervisor;
    struct mr_supervisor_options how = {.file = file, .stages_stderr = -1};
    int code = mr_supervisor_open(&supervisor, pipeline, &how, err);
    if (code != MR_OK)
        return code;
    code = mr_supervisor_run(&supervisor, err);
    bool stopped = supervisor.signals_seen > 0;
    if (code == MR_OK)
        code = mr_report_read(report, pipeline, err);
    mr_supervisor_close(&supervisor, code);
    return stopped ? mr_fail(err, MR_ERR_STAGE, "ended by a signal") : code;
}

static void fold(struct mr_itch_digest *digest, const void *record)
{
    const struct mr_best_quote *quote = record;
    const struct mr_book_trade *trade = record;
    if (quote->env.schema_id == MR_SCHEMA_BEST_QUOTE) {
        struct mr_itch_best bid = {quote->bid_price, quote->bid_orders, quote->bid_shares};
        struct mr_itch_best ask = {quote->ask_price, quote->ask_orders, quote->ask_shares};
        mr_itch_fold_quote(digest, quote->env.sequence, quote->locate, &bid, &ask);
    } else if (trade->env.schema_id == MR_SCHEMA_BOOK_TRADE) {
        mr_itch_fold_trade(digest, trade->env.sequence, trade->locate, trade->price, trade->shares);
    }
}

static int check_journal(const struct mr_itch_feed *feed, const char *path, struct mr_error *err)
{
    struct mr_journal journal;
    struct mr_itch_digest found = {0};
    uint64_t records = 0;
    int code = mr_journal_open(&journal, path, err);
    if (code != MR_OK)
        return code;
    for (const struct mr_record *record; (record = mr_journal_next(&journal)) != NULL; records++)
        fold(&found, record);
    if (journal.stop != MR_JOURNAL_END)
        code = mr_fail(err, MR_ERR_CORRUPT, "%s", journal.problem.text);
    else if (memcmp(&found, &feed->expected, sizeof found) != 0 ||
             records != found.quotes + found.trades)
        code = mr_fail(err, MR_ERR_CORRUPT,
                       "%s: found %" PRIu64 " records with %" PRIu64 " quotes and %" PRIu64
                       " trades, expected exactly the %" PRIu64 " and %" PRIu64
                       " of the book checked against",
                       path, records, found.quotes, found.trades, feed->expected.quotes,
                       feed->expected.trades);
    mr_journal_close(&journal);
    return code;
}

static int check_counts(const struct mr_itch_feed *feed, const struct mr_report *report,
                        struct mr_error *err)
{
    if (!report->balance)
        return mr_fail(err, MR_ERR_BALANCE, "%s", report->imbalance);
    const struct mr_stage_report *producer = &report->stages[MR_ROLE_PRODUCER];
    if (producer->slot.counts[MR_COUNT_OUT] != feed->messages)
        return mr_fail(err, MR_ERR_CORRUPT,
                       "found %" PRIu64 " messages made records, expected %" PRIu64,
                       producer->slot.counts[MR_COUNT_OUT], feed->messages);
    return MR_OK;
}

static uint64_t journal_bytes(const struct mr_itch_feed *feed)
{
    return feed->expected.quotes * mr_record_stride(sizeof(struct mr_best_quote)) +
           feed->expected.trades * mr_record_stride(sizeof(struct mr_book_trade));
}

int mr_itch_bench_trio(const struct mr_itch_feed *feed, const struct mr_itch_bench_options *options,
                       const struct mr_bench_scratch *scratch, const char *session, bool tuned,
                       double *per_second, struct mr_error *err)
{
    struct mr_pipeline pipeline;
    char file[512], journal[512];
    int code = write_pipeline(scratch, session, options->durability, tuned, file, sizeof file, err);
    if (code == MR_OK)
        code = mr_pipeline_load(&pipeline, file, NULL, 0, err);
    if (code != MR_OK)
        return code;
    struct mr_report *report = mr_report_new();
    mr_bench_scratch_touch(scratch, journal_bytes(feed));
    code = supervise(&pipeline, file, report, err);
    if (code == MR_OK)
        code = check_counts(feed, report, err);
    snprintf(journal, sizeof journal, "%s/journal", scratch->files);
    if (code == MR_OK)
        code = check_journal(feed, journal, err);
    *per_second = report->seconds > 0 ? (double)feed->messages / report->seconds : 0;
    mr_report_free(report);
    mr_pipeline_free(&pipeline);
    return code;
}
