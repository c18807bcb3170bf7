// SPDX-License-Identifier: Apache-2.0
// What the program says of journals that tests/faults/corrupt.py damages: one process for all of them.
//
//     corrupt make DIR         small journals of several shapes below DIR
//     corrupt judge            answers on stdout, a line each, what stdin asks:
//       read DIR     state, end, records, digest, fault, file, byte; then what find_tail says
//       open DIR     what a loader does that appends: ok, or the code of its refusal
//       repair DIR   what `verify --repair --yes` does: the code, how many rounds and steps it took
//       resync DIR   records before and behind the damage, and where they go on
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "consumers/loader/journal_repair.h"
#include "tests/support/journal_bytes.h"

#define LAP 2048
#define NO_MARK UINT64_MAX

// ---- small journals ----------------------------------------------------------------------------
static struct mr_schema_set schemas;

static struct mr_schema *add_schema(const char *name, uint16_t id, const char *const *fields)
{
    struct mr_schema *schema = mr_schema_new(name, id);
    for (; fields[0]; fields += 2)
        if (mr_schema_add(schema, fields[0], fields[1], fields[1][0] == 'd', NULL) != MR_OK)
            abort();
    mr_schema_seal(schema);
    if (mr_schema_set_add(&schemas, schema, NULL) != MR_OK)
        abort();
    return schema;
}

static void declare(void)
{
    schemas = mr_test_schemas(); // its last field is bytes
    add_schema("order", 7,
               (const char *const[]){"symbol", "char[8]", "side", "enum(buy,sell)", "price",
                                     "decimal(4)", "size", "u32", NULL});
    add_schema("tick", 8, (const char *const[]){"value", "i64", "good", "bool", NULL});
}

struct stream {
    uint8_t bytes[8 * LAP];
    uint64_t base_pos, end_pos;
    uint32_t id;
};

static void fix(struct stream *stream, size_t stride)
{
    struct mr_record *record =
        (struct mr_record *)(void *)(stream->bytes + stream->end_pos - stream->base_pos);
    record->checksum = mr_record_checksum(record, record->length, stream->end_pos);
    stream->end_pos += stride;
}

// A record of one of the schemas in turn; padding first where it does not fit the lap.
static void put(struct stream *stream)
{
    uint8_t *at = stream->bytes + stream->end_pos - stream->base_pos;
    uint32_t id = stream->id++;
    uint64_t to_wrap = LAP - stream->end_pos % LAP;
    if (to_wrap < 160) {
        stream->end_pos += mr_test_padding(stream->end_pos, to_wrap, at);
        at += to_wrap;
    }
    if (id % 3 == 0) {
        stream->end_pos += mr_test_record(&schemas, stream->end_pos, id, id * 7 % 70, at);
        return;
    }
    const struct mr_schema *schema = schemas.schemas[id % 3];
    memset(at, 0, mr_record_stride(schema->record_bytes));
    mr_record_init(schema, at);
    struct mr_record *record = (struct mr_record *)(void *)at;
    record->sequence = id;
    record->event_time_ns = 1000 * (int64_t)id;
    for (unsigned i = 0; i < schema->field_count; i++)
        mr_field_set_i64(schema, &schema->fields[i], at, (int64_t)(id % 2));
    fix(stream, mr_record_stride(record->length));
}

static void fill_to(struct stream *stream, uint64_t end_pos)
{
    while (stream->end_pos + 160 <= end_pos)
        put(stream);
    uint64_t left = end_pos - stream->end_pos;
    if (left > 0)
        stream->end_pos += mr_test_padding(stream->end_pos, left,
                                           stream->bytes + stream->end_pos - stream->base_pos);
}

// Writes what the stream holds as one segment, and begins another behind it, at base_pos.
static void segment(const char *directory, struct stream *stream, uint64_t previous_end,
                    uint64_t durable_pos, uint64_t preallocated, uint64_t next_base)
{
    uint64_t bytes = mr_max_u64(stream->end_pos - stream->base_pos, preallocated);
    mr_test_segment(directory, &schemas, stream->base_pos, previous_end, 2 * LAP, stream->bytes,
                    bytes, durable_pos);
    uint32_t id = stream->id;
    memset(stream, 0, sizeof *stream);
    *stream = (struct stream){.base_pos = next_base, .end_pos = next_base, .id = id};
}

// `first` is where it begins; `full` segments, then one with `records`, marked and preallocated as told.
static uint64_t make(const char *root, const char *name, uint64_t first, unsigned full,
                     unsigned records, bool marked, bool finished)
{
    static struct stream stream;
    char directory[400];
    snprintf(directory, sizeof directory, "%s/%s", root, name);
    mkdir(directory, 0777);
    stream = (struct stream){.base_pos = first, .end_pos = first, .id = (uint32_t)first};
    for (unsigned i = 0; i < full; i++) {
        uint64_t base = stream.base_pos, end = base + 2 * LAP;
        fill_to(&stream, end);
        segment(directory, &stream, base, end, 0, end);
    }
    uint64_t base = stream.base_pos, marked_pos = base;
    for (unsigned i = 0; i < records; i++) {
        put(&stream);
        if (i < records / 2)
            marked_pos = stream.end_pos;
    }
    uint64_t end = stream.end_pos;
    segment(directory, &stream, base,
            !marked    ? NO_MARK
            : finished ? end
                       : marked_pos,
            finished ? 0 : 2 * LAP, 0);
    return end;
}

// Three runs, one behind the other in a journal of its own segments, the last one empty.
static void make_appended(const char *root, const char *name)
{
    static struct stream stream;
    char directory[400];
    snprintf(directory, sizeof directory, "%s/%s", root, name);
    uint64_t end = make(root, name, 0, 1, 9, true, true);
    for (unsigned run = 0; run < 3; run++) {
        uint64_t base = mr_align_up(end, LAP) + run * LAP, previous_end = end;
        stream = (struct stream){.base_pos = base, .end_pos = base, .id = 1000 * (run + 1)};
        for (unsigned i = 0; run < 2 && i < 12; i++)
            put(&stream);
        end = stream.end_pos;
        segment(directory, &stream, previous_end, end, 0, 0);
    }
}

static int make_all(const char *root)
{
    declare();
    mkdir(root, 0777);
    make(root, "finished", 0, 3, 20, true, true);
    make(root, "running", 0, 2, 25, true, false);
    make(root, "unmarked", 0, 2, 25, false, false);
    make(root, "unmarked-finished", 0, 1, 25, false, true);
    make(root, "one", 0, 0, 30, true, true);
    make(root, "one-unmarked", 0, 0, 30, false, false);
    make(root, "later", 6 * LAP, 3, 11, true, true);
    make(root, "empty-last", 0, 2, 0, true, false);
    make_appended(root, "appended");
    mr_schema_set_clear(&schemas);
    return 0;
}

// ---- judging -----------------------------------------------------------------------------------
static const char *file_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static void print_tail(const char *directory)
{
    struct mr_journal_tail tail;
    struct mr_error err;
    int code = mr_journal_find_tail(directory, &tail, &err);
    printf(" %d %" PRIu64 " %d\n", code, code == MR_OK ? tail.end_pos : 0,
           code == MR_OK && tail.torn_bytes > 0);
}

static void read_all(const char *directory)
{
    static const char *const names[] = {"whole", "torn", "damaged"};
    struct mr_journal journal;
    struct mr_error err;
    const struct mr_record *record;
    uint64_t records = 0;
    XXH3_state_t digest;
    if (mr_journal_open(&journal, directory, &err) != MR_OK) {
        printf("refused %d", err.code);
        print_tail(directory);
        return;
    }
    XXH3_64bits_reset(&digest);
    while ((record = mr_journal_next(&journal)) != NULL) {
        XXH3_64bits_update(&digest, record, mr_record_stride(record->length));
        records++;
    }
    printf("%s %" PRIu64 " %" PRIu64 " %016" PRIx64 " %s %s %" PRIu64, names[journal.stop],
           journal.position, records, (uint64_t)XXH3_64bits_digest(&digest),
           mr_journal_fault_name(journal.fault.kind),
           journal.fault.kind ? file_name(journal.fault.path) : "-",
           journal.fault.kind ? journal.fault.byte : 0);
    mr_journal_close(&journal);
    print_tail(directory);
}

static void open_to_append(const char *directory)
{
    struct mr_segment_files files = {0};
    struct mr_journal journal = {0};
    struct mr_journal_tail tail;
    struct mr_error err = {0};
    int code = mr_segment_files_open(&files, directory, &err);
    if (code == MR_OK)
        code = mr_journal_find_tail(directory, &tail, &err);
    if (code == MR_OK && tail.header_bytes > 0)
        code = mr_journal_open(&journal, tail.path, &err);
    files.schemas = &journal.schemas;
    if (code == MR_OK && tail.header_bytes > 0)
        code = mr_segment_files_mend(&files, &tail, &err);
    printf("%d\n", code);
    if (journal.files)
        mr_journal_close(&journal);
    mr_segment_files_close(&files);
}

static void repair_all(const char *directory)
{
    struct mr_repair repair;
    struct mr_error err = {0};
    unsigned steps = 0;
    int code = mr_repair_open(&repair, directory, &err);
    while (code == MR_OK && (code = mr_repair_plan(&repair, &err)) == MR_OK && repair.count > 0) {
        steps += repair.count;
        code = mr_repair_do(&repair, &err);
    }
    if (code != MR_OK)
        fprintf(stderr, "repair: %s\n", err.text);
    printf("%d %u %u\n", code, repair.rounds, steps);
    mr_repair_close(&repair);
}

static void resync_all(const char *directory)
{
    struct mr_journal journal;
    uint64_t before = 0, behind = 0, first = 0, to, places = 0;
    if (mr_journal_open(&journal, directory, NULL) != MR_OK) {
        printf("0 0 0\n");
        return;
    }
    while (mr_journal_next(&journal))
        before++;
    while (mr_journal_resync(&journal, NULL, &to)) {
        first = places++ == 0 ? to : first;
        while (mr_journal_next(&journal))
            behind++;
    }
    printf("%" PRIu64 " %" PRIu64 " %" PRIu64 "\n", before, behind, first);
    mr_journal_close(&journal);
}

static int judge(void)
{
    static const struct {
        const char *name;
        void (*act)(const char *directory);
    } acts[] = {{"read", read_all},
                {"open", open_to_append},
                {"repair", repair_all},
                {"resync", resync_all}};
    char line[600];
    while (fgets(line, sizeof line, stdin)) {
        char *directory = strchr(line, ' ');
        if (!directory)
            return 2;
        *directory++ = '\0';
        directory[strcspn(directory, "\n")] = '\0';
        for (unsigned i = 0; i < MR_COUNT_OF(acts); i++)
            if (strcmp(acts[i].name, line) == 0)
                acts[i].act(directory);
        fflush(stdout);
    }
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "make") == 0)
        return make_all(argv[2]);
    if (argc == 2 && strcmp(argv[1], "judge") == 0)
        return judge();
    fprintf(stderr, "usage: corrupt make DIR | corrupt judge\n");
    return 2;
}
