// SPDX-License-Identifier: Apache-2.0
// Where a journal's reader stops: the verdict on that place, and the way on behind it.
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/journal_private.h"

// A search for valid records behind a place hashes at most this often what is there, and this.
#define SEARCH_TIMES 64
#define SEARCH_BYTES (16u << 20)

const char *mr_journal_fault_name(enum mr_journal_fault_kind kind)
{
    static const char *const names[] = {
        [MR_JOURNAL_SOUND] = "none",
        [MR_JOURNAL_FAULT_READ] = "read",
        [MR_JOURNAL_FAULT_HEADER] = "header",
        [MR_JOURNAL_FAULT_CHAIN] = "chain",
        [MR_JOURNAL_FAULT_SCHEMAS] = "schemas",
        [MR_JOURNAL_FAULT_MARK] = "mark",
        [MR_JOURNAL_FAULT_SHORT] = "short",
        [MR_JOURNAL_FAULT_ZERO] = "zero",
        [MR_JOURNAL_FAULT_RECORD] = "record",
    };
    return names[kind];
}

void mr_journal_take_file(struct mr_journal *journal, const struct mr_journal_file *file,
                          unsigned index)
{
    struct mr_journal_files *files = journal->files;
    mr_journal_file_close(&files->file);
    files->file = *file;
    files->index = index;
    journal->position = file->header.base_pos;
    if (!file->mark_is_bad || files->mark_fault.kind != MR_JOURNAL_SOUND)
        return;
    files->mark_fault =
        (struct mr_journal_fault){MR_JOURNAL_FAULT_MARK, file->path,
                                  file->header.header_bytes - sizeof(struct mr_journal_mark)};
    mr_fail(&files->mark_problem, MR_ERR_CORRUPT,
            "%s: byte %" PRIu64 ": found a durable mark of %" PRIu64
            " whose check does not match, expected one that does, or zeroes",
            file->path, files->mark_fault.byte, file->durable_pos);
}

// ---- the search --------------------------------------------------------------------------------
enum search { SEARCH_NONE, SEARCH_FOUND, SEARCH_GAVE_UP, SEARCH_UNREAD };

// Whether these bytes are worth hashing: most are not.
static bool may_be_valid(const struct mr_journal *journal, const uint8_t *bytes, uint32_t length)
{
    struct mr_record envelope;
    memcpy(&envelope, bytes, sizeof envelope);
    if (envelope.flags & MR_FLAG_PADDING)
        return true;
    const struct mr_schema *schema = mr_schema_set_by_id(&journal->schemas, envelope.schema_id);
    return schema && length >= schema->record_bytes;
}

// The first place at or behind `position`, in the file that is open, where a valid record or a
// padding with a checksum stands. A shorter padding proves nothing: any small number looks like it.
static enum search find_valid(struct mr_journal *journal, uint64_t position, uint64_t *out,
                              struct mr_error *err)
{
    struct mr_journal_file *file = &journal->files->file;
    uint64_t end = mr_journal_file_end(file), left;
    uint64_t budget = SEARCH_TIMES * (end - mr_min_u64(position, end)) + SEARCH_BYTES;
    for (; position < end; position += 8) {
        uint32_t length;
        if (mr_journal_file_skip_zeroes(file, position, &position, err) != MR_OK)
            return SEARCH_UNREAD;
        const uint8_t *bytes = mr_journal_file_look(file, position, MR_ENVELOPE_BYTES, &left, err);
        if (!bytes)
            return SEARCH_UNREAD;
        if (left < MR_ENVELOPE_BYTES)
            return SEARCH_NONE;
        memcpy(&length, bytes, sizeof length);
        if (length < MR_ENVELOPE_BYTES || mr_record_stride(length) > left ||
            !may_be_valid(journal, bytes, length))
            continue;
        if (length > budget)
            return SEARCH_GAVE_UP;
        budget -= length;
        bytes = mr_journal_file_look(file, position, mr_record_stride(length), &left, err);
        if (!bytes)
            return SEARCH_UNREAD;
        *out = position;
        if (mr_journal_examine(bytes, left, position, &journal->schemas, &length, NULL) <=
            MR_JOURNAL_PADDING)
            return SEARCH_FOUND;
    }
    return SEARCH_NONE;
}

// ---- the verdict -------------------------------------------------------------------------------
static void stop_at(struct mr_journal *journal, enum mr_journal_stop stop,
                    enum mr_journal_fault_kind kind, const char *found)
{
    const struct mr_journal_file *file = &journal->files->file;
    uint64_t byte = file->header.header_bytes + journal->position - file->header.base_pos;
    journal->stop = stop;
    journal->fault = (struct mr_journal_fault){kind, file->path, byte};
    mr_fail(&journal->problem, MR_ERR_CORRUPT, "%s: byte %" PRIu64 " (position %" PRIu64 "): %s",
            file->path, byte, journal->position, found);
}

// In the last segment and without a mark: what follows says whether the place is a torn tail.
static bool stop_unmarked(struct mr_journal *journal, enum mr_journal_fault_kind kind,
                          const char *found)
{
    uint64_t valid_pos;
    char text[320];
    switch (find_valid(journal, journal->position + 8, &valid_pos, &journal->problem)) {
    case SEARCH_UNREAD:
        return mr_journal_stop_unread(journal);
    case SEARCH_NONE:
        stop_at(journal, MR_JOURNAL_TORN, kind, found);
        return false;
    default:
        snprintf(text, sizeof text, "%s; valid records follow", found);
        stop_at(journal, MR_JOURNAL_DAMAGED, kind, text);
        return false;
    }
}

bool mr_journal_stop_bad(struct mr_journal *journal, enum mr_journal_fault_kind kind,
                         const char *found)
{
    const struct mr_journal_files *files = journal->files;
    const struct mr_journal_file *file = &files->file;
    char text[320];
    if (files->index + 1 < files->count) {
        snprintf(text, sizeof text, "%s; segments follow", found);
        stop_at(journal, MR_JOURNAL_DAMAGED, kind, text);
    } else if (file->mark_is_bad) {
        snprintf(text, sizeof text, "%s; the durable mark is damaged", found);
        stop_at(journal, MR_JOURNAL_DAMAGED, kind, text);
    } else if (file->marked) {
        bool durable = journal->position < file->durable_pos;
        snprintf(text, sizeof text, "%s; everything before position %" PRIu64 " was durable", found,
                 file->durable_pos);
        stop_at(journal, durable ? MR_JOURNAL_DAMAGED : MR_JOURNAL_TORN, kind, text);
    } else {
        stop_unmarked(journal, kind, found);
    }
    // In an earlier segment's mark there may be damage even so.
    if (journal->stop == MR_JOURNAL_TORN && files->mark_fault.kind != MR_JOURNAL_SOUND)
        journal->stop = MR_JOURNAL_DAMAGED;
    return false;
}

bool mr_journal_stop_end(struct mr_journal *journal)
{
    const struct mr_journal_files *files = journal->files;
    bool sound = files->mark_fault.kind == MR_JOURNAL_SOUND;
    journal->stop = sound ? MR_JOURNAL_END : MR_JOURNAL_DAMAGED;
    journal->fault = files->mark_fault;
    if (!sound)
        journal->problem = files->mark_problem;
    return false;
}

bool mr_journal_stop_unread(struct mr_journal *journal)
{
    const struct mr_journal_file *file = &journal->files->file;
    journal->stop = MR_JOURNAL_DAMAGED;
    journal->fault = (struct mr_journal_fault){MR_JOURNAL_FAULT_READ, file->path,
                                               file->header.header_bytes + journal->position -
                                                   file->header.base_pos};
    return false;
}

// A length of 0 is the clean end only where nothing but zeroes follows and nothing durable is
// missing.
bool mr_journal_stop_zero(struct mr_journal *journal)
{
    const struct mr_journal_files *files = journal->files;
    struct mr_journal_file *file = &journal->files->file;
    uint64_t valid_pos;
    bool last = files->index + 1 == files->count;
    bool whole = !file->marked || journal->position >= file->durable_pos;
    if (mr_journal_file_skip_zeroes(file, journal->position, &valid_pos, &journal->problem) !=
        MR_OK)
        return mr_journal_stop_unread(journal);
    if (last && whole && valid_pos == mr_journal_file_end(file))
        return mr_journal_stop_end(journal);
    return mr_journal_stop_bad(journal, MR_JOURNAL_FAULT_ZERO,
                               "found a length of 0, expected a record");
}

bool mr_journal_stop_segment(struct mr_journal *journal, unsigned index,
                             enum mr_journal_fault_kind kind, uint64_t byte)
{
    journal->stop = MR_JOURNAL_DAMAGED;
    journal->fault = (struct mr_journal_fault){kind, journal->files->paths[index], byte};
    return false;
}

// ---- the way on --------------------------------------------------------------------------------
// The next segment whose header is sound and whose schemas are the journal's. False: none.
static bool open_later(struct mr_journal *journal)
{
    struct mr_journal_files *files = journal->files;
    for (unsigned index = files->index + 1; index < files->count; index++) {
        struct mr_schema_set schemas = {0};
        struct mr_journal_file next;
        if (mr_journal_file_open(&next, files->paths[index], &schemas, NULL) != MR_OK)
            continue;
        bool fits = mr_schema_set_same(&schemas, &journal->schemas) &&
                    next.header.base_pos >= journal->position;
        mr_schema_set_clear(&schemas);
        if (fits) {
            mr_journal_take_file(journal, &next, index);
            return true;
        }
        mr_journal_file_close(&next);
    }
    return false;
}

// A place that reading has come to is behind the last record; one that it has not come to may be
// valid itself.
bool mr_journal_resync(struct mr_journal *journal, uint64_t *from, uint64_t *to)
{
    uint64_t stopped_pos = journal->position, valid_pos;
    uint64_t search_pos = stopped_pos + 8;
    if (journal->stop == MR_JOURNAL_END)
        return false;
    while (find_valid(journal, search_pos, &valid_pos, NULL) != SEARCH_FOUND) {
        if (!open_later(journal))
            return false;
        search_pos = journal->position;
    }
    journal->position = valid_pos;
    journal->stop = MR_JOURNAL_END;
    journal->fault.kind = MR_JOURNAL_SOUND;
    if (from)
        *from = stopped_pos;
    if (to)
        *to = valid_pos;
    return true;
}
