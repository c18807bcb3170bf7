// SPDX-License-Identifier: Apache-2.0
// `millrace tap`: the records that pass through a ring, without the trio noticing.
#include "cli/cli.h"
#include "cli/runs.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "consumers/transform/expression.h"
#include "core/clock.h"
#include "core/formats/record_text.h"
#include "core/pipeline/stage.h"
#include "ringbuf/tap.h"

#define IDLE_NS 1000000LL
#define LOST_NOTICE_NS 1000000000LL

typedef size_t record_writer(const struct mr_record_text *text, const struct mr_record *record,
                             char *out, size_t room);

// What is known of one schema of the ring.
struct view {
    const struct mr_schema *schema;
    struct mr_record_text text;
    struct mr_expression *where; // NULL: no condition
    bool wanted;
};

struct tap {
    const char *format, *fields, *schema, *where;
    uint64_t limit;
    bool oldest;
    record_writer *write;
    struct mr_ring ring;
    struct mr_schema_set schemas;
    struct view *views; // one per schema of the set
    struct mr_expressions *expressions;
    const struct view *headed; // CSV: whose header was printed last
    char *row;
    size_t row_room;
    uint64_t printed;
};

static volatile sig_atomic_t interrupted;

static void on_interrupt(int number)
{
    (void)number;
    interrupted = 1;
}

// A stage is looked at where its records come out; the loader, where they go in.
static bool ring_of_word(const char *word, enum mr_ring_index *index)
{
    static const enum mr_ring_index of_role[MR_ROLE_COUNT] = {MR_RING_INGRESS,   MR_RING_EGRESS,
                                                              MR_RING_EGRESS,    MR_RING_INGRESS_2,
                                                              MR_RING_INGRESS_3, MR_RING_INGRESS_4};
    for (unsigned ring = 0; ring < MR_RING_COUNT; ring++)
        if (strcmp(word, mr_ring_index_name(ring)) == 0) {
            *index = ring;
            return true;
        }
    for (unsigned role = 0; role < MR_ROLE_COUNT; role++)
        if (strcmp(word, mr_role_name(role)) == 0) {
            *index = of_role[role];
            return true;
        }
    return false;
}

static bool choose_writer(struct tap *tap)
{
    static const struct {
        const char *name;
        record_writer *write;
    } formats[] = {{"text", mr_record_line}, {"csv", mr_record_csv}, {"ndjson", mr_record_ndjson}};
    for (unsigned i = 0; i < MR_COUNT_OF(formats); i++)
        if (strcmp(tap->format, formats[i].name) == 0)
            tap->write = formats[i].write;
    if (!tap->write)
        fprintf(stderr, "millrace tap: --format: found \"%s\", expected text, csv or ndjson\n",
                tap->format);
    return tap->write != NULL;
}

// A condition may name fields that only some of the schemas have: it then selects among those.
static int compile_where(struct tap *tap, struct mr_error *err)
{
    char place[] = "condition";
    struct mr_node node = {.kind = MR_NODE_SCALAR, .file = "--where", .path = place};
    unsigned compiled = 0, tried = 0;
    if (!tap->where)
        return MR_OK;
    tap->expressions = mr_expressions_open(err);
    if (!tap->expressions)
        return MR_ERR_MEMORY;
    for (unsigned i = 0; i < tap->schemas.count; i++) {
        struct view *view = &tap->views[i];
        if (!view->wanted)
            continue;
        tried++;
        view->wanted = mr_expression_compile(tap->expressions, tap->where, tap->schemas.schemas[i],
                                             &node, &view->where, err) == MR_OK;
        compiled += view->wanted;
    }
    return compiled > 0 || tried == 0 ? MR_OK
                                      : mr_fail(err, MR_ERR_USAGE, "%s", strdupa(err->text));
}

static int open_views(struct tap *tap, struct mr_error *err)
{
    unsigned wanted = 0;
    tap->views = calloc(tap->schemas.count + 1, sizeof *tap->views);
    if (!tap->views)
        abort();
    int code = tap->fields ? mr_record_text_check(tap->fields, &tap->schemas, err) : MR_OK;
    for (unsigned i = 0; i < tap->schemas.count && code == MR_OK; i++) {
        const struct mr_schema *schema = tap->schemas.schemas[i];
        tap->views[i].schema = schema;
        tap->views[i].wanted = !tap->schema || strcmp(tap->schema, schema->name) == 0;
        wanted += tap->views[i].wanted;
        mr_record_text_open(&tap->views[i].text, schema, tap->fields,
                            tap->fields == NULL && tap->write != mr_record_line);
    }
    if (code == MR_OK && wanted == 0)
        return mr_fail(err, MR_ERR_USAGE, "--schema: the ring has no schema \"%s\"",
                       tap->schema ? tap->schema : "");
    return code == MR_OK ? compile_where(tap, err) : code;
}

static const struct view *view_of(const struct tap *tap, const struct mr_record *record)
{
    for (unsigned i = 0; i < tap->schemas.count; i++)
        if (tap->schemas.schemas[i]->id == record->schema_id)
            return &tap->views[i];
    return NULL;
}

static bool is_wanted(const struct view *view, const struct mr_record *record)
{
    struct mr_expression_value value;
    // A record that is shorter than its fields is damage: nothing of it is looked at.
    if (!view || !view->wanted || record->length < view->schema->record_bytes)
        return false;
    if (!view->where)
        return true;
    return mr_expression_run(view->where, record, &value) && value.type == MR_EXPRESSION_BOOL &&
           value.boolean;
}

static void make_room(struct tap *tap, size_t length)
{
    if (length <= tap->row_room)
        return;
    tap->row_room = length * 2;
    tap->row = realloc(tap->row, tap->row_room);
    if (!tap->row)
        abort();
}

static void print_record(struct tap *tap, const struct view *view, const struct mr_record *record)
{
    size_t length;
    if (tap->write == mr_record_csv && tap->headed != view) {
        length = mr_record_csv_header(&view->text, tap->row, tap->row_room);
        make_room(tap, length);
        length = mr_record_csv_header(&view->text, tap->row, tap->row_room);
        fwrite(tap->row, 1, length, stdout);
        tap->headed = view;
    }
    length = tap->write(&view->text, record, tap->row, tap->row_room);
    if (length > tap->row_room) {
        make_room(tap, length);
        length = tap->write(&view->text, record, tap->row, tap->row_room);
    }
    fwrite(tap->row, 1, length, stdout);
    tap->printed++;
}

static void notice_loss(const struct mr_tap *source, uint64_t *noticed, int64_t *noticed_ns)
{
    int64_t now_ns = mr_mono_ns();
    if (source->lost_bytes == *noticed || now_ns - *noticed_ns < LOST_NOTICE_NS)
        return;
    fprintf(stderr, "millrace tap: too slow for the ring; %llu bytes of records passed unseen\n",
            (unsigned long long)(source->lost_bytes - *noticed));
    *noticed = source->lost_bytes;
    *noticed_ns = now_ns;
}

static int follow(struct tap *tap)
{
    struct mr_tap source;
    uint64_t lost = 0;
    int64_t lost_ns = 0;
    mr_tap_open(&source, &tap->ring, tap->oldest ? MR_TAP_OLDEST : MR_TAP_NEWEST);
    while (!interrupted && !ferror(stdout) && (!tap->limit || tap->printed < tap->limit)) {
        const struct mr_record *record = mr_tap_next(&source);
        if (record) {
            const struct view *view = view_of(tap, record);
            if (is_wanted(view, record))
                print_record(tap, view, record);
            continue;
        }
        fflush(stdout);
        if (mr_tap_at_end(&source))
            break;
        notice_loss(&source, &lost, &lost_ns);
        mr_sleep_until_mono_ns(mr_mono_ns() + IDLE_NS);
    }
    fflush(stdout);
    lost_ns = 0;
    notice_loss(&source, &lost, &lost_ns);
    mr_tap_close(&source);
    return MR_OK;
}

// A ring whose writer has not described it yet will be described soon, or its run has failed.
static int await_schemas(struct tap *tap, struct mr_error *err)
{
    int code;
    while ((code = mr_ring_schemas(&tap->ring, &tap->schemas, err)) == MR_ERR_BUSY && !interrupted)
        mr_sleep_until_mono_ns(mr_mono_ns() + 10 * IDLE_NS);
    return code;
}

static int tap_ring(struct tap *tap, const char *path)
{
    struct mr_error err = {0};
    int code = mr_ring_attach(&tap->ring, path, MR_ATTACH_READ_ONLY, &err);
    if (code != MR_OK)
        return mr_cli_fail("tap", &err);
    code = await_schemas(tap, &err);
    if (code == MR_OK)
        code = open_views(tap, &err);
    if (code == MR_OK)
        code = follow(tap);
    else
        mr_cli_fail("tap", &err);
    if (tap->expressions)
        mr_expressions_close(tap->expressions);
    mr_schema_set_clear(&tap->schemas);
    mr_ring_detach(&tap->ring);
    free(tap->views);
    free(tap->row);
    return code;
}

int mr_cli_tap(int argc, char **argv)
{
    struct mr_arg_list sets = {0}, words;
    const char *shm = NULL, *user = NULL;
    struct tap tap = {.format = "text"};
    const struct mr_arg table[] = {
        {"format", "text|csv|ndjson", "how records are printed, default text", MR_ARG_TEXT,
         &tap.format},
        {"fields", "NAME,...", "only these fields, in this order", MR_ARG_TEXT, &tap.fields},
        {"schema", "NAME", "only records of this schema", MR_ARG_TEXT, &tap.schema},
        {"where", "EXPRESSION", "only records for which it is true, e.g. \"price > 100\"",
         MR_ARG_TEXT, &tap.where},
        {"limit", "COUNT", "end after so many records", MR_ARG_COUNT, &tap.limit},
        {"oldest", NULL, "begin with the oldest record that is still in the ring", MR_ARG_SWITCH,
         &tap.oldest},
        MR_ARG_SETS(&sets),
        MR_ARG_SHM(&shm),
        MR_ARG_USER(&user),
        {0}};
    const struct mr_usage usage = {
        .command = "tap",
        .words = "RING|STAGE [NAME|PIPELINE]",
        .about = "Prints the records that pass through a ring (ingress, egress, dead-producer, "
                 "dead-transform) or come out of a stage (producer, transform), from now until "
                 "the ring ends. It only looks: however slow it is, the pipeline does not wait "
                 "for it, and what it misses it says.",
        .args = table,
        .words_min = 1,
        .words_max = 2};
    struct mr_pipeline run;
    enum mr_ring_index index;
    char path[MR_RUNDIR_PATH_BYTES];
    int code;
    if (!mr_args_parse(&usage, argc, argv, &words, &code))
        return code;
    if ((code = mr_runs_of_user("tap", user)) != MR_OK)
        return code;
    if (!ring_of_word(words.items[0], &index)) {
        fprintf(stderr,
                "millrace tap: found \"%s\", expected a ring (ingress, egress, dead-producer, "
                "dead-transform) or a stage (producer, transform, loader); of further sources with "
                "-2 to -4 behind it\n",
                words.items[0]);
        return MR_ERR_USAGE;
    }
    if (!choose_writer(&tap))
        return MR_ERR_USAGE;
    code = mr_runs_one(&run, "tap", shm, words.count > 1 ? words.items[1] : NULL, &sets);
    if (code != MR_OK)
        return code;
    mr_clock_setup();
    signal(SIGINT, on_interrupt);
    signal(SIGTERM, on_interrupt);
    mr_pipeline_ring_path(&run, index, path, sizeof path);
    return tap_ring(&tap, path);
}
