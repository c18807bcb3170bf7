// SPDX-License-Identifier: Apache-2.0
// Sink: a journal (core/journal.h). Its bytes are the ring's bytes, so nothing is copied or
// encoded: blocks of ring memory go to the I/O layer as they are, each to its position in a segment
// file (journal_writes.h). Records are released when the completions of all before them are in and,
// as `durability` asks for it, a sync that was begun after that has ended.
//
//   none    written to the page cache: survives any process, not a power cut
//   batch   group commit: a sync when there is nothing to write, or after sync_bytes or
//   sync_interval record  a sync as soon as the last one has ended, for whatever was written
//   meanwhile
//
// A sync that fails is the last one: another would report success whatever is on the disk.
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "consumers/loader/io.h"
#include "consumers/loader/journal_compare.h"
#include "consumers/loader/journal_sink.h"
#include "consumers/loader/journal_writes.h"
#include "consumers/loader/segment_files.h"
#include "core/log.h"

#define LOOK_INTERVAL_NS 100000000LL
enum { TAG_SYNC = MR_JOURNAL_WRITES_MAX, TAG_MARK };

struct journal_sink {
    const struct mr_journal_options *options;
    struct mr_segment_files files;
    struct mr_io_client client;
    struct mr_journal_writes writes;
    int64_t unsynced_since_ns;
    bool syncing;
    uint64_t sync_pos; // what the running sync covers
    bool marking;
    struct mr_journal_mark mark;
    bool rolling;              // the segment is to end at accepted_pos
    struct mr_refusal refusal; // the disk has no room for the next segment now ...
    int64_t retry_ns;          // ... and is asked again then
    int64_t begun_ns, looked_ns;
    uint64_t synced_pos;  // bytes before it are as safe as asked for
    uint64_t durable_pos; // and records before it
    uint64_t sync_bytes;  // of the options, but at most what leaves the ring room
    uint64_t kept_pos;    // bytes before it stand in the journal: they are compared, not written
    struct mr_journal_compare compare;
    struct mr_error failure; // code MR_OK: none
};

// In run->state: a loader that died over the comparison goes on with it.
struct journal_state {
    uint64_t kept_pos;
};
_Static_assert(sizeof(struct journal_state) <= MR_SINK_STATE_BYTES, "state");

static const struct mr_option journal_options[] = {
    {"path", MR_OPTION_STRING, offsetof(struct mr_journal_options, path), MR_OPTION_REQUIRED,
     "the journal's directory", NULL},
    {"durability", MR_OPTION_ENUM, offsetof(struct mr_journal_options, durability), "batch",
     "when a record counts as written: in the page cache, after a group's sync, after its own",
     "none,batch,record"},
    {"existing", MR_OPTION_ENUM, offsetof(struct mr_journal_options, existing), "append",
     "what a new run does with a journal that is there", "append,replace,refuse"},
    {"segment_size", MR_OPTION_SIZE, offsetof(struct mr_journal_options, segment_bytes), "1GiB",
     "of a segment file, preallocated; rounded up to whole laps of the ring", NULL},
    {"roll_after", MR_OPTION_DURATION, offsetof(struct mr_journal_options, roll_after_ns), NULL,
     "begin a new segment after this time too, at the ring's next lap", NULL},
    {"sync_bytes", MR_OPTION_SIZE, offsetof(struct mr_journal_options, sync_bytes), "8MiB",
     "durability batch: sync after this much, at most a quarter of the ring", NULL},
    {"sync_interval", MR_OPTION_DURATION, offsetof(struct mr_journal_options, sync_interval_ns),
     "20ms", "durability batch: sync what is as old as this", NULL},
    {"direct", MR_OPTION_BOOL, offsetof(struct mr_journal_options, direct), "false",
     "write past the page cache (O_DIRECT), where the file system can", NULL},
    {"checkpoint_interval", MR_OPTION_DURATION,
     offsetof(struct mr_journal_options, checkpoint_interval_ns), "1s",
     "how much a run may have to read again after a power cut, where no operator has state; 0: all",
     NULL},
    {0},
};

static int journal_declare(const void *options, const struct mr_pipeline *pipeline,
                           struct mr_error *err)
{
    const struct mr_journal_options *given = options;
    if (!*given->path || strcmp(given->path, "-") == 0)
        return mr_config_fail(pipeline->sink_node, err,
                              "path: found \"%s\", expected the directory of a journal",
                              given->path);
    if (given->segment_bytes == 0 || given->segment_bytes > MR_RING_CAPACITY_MAX)
        return mr_config_fail(pipeline->sink_node, err,
                              "segment_size: found %" PRIu64 ", expected 1 to %llu bytes",
                              given->segment_bytes, MR_RING_CAPACITY_MAX);
    if (given->roll_after_ns < 0 || given->sync_interval_ns < 0 ||
        given->checkpoint_interval_ns < 0)
        return mr_config_fail(
            pipeline->sink_node, err,
            "roll_after, sync_interval, checkpoint_interval: expected no negative "
            "time");
    return MR_OK;
}

// ---- completions -------------------------------------------------------------------------------
static void fail(struct journal_sink *sink, int64_t result, const char *what, uint64_t position)
{
    if (sink->failure.code != MR_OK)
        return; // the first one tells the cause
    errno = (int)-result;
    mr_fail_errno(&sink->failure, MR_ERR_OUTPUT, "%s: cannot %s at byte %" PRIu64, sink->files.path,
                  what, sink->files.header_bytes + position - sink->files.base_pos);
}

static void count_written(struct journal_sink *sink, uint64_t tag)
{
    uint64_t before = sink->writes.written_pos;
    mr_journal_writes_done(&sink->writes, tag);
    bool waits = sink->options->durability == MR_DURABILITY_BATCH;
    if (waits && before == sink->synced_pos && sink->writes.written_pos > before)
        sink->unsynced_since_ns = mr_mono_ns();
}

static void on_done(void *self, uint64_t tag, int64_t result)
{
    struct journal_sink *sink = self;
    if (tag == TAG_SYNC) {
        sink->syncing = false;
        if (result < 0)
            fail(sink, result, "sync what ends", sink->sync_pos);
        else
            sink->synced_pos = sink->sync_pos;
    } else if (tag == TAG_MARK) {
        sink->marking = false;
        if (result < 0)
            fail(sink, result, "write the durable mark, with the stream", sink->durable_pos);
    } else if (result < 0) {
        fail(sink, result, "write what ends", sink->writes.items[tag].end_pos);
    } else {
        count_written(sink, tag);
    }
}

// ---- writing -----------------------------------------------------------------------------------
static bool settled(const struct mr_sink_run *run)
{
    const struct journal_sink *sink = run->self;
    return sink->writes.count == 0 && !sink->syncing && !sink->marking &&
           sink->durable_pos == run->accepted_pos;
}

static bool time_to_roll(const struct mr_sink_run *run)
{
    const struct journal_sink *sink = run->self;
    return sink->options->roll_after_ns > 0 && run->accepted_pos > sink->files.base_pos &&
           (run->accepted_pos & run->ring->mask) == 0 &&
           mr_mono_ns() - sink->begun_ns > sink->options->roll_after_ns;
}

// Without room for the next segment the stream waits in the ring; it is asked for again, now and then.
static int unless_full(struct journal_sink *sink, int code, struct mr_error *err)
{
    if (code == MR_OK) {
        mr_device_accept(&sink->refusal);
    } else if (mr_error_is_no_room(err)) {
        mr_device_refuse(&sink->refusal, err, sink->files.directory_fd);
        sink->retry_ns = mr_mono_ns() + MR_DEVICE_RETRY_NS;
        return MR_OK;
    }
    return code;
}

// Room is made sure of first: without it the old segment stays as it is. Each step can be done again.
static int roll(struct mr_sink_run *run, struct mr_error *err)
{
    struct journal_sink *sink = run->self;
    if (sink->refusal.held && mr_mono_ns() < sink->retry_ns)
        return MR_OK;
    int code = mr_segment_files_prepare(&sink->files, err);
    if (code == MR_OK)
        code = mr_segment_files_finish(&sink->files, run->accepted_pos, err);
    if (code == MR_OK)
        code = mr_segment_files_begin(&sink->files, run->accepted_pos, run->accepted_pos, err);
    sink->rolling = code != MR_OK;
    sink->begun_ns = mr_mono_ns();
    return unless_full(sink, code, err);
}

// What a cut-off run has written is not written again, but what is made again must be the same.
static int compare(struct mr_sink_run *run, const uint8_t *bytes, size_t length,
                   struct mr_error *err)
{
    struct journal_sink *sink = run->self;
    uint64_t left = mr_min_u64(length, sink->kept_pos - run->accepted_pos);
    int code = mr_journal_compare(&sink->compare, run->accepted_pos, bytes, left, err);
    if (code != MR_OK)
        return code;
    run->accepted_pos += left;
    run->handed_pos = sink->synced_pos = sink->durable_pos = run->accepted_pos;
    mr_journal_writes_open(&sink->writes, run->accepted_pos);
    if (run->accepted_pos == sink->kept_pos) {
        mr_info("%s: is as it was up to position %" PRIu64 ", goes on there", sink->options->path,
                sink->kept_pos);
        mr_journal_compare_close(&sink->compare);
    }
    return MR_OK;
}

static int journal_write(struct mr_sink_run *run, const uint8_t *bytes, size_t length,
                         struct mr_error *err)
{
    struct journal_sink *sink = run->self;
    if (sink->failure.code != MR_OK)
        return MR_OK; // journal_poll says what failed
    if (run->accepted_pos < sink->kept_pos)
        return compare(run, bytes, length, err);
    if (run->accepted_pos == sink->files.limit_pos || time_to_roll(run))
        sink->rolling = true;
    if (sink->rolling) {
        int code = settled(run) ? roll(run, err) : MR_OK;
        if (code != MR_OK || sink->rolling)
            return code;
    }
    run->accepted_pos += mr_min_u64(length, sink->files.limit_pos - run->accepted_pos);
    mr_journal_writes_accept(&sink->writes, run->accepted_pos);
    mr_journal_writes_submit(&sink->writes);
    run->handed_pos = sink->writes.submitted_pos;
    return MR_OK;
}

// ---- syncing -----------------------------------------------------------------------------------
static bool time_to_sync(const struct mr_sink_run *run, bool idle)
{
    const struct journal_sink *sink = run->self;
    uint64_t written_pos = sink->writes.written_pos;
    if (sink->syncing || written_pos == sink->synced_pos)
        return false;
    if (sink->options->durability == MR_DURABILITY_RECORD)
        return true;
    if (idle || sink->rolling)
        return written_pos == run->accepted_pos;
    return written_pos - sink->synced_pos >= sink->sync_bytes ||
           mr_mono_ns() - sink->unsynced_since_ns >= sink->options->sync_interval_ns;
}

static void begin_sync(struct mr_sink_run *run)
{
    struct journal_sink *sink = run->self;
    sink->sync_pos = sink->writes.written_pos;
    sink->syncing = mr_io_sync(run->io, &sink->client, sink->files.fd, TAG_SYNC);
}

// The mark follows each sync and reaches the disk with the next one.
static void begin_mark(struct mr_sink_run *run)
{
    struct journal_sink *sink = run->self;
    if (sink->marking || sink->durable_pos <= sink->kept_pos)
        return;
    mr_journal_mark_make(sink->files.base_pos, sink->durable_pos, &sink->mark);
    sink->marking =
        mr_io_write(run->io, &sink->client, sink->files.fd, &sink->mark, sizeof sink->mark,
                    (int64_t)(sink->files.header_bytes - sizeof sink->mark), TAG_MARK);
}

// Now and then: whether the file still has its name, and whether the next one can be made.
static int look_around(struct mr_sink_run *run, struct mr_error *err)
{
    struct journal_sink *sink = run->self;
    int64_t now_ns = mr_mono_ns();
    if (now_ns - sink->looked_ns < LOOK_INTERVAL_NS)
        return MR_OK;
    sink->looked_ns = now_ns;
    int code = mr_segment_files_look(&sink->files, err);
    bool soon = run->accepted_pos >= sink->kept_pos &&
                run->accepted_pos - sink->files.base_pos > sink->files.segment_bytes / 2;
    if (code == MR_OK && soon && !sink->rolling)
        code = unless_full(sink, mr_segment_files_prepare(&sink->files, err), err);
    return code;
}

static int journal_poll(struct mr_sink_run *run, bool idle, struct mr_error *err)
{
    struct journal_sink *sink = run->self;
    uint64_t before = run->durable_pos;
    if (sink->failure.code == MR_OK)
        mr_journal_writes_submit(&sink->writes);
    run->handed_pos = sink->writes.submitted_pos;
    if (sink->options->durability == MR_DURABILITY_NONE)
        sink->synced_pos = sink->writes.written_pos;
    else if (sink->failure.code == MR_OK && time_to_sync(run, idle))
        begin_sync(run);
    sink->durable_pos = mr_journal_writes_ended(&sink->writes, sink->synced_pos);
    run->durable_pos = sink->durable_pos;
    if (sink->failure.code != MR_OK) {
        *err = sink->failure;
        return err->code;
    }
    if (sink->options->durability != MR_DURABILITY_NONE && sink->durable_pos > before)
        begin_mark(run);
    return look_around(run, err);
}

// ---- opening and ending ------------------------------------------------------------------------
// There must be nothing, or one segment without a record: a loader that was killed before its first commit may
// have left it.
static int refuse_existing(struct journal_sink *sink, const struct mr_journal_tail *tail,
                           struct mr_error *err)
{
    uint64_t *bases;
    unsigned count;
    int code = mr_journal_list(sink->options->path, &bases, &count, err);
    if (code != MR_OK)
        return code;
    free(bases);
    if (count == 1 && tail->end_pos == tail->base_pos)
        return mr_segment_files_clear(&sink->files, err);
    return mr_fail(err, MR_ERR_OUTPUT,
                   "%s: found a journal of %" PRIu64
                   " bytes, expected none (sink.existing is refuse)",
                   sink->options->path, tail->end_pos);
}

// Puts what is there in order, as `existing` says; *previous_end is where the new segment follows.
static int settle_existing(struct mr_sink_run *run, uint64_t *previous_end, struct mr_error *err)
{
    struct journal_sink *sink = run->self;
    struct mr_journal_tail tail;
    int existing = run->resume == MR_RESUME_NOT ? sink->options->existing : MR_EXISTING_APPEND;
    *previous_end = run->start_pos;
    if (existing == MR_EXISTING_REPLACE)
        return mr_segment_files_clear(&sink->files, err);
    int code = mr_journal_find_tail(sink->options->path, &tail, err);
    if (code != MR_OK || tail.header_bytes == 0)
        return code;
    if (existing == MR_EXISTING_REFUSE)
        return refuse_existing(sink, &tail, err);
    if (tail.end_pos > run->start_pos)
        return mr_fail(err, MR_ERR_OUTPUT,
                       "%s: found a journal that ends at %" PRIu64
                       ", but this run's stream begins at %" PRIu64,
                       sink->options->path, tail.end_pos, run->start_pos);
    if (tail.torn_bytes > 0)
        mr_warn("%s: cut a torn tail of %" PRIu64 " bytes at position %" PRIu64, tail.path,
                tail.torn_bytes, tail.end_pos);
    // An empty last segment at this very place is made anew, as the successor it was.
    *previous_end = tail.base_pos == run->start_pos ? tail.previous_end : tail.end_pos;
    return mr_segment_files_mend(&sink->files, &tail, err);
}

static int begin_first(struct mr_sink_run *run, struct mr_error *err)
{
    struct journal_sink *sink = run->self;
    uint64_t previous_end;
    int code = settle_existing(run, &previous_end, err);
    if (code == MR_OK && run->begin)
        code = run->begin(run->begin_context, err);
    if (code == MR_OK)
        code = mr_segment_files_begin(&sink->files, run->start_pos, previous_end, err);
    return code;
}

// Where the journal of a cut-off run ends. What was synced is not known to be lost, so damage there is refused.
static int find_end(const struct mr_sink_run *run, uint64_t *end_pos, struct mr_error *err)
{
    const struct journal_sink *sink = run->self;
    const char *path = sink->options->path;
    int code = sink->files.sync ? mr_journal_end(path, end_pos, err)
                                : mr_journal_whole_end(path, run->session_pos, end_pos, err);
    if (code == MR_OK && *end_pos < run->start_pos && run->start_pos > run->session_pos)
        return mr_fail(err, MR_ERR_CORRUPT,
                       "%s: found its end at position %" PRIu64 ", expected at least %" PRIu64
                       ", which was durable before the cut",
                       path, *end_pos, run->start_pos);
    return code;
}

static int begin_compare(struct mr_sink_run *run, uint64_t kept_pos, struct mr_error *err)
{
    struct journal_sink *sink = run->self;
    sink->kept_pos = kept_pos;
    sink->compare.later = run->later;
    return kept_pos > run->start_pos
               ? mr_journal_compare_open(&sink->compare, sink->options->path, err)
               : MR_OK;
}

// The stream of a session is made again: what the journal holds of it stays.
static int take_up(struct mr_sink_run *run, struct mr_error *err)
{
    struct journal_sink *sink = run->self;
    struct journal_state *state = run->state;
    uint64_t end_pos;
    int code = find_end(run, &end_pos, err);
    if (code != MR_OK)
        return code;
    if (end_pos <= run->session_pos) { // nothing, but perhaps a segment that was begun
        code = mr_segment_files_remove(&sink->files, run->session_pos, err);
        return code == MR_OK ? begin_first(run, err) : code;
    }
    code = mr_segment_files_keep(&sink->files, end_pos, err);
    if (code == MR_OK)
        code = begin_compare(run, end_pos, err);
    if (code == MR_OK)
        mr_sink_set(run, &state->kept_pos, end_pos);
    return code;
}

// A process of this run was here before.
static int resume(struct mr_sink_run *run, struct mr_error *err)
{
    struct journal_sink *sink = run->self;
    const struct journal_state *state = run->state;
    uint64_t kept_pos = state ? state->kept_pos : 0;
    uint64_t position = mr_max_u64(run->start_pos, kept_pos);
    int code = mr_segment_files_resume(&sink->files, position, err);
    return code == MR_OK ? begin_compare(run, kept_pos, err) : code;
}

static int journal_open(struct mr_sink_run *run, struct mr_error *err)
{
    const struct mr_journal_options *options = run->options;
    struct journal_sink *sink = calloc(1, sizeof *sink);
    if (!sink)
        return mr_fail(err, MR_ERR_MEMORY, "%s: out of memory", options->path);
    run->self = sink;
    sink->options = options;
    sink->client = (struct mr_io_client){on_done, sink};
    sink->files.direct = options->direct;
    sink->files.sync = options->durability != MR_DURABILITY_NONE;
    sink->files.segment_bytes = mr_align_up(options->segment_bytes, run->ring->capacity);
    sink->files.name = mr_ring_name(run->ring);
    sink->files.schemas = run->schemas;
    sink->sync_bytes = mr_min_u64(options->sync_bytes, run->ring->capacity / 4);
    sink->synced_pos = sink->durable_pos = run->start_pos;
    sink->writes = (struct mr_journal_writes){
        .io = run->io, .client = &sink->client, .ring = run->ring, .files = &sink->files};
    mr_journal_writes_open(&sink->writes, run->start_pos);
    sink->begun_ns = sink->looked_ns = mr_mono_ns();
    snprintf(run->files, sizeof run->files, "%s", options->path);
    int code = mr_segment_files_open(&sink->files, options->path, err);
    if (code != MR_OK)
        return code;
    if (options->direct)
        mr_io_lend(run->io, run->ring->data, run->ring->capacity);
    if (run->resumed)
        return resume(run, err);
    return run->resume == MR_RESUME_AGAIN ? take_up(run, err) : begin_first(run, err);
}

static int journal_finish(struct mr_sink_run *run, struct mr_error *err)
{
    struct journal_sink *sink = run->self;
    if (run->accepted_pos < sink->kept_pos && run->whole)
        return mr_fail(
            err, MR_ERR_INPUT,
            "%s: found the journal of the run that was cut off to end at position %" PRIu64
            ", but the stream that is made again ends at %" PRIu64
            ": the input is not what it was then; give that run up with `millrace clean`, "
            "or give it the same input",
            sink->options->path, sink->kept_pos, run->accepted_pos);
    mr_segment_files_drop_next(&sink->files);
    return mr_segment_files_finish(&sink->files, mr_max_u64(run->accepted_pos, sink->kept_pos),
                                   err);
}

static void journal_close(struct mr_sink_run *run)
{
    struct journal_sink *sink = run->self;
    if (!sink)
        return;
    mr_segment_files_close(&sink->files);
    mr_journal_compare_close(&sink->compare);
    free(sink);
    run->self = NULL;
}

const struct mr_sink mr_sink_journal = {
    .name = "journal",
    .about = "a self-describing, checksummed log of the records, as they stood in the ring",
    .options = journal_options,
    .options_bytes = sizeof(struct mr_journal_options),
    .declare = journal_declare,
    .open = journal_open,
    .write = journal_write,
    .poll = journal_poll,
    .finish = journal_finish,
    .close = journal_close,
};
