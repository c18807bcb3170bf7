// SPDX-License-Identifier: Apache-2.0
// The plan of a repair. What it does to files: journal_repair_files.c.
#include "consumers/loader/journal_repair.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "consumers/loader/journal_repair_files.h"
#include "core/disk.h"
#include "core/journal_file.h"

struct look {
    struct mr_repair *repair;
    uint64_t *bases;
    unsigned count;
    struct mr_journal_fault fault; // path: of `path`
    char path[512];
    unsigned at; // index of the segment that is at fault
};

// ---- opening -----------------------------------------------------------------------------------
int mr_repair_open(struct mr_repair *repair, const char *directory, struct mr_error *err)
{
    struct mr_disk_status status;
    *repair = (struct mr_repair){
        .files = {.fd = -1, .direct_fd = -1, .next_fd = -1, .directory_fd = -1, .sync = true}};
    if (mr_disk->status(directory, &status) != 0)
        return mr_fail_errno(err, MR_ERR_INPUT, "%s", directory);
    if (!status.directory)
        return mr_fail(err, MR_ERR_INPUT, "%s: found a file, expected the directory of a journal",
                       directory);
    return mr_segment_files_open(&repair->files, directory, err);
}

void mr_repair_close(struct mr_repair *repair)
{
    mr_segment_files_close(&repair->files);
    free(repair->steps);
    repair->steps = NULL;
    repair->count = 0;
}

// There is room for one step a segment.
static int make_room(struct mr_repair *repair, unsigned segments, struct mr_error *err)
{
    free(repair->steps);
    repair->steps = calloc(segments, sizeof *repair->steps);
    return repair->steps ? MR_OK
                         : mr_fail(err, MR_ERR_MEMORY, "%s: out of memory for a repair of %u steps",
                                   repair->files.directory, segments);
}

static struct mr_repair_step *add_step(struct mr_repair *repair, enum mr_repair_kind kind,
                                       const char *path)
{
    struct mr_repair_step *step = &repair->steps[repair->count++];
    *step = (struct mr_repair_step){.kind = kind};
    snprintf(step->path, sizeof step->path, "%s", path);
    return step;
}

static void segment_path(const struct look *look, unsigned index, char out[512])
{
    mr_journal_segment_path(look->repair->files.directory, look->bases[index], out, 512);
}

// ---- what there is -----------------------------------------------------------------------------
// Whole records of one file from a position on, whatever stands between them; *end_byte is behind the last
// one, or its padding. A file whose header is lost has none; one that cannot be read is an error.
static int count_records(const char *path, uint64_t from_pos, uint64_t *records, uint64_t *end_byte,
                         struct mr_error *err)
{
    struct mr_journal journal;
    struct mr_journal_segment segment;
    *records = *end_byte = 0;
    int code = mr_journal_open(&journal, path, err);
    if (code != MR_OK)
        return code == MR_ERR_CORRUPT ? MR_OK : code;
    do {
        while (mr_journal_next(&journal))
            *records += journal.record_position >= from_pos;
        if (journal.fault.kind == MR_JOURNAL_FAULT_READ) {
            *err = journal.problem;
            code = err->code;
        }
    } while (code == MR_OK && mr_journal_resync(&journal, NULL, NULL));
    mr_journal_segment_now(&journal, &segment);
    *end_byte = segment.header_bytes + journal.position - segment.base_pos;
    mr_journal_close(&journal);
    return code;
}

static unsigned index_of(const struct look *look, const char *path)
{
    uint64_t base_pos = 0;
    unsigned index = 0;
    mr_journal_segment_base(path, &base_pos);
    while (index + 1 < look->count && look->bases[index] < base_pos)
        index++;
    return index;
}

static void keep_fault(struct look *look, const struct mr_journal_fault *fault)
{
    look->fault = *fault;
    if (fault->kind == MR_JOURNAL_SOUND)
        return;
    snprintf(look->path, sizeof look->path, "%s", fault->path);
    look->fault.path = look->path;
    look->at = index_of(look, look->path);
}

// Reads the journal to where it stops.
static int read_all(struct look *look, struct mr_error *err)
{
    struct mr_repair *repair = look->repair;
    struct mr_journal journal;
    char first[512];
    repair->records = 0;
    segment_path(look, 0, first);
    int code = mr_journal_open(&journal, repair->files.directory, &repair->problem);
    if (code == MR_ERR_CORRUPT) {
        repair->state = MR_JOURNAL_DAMAGED;
        repair->end_pos = look->bases[0];
        keep_fault(look, &(struct mr_journal_fault){MR_JOURNAL_FAULT_HEADER, first, 0});
        return MR_OK;
    }
    if (code != MR_OK) {
        *err = repair->problem;
        return code;
    }
    while (mr_journal_next(&journal))
        repair->records++;
    repair->state = journal.stop;
    repair->end_pos = journal.position;
    repair->problem = journal.problem;
    keep_fault(look, &journal.fault);
    mr_journal_close(&journal);
    if (look->fault.kind != MR_JOURNAL_FAULT_READ)
        return MR_OK;
    if (repair->problem.code == MR_ERR_MEMORY) {
        *err = repair->problem;
        return err->code;
    }
    return mr_fail(err, MR_ERR_INPUT, "%s; copy what can be read to another disk first",
                   repair->problem.text);
}

// ---- the plan ----------------------------------------------------------------------------------
static int plan_aside(struct look *look, unsigned index, struct mr_error *err)
{
    char path[512];
    struct mr_disk_status status;
    segment_path(look, index, path);
    struct mr_repair_step *step = add_step(look->repair, MR_REPAIR_ASIDE, path);
    step->position = look->bases[index];
    int code = count_records(path, 0, &step->records, &step->to_byte, err);
    if (code != MR_OK)
        return code;
    if (mr_disk->status(path, &status) != 0)
        return mr_fail_errno(err, MR_ERR_INPUT, "%s", path);
    step->to_byte = status.bytes;
    return mr_repair_free_name(path, step->aside, err);
}

// The segments from this one on, the last first: at any moment what is left is a journal.
static int plan_all_aside(struct look *look, unsigned from, struct mr_error *err)
{
    int code = MR_OK;
    for (unsigned index = look->count; index-- > from && code == MR_OK;)
        code = plan_aside(look, index, err);
    return code;
}

static int plan_cut(struct look *look, struct mr_error *err)
{
    struct mr_repair *repair = look->repair;
    char name[512];
    uint64_t valid_byte;
    int code = plan_all_aside(look, look->at + 1, err);
    if (code != MR_OK)
        return code;
    struct mr_repair_step *step = add_step(repair, MR_REPAIR_CUT, look->path);
    step->from_byte = look->fault.byte;
    step->position = repair->end_pos;
    code = count_records(look->path, repair->end_pos, &step->records, &valid_byte, err);
    if (code == MR_OK)
        code = mr_repair_data_end(look->path, step->from_byte, &step->to_byte, err);
    step->to_byte = mr_max_u64(step->to_byte, valid_byte); // padding ends in zeroes
    if (code != MR_OK || step->to_byte == step->from_byte)
        return code;
    mr_journal_segment_path(repair->files.directory, step->position, name, sizeof name);
    return mr_repair_cut_name(repair, step, name, err);
}

// Where the one segment ends whose mark is damaged, and nothing else.
static int plan_mark(struct look *look, struct mr_error *err)
{
    struct mr_journal journal;
    int code = mr_journal_open(&journal, look->path, err);
    if (code != MR_OK)
        return code;
    while (mr_journal_next(&journal))
        continue;
    struct mr_repair_step *step = add_step(look->repair, MR_REPAIR_MARK, look->path);
    step->position = journal.position;
    step->from_byte = look->fault.byte;
    step->to_byte = step->from_byte + sizeof(struct mr_journal_mark);
    mr_journal_close(&journal);
    return MR_OK;
}

// A header can be made again where another segment's is sound and the stream behind it, whose checksums
// hold its positions, is then valid from its first byte on, or empty.
static int try_donor(struct look *look, unsigned index, bool *planned, struct mr_error *err)
{
    char name[600];
    struct mr_repair_step step = {.kind = MR_REPAIR_HEADER};
    snprintf(step.path, sizeof step.path, "%s", look->path);
    segment_path(look, index, step.donor);
    step.position = look->at > 0 ? look->repair->end_pos : look->bases[0];
    int code = mr_repair_header_fits(&step, planned, err);
    if (code != MR_OK || !*planned)
        return code;
    snprintf(name, sizeof name, "%s.header", look->path);
    code = mr_repair_cut_name(look->repair, &step, name, err);
    *add_step(look->repair, MR_REPAIR_HEADER, look->path) = step;
    return code;
}

// The nearest donor first: one before, one behind, two before ...
static int plan_header(struct look *look, bool *planned, struct mr_error *err)
{
    int code = MR_OK;
    *planned = false;
    for (unsigned turn = 2; turn < 2 * look->count && code == MR_OK && !*planned; turn++) {
        unsigned index = turn % 2 ? look->at + turn / 2 : look->at - turn / 2;
        if (index < look->count)
            code = try_donor(look, index, planned, err);
    }
    return code;
}

// The header is lost. The first segment alone is moved: what follows it is a journal, too.
static int plan_lost_header(struct look *look, struct mr_error *err)
{
    bool planned;
    int code = plan_header(look, &planned, err);
    if (code != MR_OK || planned)
        return code;
    return look->at == 0 ? plan_aside(look, 0, err) : plan_all_aside(look, look->at, err);
}

static int plan(struct look *look, struct mr_error *err)
{
    int code = read_all(look, err);
    if (code != MR_OK)
        return code;
    switch (look->fault.kind) {
    case MR_JOURNAL_SOUND:
    case MR_JOURNAL_FAULT_READ:
        return MR_OK;
    case MR_JOURNAL_FAULT_HEADER:
        return plan_lost_header(look, err);
    case MR_JOURNAL_FAULT_CHAIN:
    case MR_JOURNAL_FAULT_SCHEMAS:
        return plan_all_aside(look, look->at, err);
    case MR_JOURNAL_FAULT_MARK:
        return plan_mark(look, err);
    case MR_JOURNAL_FAULT_SHORT:
    case MR_JOURNAL_FAULT_ZERO:
    case MR_JOURNAL_FAULT_RECORD:
    default:
        return plan_cut(look, err);
    }
}

int mr_repair_plan(struct mr_repair *repair, struct mr_error *err)
{
    struct look look = {.repair = repair};
    repair->count = 0;
    int code = mr_journal_list(repair->files.directory, &look.bases, &look.count, err);
    if (code == MR_OK && look.count == 0)
        repair->state = MR_JOURNAL_END;
    else if (code == MR_OK && repair->rounds++ > 2 * look.count + 8) // each takes something away
        code = mr_fail(err, MR_ERR_INTERNAL, "%s: found damage after %u rounds of repair: %s",
                       repair->files.directory, repair->rounds, repair->problem.text);
    else if (code == MR_OK && (code = make_room(repair, look.count, err)) == MR_OK)
        code = plan(&look, err);
    free(look.bases);
    return code;
}

// ---- the work ----------------------------------------------------------------------------------
static int each_step(struct mr_repair *repair,
                     int (*take)(struct mr_repair *repair, const struct mr_repair_step *step,
                                 struct mr_error *err),
                     struct mr_error *err)
{
    int code = MR_OK;
    for (unsigned i = 0; i < repair->count && code == MR_OK; i++)
        code = take(repair, &repair->steps[i], err);
    return code;
}

int mr_repair_do(struct mr_repair *repair, struct mr_error *err)
{
    int code = each_step(repair, mr_repair_save, err);
    return code == MR_OK ? each_step(repair, mr_repair_change, err) : code;
}
