// SPDX-License-Identifier: Apache-2.0
// What a simulated session's journal is held against: everything that was made, byte by byte.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/journal.h"
#include "tests/support/scratch.h"
#include "tests/support/sim_session.h"

static bool matches(const uint8_t *stream, const struct mr_journal *journal,
                    const struct mr_record *record, const struct sim_entry *entry)
{
    return journal->record_position == entry->begin_pos &&
           mr_record_stride(record->length) == entry->end_pos - entry->begin_pos &&
           memcmp(record, stream + entry->begin_pos, entry->end_pos - entry->begin_pos) == 0;
}

static unsigned next_record(const struct sim_session *session, unsigned at)
{
    while (at < session->entry_count && session->entries[at].padding)
        at++;
    return at;
}

// Where `record` is not what stands at `at`: the first that is not in doubt, if `at` is; *missing counts the others.
static unsigned pass_doubtful(const struct sim_session *session, unsigned at, unsigned *missing)
{
    while (at < session->entry_count && session->entries[at].begin_pos >= session->doubtful_pos &&
           session->entries[at].begin_pos < session->doubtful_end_pos) {
        *missing += !session->entries[at].padding;
        at = next_record(session, at + 1);
    }
    return at;
}

static bool is_at(const struct sim_session *session, const struct mr_journal *journal,
                  const struct mr_record *record, unsigned at)
{
    return at < session->entry_count &&
           matches(session->stream, journal, record, &session->entries[at]);
}

// Record by record; the number of those that are there, and right, with those that need not be there.
static unsigned compare(struct sim_session *session, struct mr_journal *journal)
{
    const struct mr_record *record;
    unsigned at = 0, found = 0, missing = 0;
    while ((record = mr_journal_next(journal)) != NULL) {
        at = next_record(session, at);
        if (!is_at(session, journal, record, at))
            at = pass_doubtful(session, at, &missing);
        if (!is_at(session, journal, record, at)) {
            sim_session_fail(
                session, "at %llu stands record %llu, expected number %u as it was made at %llu",
                (unsigned long long)journal->record_position, (unsigned long long)record->sequence,
                found,
                at < session->entry_count ? (unsigned long long)session->entries[at].begin_pos
                                          : 0ULL);
            return found;
        }
        at++;
        found++;
    }
    pass_doubtful(session, next_record(session, at), &missing);
    return found + missing;
}

bool sim_check_journal(struct sim_session *session, bool weak)
{
    struct mr_journal journal;
    struct mr_error err;
    if (mr_journal_open(&journal, session->options.path, &err) != MR_OK) {
        if (!weak && session->next_id > 0)
            sim_session_fail(session, "cannot read the journal: %s", err.text);
        return session->next_id == 0;
    }
    if (weak && journal.position > 0) { // its first segments' names were never synced
        mr_journal_close(&journal);
        return false;
    }
    unsigned found = compare(session, &journal);
    if (!weak && !session->failure[0] && found != session->next_id)
        sim_session_fail(session, "found %u records, expected %u; stopped at %llu: %s", found,
                         session->next_id, (unsigned long long)journal.position,
                         journal.problem.text);
    if (!weak && journal.stop == MR_JOURNAL_DAMAGED)
        sim_session_fail(session, "damaged: %s", journal.problem.text);
    bool sound = journal.stop != MR_JOURNAL_DAMAGED;
    mr_journal_close(&journal);
    return sound && !session->failure[0];
}

static bool is_of(const struct sim_made *made, const struct mr_journal *journal,
                  const struct mr_record *record)
{
    for (unsigned i = 0; i < made->entry_count; i++)
        if (!made->entries[i].padding && matches(made->stream, journal, record, &made->entries[i]))
            return true;
    return false;
}

void sim_check_either(struct sim_session *session)
{
    const struct sim_made after = {session->stream, session->entries, session->entry_count};
    struct mr_journal journal;
    const struct mr_record *record;
    unsigned olds = 0, news = 0;
    session->disk->faults.read_error = 0;
    if (mr_journal_open(&journal, session->options.path, NULL) != MR_OK)
        return;
    while ((record = mr_journal_next(&journal)) != NULL) {
        bool old = is_of(&session->before, &journal, record), new = is_of(&after, &journal, record);
        if (!old && !new)
            sim_session_fail(session, "at %llu stands a record of neither journal",
                             (unsigned long long)journal.record_position);
        olds += old && !new;
        news += new && !old;
    }
    if (olds > 0 && news > 0)
        sim_session_fail(session,
                         "%u records of the journal that is replaced and %u of the new one", olds,
                         news);
    sim_disk_trace(session->disk, "replaced: %u old records, %u new ones", olds, news);
    mr_journal_close(&journal);
}

// A byte of the header or of what was durable in one of the segments.
static bool flip_one(struct sim_session *session, char *path, size_t path_bytes, bool *last)
{
    uint64_t *bases;
    unsigned count;
    struct mr_journal journal;
    struct mr_journal_segment segment;
    if (mr_journal_list(session->options.path, &bases, &count, NULL) != MR_OK)
        return false;
    unsigned chosen = count ? (unsigned)random_below(&session->random, count) : 0;
    *last = chosen + 1 == count;
    if (count > 0)
        mr_journal_segment_path(session->options.path, bases[chosen], path, path_bytes);
    free(bases);
    if (count == 0 || mr_journal_open(&journal, path, NULL) != MR_OK)
        return false;
    mr_journal_segment_now(&journal, &segment);
    mr_journal_close(&journal);
    if (!segment.marked)
        return false;
    uint64_t reach = segment.header_bytes + segment.durable_pos - segment.base_pos;
    uint64_t at = random_below(&session->random, reach);
    sim_disk_trace(session->disk, "%s: byte %llu is changed", path, (unsigned long long)at);
    return sim_disk_flip(session->disk, path, at,
                         (uint8_t)(1u << random_below(&session->random, 8)));
}

void sim_check_damage(struct sim_session *session)
{
    char path[SIM_PATH_BYTES];
    bool last;
    struct mr_journal journal;
    struct mr_journal_tail tail;
    if (!flip_one(session, path, sizeof path, &last))
        return;
    struct mr_error err = {0};
    int code = mr_journal_open(&journal, session->options.path, &err);
    if (code == MR_OK) {
        compare(session, &journal);
        code = journal.stop == MR_JOURNAL_DAMAGED ? MR_ERR_CORRUPT : MR_OK;
        mr_journal_close(&journal);
    }
    if (code != MR_ERR_CORRUPT)
        sim_session_fail(session, "%s: a changed bit was not found, code %d %s", path, code,
                         err.text);
    if (last)
        code = mr_journal_find_tail(session->options.path, &tail, &err);
    if (code != MR_ERR_CORRUPT)
        sim_session_fail(session, "%s: a changed bit was not refused, code %d %s", path, code,
                         err.text);
}
