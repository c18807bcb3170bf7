// SPDX-License-Identifier: Apache-2.0
// Reading a journal: record by record, from segment to segment. The verdict on the place where it
// stops: core/journal_stop.c.
#include "core/journal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/disk.h"
#include "core/journal_private.h"

// ---- opening
static int list_paths(struct mr_journal_files *files, const char *path, struct mr_error *err)
{
    struct mr_disk_status status;
    uint64_t *bases = NULL;
    unsigned count = 0;
    if (mr_disk->status(path, &status) != 0)
        return mr_fail_errno(err, MR_ERR_INPUT, "%s", path);
    bool one_file = !status.directory;
    if (!one_file) {
        int code = mr_journal_list(path, &bases, &count, err);
        if (code != MR_OK)
            return code;
    }
    files->count = one_file ? 1 : count;
    files->paths = calloc(files->count + 1, sizeof *files->paths);
    bool kept = files->paths != NULL;
    for (unsigned i = 0; kept && i < files->count; i++) {
        char name[512];
        mr_journal_segment_path(path, one_file ? 0 : bases[i], name, sizeof name);
        files->paths[i] = strdup(one_file ? path : name);
        kept = files->paths[i] != NULL;
    }
    free(bases);
    if (!kept)
        return mr_fail(err, MR_ERR_MEMORY, "%s: out of memory", path);
    if (files->count == 0)
        return mr_fail(err, MR_ERR_INPUT, "%s: found no segment file, expected *%s", path,
                       MR_JOURNAL_SUFFIX);
    return MR_OK;
}

static int open_first(struct mr_journal *journal, struct mr_error *err)
{
    const struct mr_journal_files *files = journal->files;
    struct mr_journal_file file;
    int code = mr_journal_file_open(&file, files->paths[0], &journal->schemas, err);
    if (code != MR_OK)
        return code;
    snprintf(journal->name, sizeof journal->name, "%.*s", MR_NAME_BYTES - 1, file.header.name);
    mr_journal_take_file(journal, &file, 0);
    return MR_OK;
}

int mr_journal_open(struct mr_journal *journal, const char *path, struct mr_error *err)
{
    *journal = (struct mr_journal){0};
    journal->files = calloc(1, sizeof *journal->files);
    if (!journal->files)
        return mr_fail(err, MR_ERR_MEMORY, "%s: out of memory", path);
    journal->files->file.fd = -1;
    int code = list_paths(journal->files, path, err);
    if (code == MR_OK)
        code = open_first(journal, err);
    if (code != MR_OK)
        mr_journal_close(journal);
    return code;
}

void mr_journal_close(struct mr_journal *journal)
{
    struct mr_journal_files *files = journal->files;
    if (files) {
        mr_journal_file_close(&files->file);
        for (unsigned i = 0; files->paths && i < files->count; i++)
            free(files->paths[i]);
        free(files->paths);
        free(files);
    }
    mr_schema_set_clear(&journal->schemas);
    journal->files = NULL;
}

// ---- from segment to segment
// Whether an open file may follow where reading stands; else the fault.
static enum mr_journal_fault_kind check_follows(struct mr_journal *journal,
                                                const struct mr_journal_file *next,
                                                const struct mr_schema_set *schemas)
{
    const char *before = journal->files->file.path;
    if (next->header.previous_end != journal->position) {
        mr_fail(&journal->problem, MR_ERR_CORRUPT,
                "%s: found a segment that follows position %" PRIu64
                ", expected one that follows %" PRIu64 ", where %s ends",
                next->path, next->header.previous_end, journal->position, before);
        return MR_JOURNAL_FAULT_CHAIN;
    }
    if (!mr_schema_set_same(schemas, &journal->schemas)) {
        mr_fail(&journal->problem, MR_ERR_CORRUPT,
                "%s: found other schemas in the header, expected those of %s", next->path, before);
        return MR_JOURNAL_FAULT_SCHEMAS;
    }
    return MR_JOURNAL_SOUND;
}

// Goes to the next segment, whose header must say that it follows here. False: it does not.
static bool next_segment(struct mr_journal *journal)
{
    struct mr_journal_files *files = journal->files;
    struct mr_schema_set schemas = {0};
    unsigned index = files->index + 1;
    struct mr_journal_file next;
    int code = mr_journal_file_open(&next, files->paths[index], &schemas, &journal->problem);
    if (code != MR_OK)
        return mr_journal_stop_segment(
            journal, index,
            code == MR_ERR_CORRUPT ? MR_JOURNAL_FAULT_HEADER : MR_JOURNAL_FAULT_READ, 0);
    enum mr_journal_fault_kind fault = check_follows(journal, &next, &schemas);
    mr_schema_set_clear(&schemas);
    if (fault != MR_JOURNAL_SOUND) {
        mr_journal_file_close(&next);
        uint64_t byte = fault == MR_JOURNAL_FAULT_CHAIN
                            ? offsetof(struct mr_journal_header, previous_end)
                            : sizeof(struct mr_journal_header);
        return mr_journal_stop_segment(journal, index, fault, byte);
    }
    mr_journal_take_file(journal, &next, index);
    return true;
}

// The segment's bytes are used up. True: another one is open.
static bool segment_ended(struct mr_journal *journal)
{
    const struct mr_journal_files *files = journal->files;
    if (files->file.marked && journal->position < files->file.durable_pos)
        return mr_journal_stop_bad(journal, MR_JOURNAL_FAULT_SHORT,
                                   "found the end of the file, expected a record");
    if (files->index + 1 < files->count)
        return next_segment(journal);
    return mr_journal_stop_end(journal);
}

// ---- reading
const uint8_t *mr_journal_look(struct mr_journal *journal, uint64_t *left)
{
    struct mr_journal_file *file = &journal->files->file;
    const uint8_t *bytes =
        mr_journal_file_look(file, journal->position, 8, left, &journal->problem);
    uint32_t length;
    if (!bytes || *left < 8)
        return bytes;
    memcpy(&length, bytes, sizeof length);
    if (mr_record_stride(length) > *left)
        return bytes;
    return mr_journal_file_look(file, journal->position, mr_max_u64(mr_record_stride(length), 8),
                                left, &journal->problem);
}

static void stop_at_found(struct mr_journal *journal, enum mr_journal_found found,
                          const char *problem)
{
    if (found == MR_JOURNAL_ZERO)
        mr_journal_stop_zero(journal);
    else
        mr_journal_stop_bad(journal, MR_JOURNAL_FAULT_RECORD, problem);
}

const struct mr_record *mr_journal_next(struct mr_journal *journal)
{
    for (;;) {
        uint64_t left;
        uint32_t length = 0;
        char problem[160];
        const uint8_t *bytes = mr_journal_look(journal, &left);
        if (!bytes) {
            mr_journal_stop_unread(journal);
            return NULL;
        }
        if (left == 0) {
            if (!segment_ended(journal))
                return NULL;
            continue;
        }
        enum mr_journal_found found =
            mr_journal_examine(bytes, left, journal->position, &journal->schemas, &length, problem);
        if (found == MR_JOURNAL_RECORD) {
            journal->record_position = journal->position;
            journal->position += mr_record_stride(length);
            return (const struct mr_record *)(const void *)bytes;
        }
        if (found != MR_JOURNAL_PADDING) {
            stop_at_found(journal, found, problem);
            return NULL;
        }
        journal->position += mr_record_stride(length);
    }
}

// ---- seeking
// Opens segment `index` at its base.
static int go_to_segment(struct mr_journal *journal, unsigned index, struct mr_error *err)
{
    struct mr_journal_files *files = journal->files;
    struct mr_journal_file file;
    int code = mr_journal_file_open(&file, files->paths[index], NULL, err);
    if (code != MR_OK)
        return code;
    files->mark_fault.kind = MR_JOURNAL_SOUND;
    mr_journal_take_file(journal, &file, index);
    return MR_OK;
}

// The last segment that begins at or before the position; names are positions, so only its name is
// read.
static unsigned segment_of(const struct mr_journal *journal, uint64_t position)
{
    const struct mr_journal_files *files = journal->files;
    unsigned index = files->count - 1;
    uint64_t base_pos = 0;
    for (; index > 0; index--) {
        mr_journal_segment_base(files->paths[index], &base_pos); // more than one: all are named so
        if (base_pos <= position)
            break;
    }
    return index;
}

int mr_journal_seek(struct mr_journal *journal, uint64_t position, struct mr_error *err)
{
    int code = go_to_segment(journal, segment_of(journal, position), err);
    if (code != MR_OK)
        return code;
    journal->stop = MR_JOURNAL_END;
    journal->fault.kind = MR_JOURNAL_SOUND;
    uint64_t base = journal->position, left;
    uint32_t length;
    if (position > base && position % 8 == 0 &&
        position < mr_journal_file_end(&journal->files->file)) {
        journal->position = position;
        const uint8_t *bytes = mr_journal_look(journal, &left);
        if (bytes && mr_journal_examine(bytes, left, position, &journal->schemas, &length, NULL) <=
                         MR_JOURNAL_PADDING)
            return MR_OK;
    }
    journal->position = base;
    while (journal->position < position) {
        if (!mr_journal_next(journal))
            return MR_OK; // beyond the end: the next call says so again
        if (journal->record_position >= position)
            journal->position = journal->record_position;
    }
    return MR_OK;
}

unsigned mr_journal_segment_count(const struct mr_journal *journal)
{
    return journal->files->count;
}

void mr_journal_segment_now(const struct mr_journal *journal, struct mr_journal_segment *out)
{
    const struct mr_journal_file *file = &journal->files->file;
    *out = (struct mr_journal_segment){
        .path = journal->files->paths[journal->files->index],
        .base_pos = file->header.base_pos,
        .previous_end = file->header.previous_end,
        .header_bytes = file->header.header_bytes,
        .file_bytes = file->file_bytes,
        .marked = file->marked,
        .durable_pos = file->durable_pos,
    };
}
