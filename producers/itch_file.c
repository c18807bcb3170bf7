// SPDX-License-Identifier: Apache-2.0
// Source `itch_file`: a Nasdaq TotalView-ITCH 5.0 file, plain or gzip: messages behind a 2-byte
// big-endian length, a length of zero at the end of the session.
//
// sequence = number of the message in the file, from 1. event time = ingest time = the message's
// own time.
//
// What the file may be like:
//   - a message of unknown type or with a length that is not its type's: dead letter; its length
//   frames it
//     all the same, so the run goes on behind it
//   - the file ends inside a message: dead letter (truncated), and that is the end
//   - bytes behind the end of the session: not read as messages; counted
//   - first messages that are none: MR_ERR_INPUT at once
//
// Resuming: the mark is the offset in the uncompressed file, and the symbols learned up to it are in the
// stage's state, so a plain file is gone on with at once, however long it is. A compressed one, or one
// whose run had lost its shared memory, is walked up to the mark, which learns the symbols again. Either
// way what follows has the same bytes as in a run that never stopped.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "core/clock.h"
#include "core/log.h"
#include "producers/itch_feed.h"
#include "producers/pace.h"
#include "producers/session_date.h"

#define BLOCK_BYTES (1u << 20)
#define READ_BYTES 65536u // zlib gives nothing of a read in which it meets damage: keep them small
#define FRAME_BYTES_MAX (2u + UINT16_MAX)
#define PROBE_FRAMES 32
#define PROBE_BYTES_SHOWN 8

struct options {
    const char *path;
    const char *pace;
    const char *date;
    const char *timezone;
};

static const struct mr_option option_table[] = {
    {"path", MR_OPTION_STRING, offsetof(struct options, path), MR_OPTION_REQUIRED,
     "the file, plain or gzip", NULL},
    {"pace", MR_OPTION_STRING, offsetof(struct options, pace), "asap",
     "asap, realtime, or a factor of it such as 10x", NULL},
    {"date", MR_OPTION_STRING, offsetof(struct options, date), NULL,
     "day of the session, YYYY-MM-DD; without it, the date in the file's name", NULL},
    {"timezone", MR_OPTION_STRING, offsetof(struct options, timezone), "America/New_York",
     "zone whose midnight the messages count from", NULL},
    {0}};

enum { COUNTER_BYTES, COUNTER_BYTES_AFTER_END };
static const char *const counter_names[] = {"bytes", "bytes_after_end", NULL};

struct mark {
    uint64_t offset;   // of the next message's length, uncompressed
    uint64_t sequence; // of the last message taken
    uint64_t finished; // the session's end was seen, and what follows it counted
};
_Static_assert(sizeof(struct mark) <= MR_STAGE_MARK_BYTES, "mark");

// In the stage's state: what has been learned up to the mark.
struct kept {
    uint64_t holds; // 0: nothing is kept yet
    uint64_t text[UINT16_MAX + 1];
};

struct itch_file {
    struct mr_itch_feed feed;
    uint64_t kept_changes; // of feed.symbols, that are in the state
    struct mr_pace pace;
    struct mark mark;
    gzFile input;    // reads plain files as they are
    bool at_end;     // the input gives no more bytes
    size_t from, to; // what of the block is not taken yet
    uint8_t block[BLOCK_BYTES + READ_BYTES];
};

// ---- reading

// Makes a whole frame of any length available, or all there is. A read that fails is the end of the
// input too; end_of_input says which it was once everything before it is taken.
static void refill(struct itch_file *file)
{
    if (file->at_end || file->to - file->from >= FRAME_BYTES_MAX)
        return;
    memmove(file->block, file->block + file->from, file->to - file->from);
    file->to -= file->from;
    file->from = 0;
    while (file->to <= BLOCK_BYTES && !file->at_end) {
        int got = gzread(file->input, file->block + file->to, READ_BYTES);
        file->at_end = got <= 0;
        file->to += got > 0 ? (size_t)got : 0;
    }
}

enum frame { FRAME_MESSAGE, FRAME_END_OF_SESSION, FRAME_CUT, FRAME_NONE };

// What stands at the front of the block: a whole message, or why there is none.
static enum frame look(const struct itch_file *file, const uint8_t **message, size_t *length)
{
    size_t left = file->to - file->from;
    const uint8_t *at = file->block + file->from;
    if (left < 2) {
        *message = at;
        *length = left;
        return left == 0 ? FRAME_NONE : FRAME_CUT;
    }
    *message = at + 2;
    *length = mr_get_be16(at);
    if (*length == 0)
        return FRAME_END_OF_SESSION;
    if (*length <= left - 2)
        return FRAME_MESSAGE;
    return FRAME_CUT;
}

static void advance(struct itch_file *file, size_t bytes)
{
    file->from += bytes;
    file->mark.offset += bytes;
}

// ---- opening

static bool is_probably_message(const uint8_t *message, size_t length, size_t there)
{
    if (there == 0 || mr_itch_types[message[0]].length != length)
        return false;
    return there < MR_ITCH_HEADER_BYTES || mr_itch_time_ns(message) < MR_ITCH_DAY_NS;
}

// gzerror's sentence, or NULL where the input simply ended.
static const char *reading_problem(gzFile input)
{
    int zlib_code;
    const char *text = gzerror(input, &zlib_code);
    if (zlib_code == Z_OK || zlib_code == Z_STREAM_END)
        return NULL;
    if (zlib_code == Z_ERRNO)
        return strerror(errno);
    if (zlib_code == Z_BUF_ERROR)
        return "the compressed file is cut";
    const char *behind_name = strstr(text, ": "); // zlib knows the descriptor's number only
    return behind_name ? behind_name + 2 : text;
}

static int fail_without_bytes(const struct itch_file *file, struct mr_error *err)
{
    const char *problem = reading_problem(file->input);
    return mr_fail(err, MR_ERR_INPUT, "%s: byte 0: found %s, expected ITCH messages",
                   file->feed.path, problem ? problem : "no bytes");
}

// Walks the first frames: at least half of them must be messages.
static int probe(const struct itch_file *file, struct mr_error *err)
{
    size_t at = file->from, frames = 0, good = 0;
    bool ended = false; // a session without messages is one all the same
    while (!ended && frames < PROBE_FRAMES && file->to - at >= 2) {
        size_t length = mr_get_be16(file->block + at);
        size_t there = mr_min_u64(length, file->to - at - 2);
        ended = length == 0;
        frames += !ended;
        good += is_probably_message(file->block + at + 2, length, there);
        at += 2 + there;
    }
    bool empty_session = ended && frames == 0 && file->at_end && file->to - file->from == 2;
    if (empty_session || (frames > 0 && good * 2 >= frames))
        return MR_OK;
    if (file->to == file->from)
        return fail_without_bytes(file, err);
    char found[3 * PROBE_BYTES_SHOWN + 1] = "";
    for (size_t i = 0; i < PROBE_BYTES_SHOWN && i < file->to; i++)
        snprintf(found + 3 * i, 4, " %02x", file->block[i]);
    return mr_fail(
        err, MR_ERR_INPUT,
        "%s: byte 0: found%s, expected the length and type of an ITCH 5.0 message; %zu of "
        "the first %zu frames are messages",
        file->feed.path, found, good, frames);
}

// ---- what is kept of the symbols

// A fresh run's state is zeroed, as its symbols are.
static void keep_none(struct mr_source_run *run)
{
    struct kept *kept = (void *)run->stage->state;
    mr_stage_touch(run->stage, &kept->holds, sizeof kept->holds);
    kept->holds = 1;
}

static void keep_all(struct mr_source_run *run, struct itch_file *file)
{
    struct kept *kept = (void *)run->stage->state;
    mr_stage_touch(run->stage, kept, sizeof *kept);
    memcpy(kept->text, file->feed.symbols.text, sizeof kept->text);
    kept->holds = 1;
    file->kept_changes = file->feed.symbols.changes;
}

static void keep_changed(struct mr_source_run *run, struct itch_file *file)
{
    const struct mr_itch_symbols *symbols = &file->feed.symbols;
    uint64_t *text = &((struct kept *)(void *)run->stage->state)->text[symbols->changed_locate];
    mr_stage_touch(run->stage, text, sizeof *text);
    *text = symbols->text[symbols->changed_locate];
    file->kept_changes = symbols->changes;
}

// ---- going on

static int fail_changed(const struct itch_file *file, uint64_t found, const struct mark *goal,
                        struct mr_error *err)
{
    return mr_fail(err, MR_ERR_INPUT,
                   "%s: byte %llu: the file has changed since the last run: expected a message "
                   "to begin at byte %llu",
                   file->feed.path, (unsigned long long)found, (unsigned long long)goal->offset);
}

// Straight to the mark, where the symbols are known and the file can be read from anywhere. *there: done.
static int jump(struct mr_source_run *run, struct itch_file *file, const struct mark *goal,
                bool *there, struct mr_error *err)
{
    struct stat status;
    const struct kept *kept = (const void *)run->stage->state;
    *there = false;
    if (!kept->holds || !gzdirect(file->input) || stat(file->feed.path, &status) != 0 ||
        !S_ISREG(status.st_mode))
        return MR_OK;
    if ((uint64_t)status.st_size < goal->offset)
        return fail_changed(file, (uint64_t)status.st_size, goal, err);
    if (gzseek(file->input, (z_off_t)goal->offset, SEEK_SET) != (z_off_t)goal->offset)
        return MR_OK;
    memcpy(file->feed.symbols.text, kept->text, sizeof kept->text);
    file->mark = *goal;
    file->from = file->to = 0;
    file->at_end = false;
    *there = true;
    return MR_OK;
}

// Walks from the start to the mark, learning symbols only.
static int walk(struct mr_source_run *run, struct itch_file *file, const struct mark *goal,
                struct mr_error *err)
{
    while (!goal->finished && file->mark.offset < goal->offset) {
        const uint8_t *message;
        size_t length;
        refill(file);
        if (look(file, &message, &length) != FRAME_MESSAGE)
            break;
        if (mr_itch_check(message, length) == MR_ITCH_GOOD)
            mr_itch_learn(message, &file->feed.symbols);
        advance(file, 2 + length);
        if (++file->mark.sequence % 65536 == 0)
            mr_stage_beat(run->stage);
    }
    bool is_cut_tail = file->at_end && file->mark.offset + (file->to - file->from) == goal->offset;
    if (file->mark.offset != goal->offset && !is_cut_tail && !goal->finished)
        return fail_changed(file, file->mark.offset, goal, err);
    file->from = is_cut_tail ? file->to : file->from;
    file->mark = *goal;
    return MR_OK;
}

static int find_place(struct mr_source_run *run, struct itch_file *file, struct mr_error *err)
{
    struct mark goal;
    bool there = false;
    int code = MR_OK;
    memcpy(&goal, run->mark, sizeof goal);
    if (!goal.finished)
        code = jump(run, file, &goal, &there, err);
    return code != MR_OK || there ? code : walk(run, file, &goal, err);
}

static int find_midnight(const struct options *options, int64_t *midnight_ns, struct mr_error *err)
{
    char date[MR_DATE_BYTES];
    if (options->date)
        return mr_session_midnight(options->date, options->timezone, midnight_ns, err);
    if (!mr_session_date_in_name(options->path, date))
        return mr_fail(err, MR_ERR_CONFIG,
                       "date: there is none in the name of %s; give the session's day as date: "
                       "YYYY-MM-DD",
                       options->path);
    return mr_session_midnight(date, options->timezone, midnight_ns, err);
}

static int open_input(struct itch_file *file, struct mr_error *err)
{
    struct stat status;
    int fd = open(file->feed.path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return mr_fail_errno(err, MR_ERR_INPUT, "%s: cannot open", file->feed.path);
    if (fstat(fd, &status) == 0 && S_ISDIR(status.st_mode)) {
        close(fd);
        return mr_fail(err, MR_ERR_INPUT, "%s: found a directory, expected an ITCH file",
                       file->feed.path);
    }
    file->input = gzdopen(fd, "rb");
    if (!file->input) {
        close(fd);
        return mr_fail(err, MR_ERR_MEMORY, "%s: no memory to read it", file->feed.path);
    }
    gzbuffer(file->input, 1u << 18);
    return MR_OK;
}

static int declare(const void *bound, const struct mr_pipeline *pipeline, struct mr_schema_set *out,
                   struct mr_error *err)
{
    const struct options *options = bound;
    struct mr_pace pace;
    struct mr_error why;
    int64_t midnight_ns;
    const struct mr_node *node = pipeline->source_node;
    if (access(options->path, R_OK) != 0)
        return mr_source_fail_path(node, options->path, err);
    if (mr_pace_parse(&pace, options->pace, &why) != MR_OK)
        return mr_config_fail(mr_config_child(node, "pace"), err, "%s", why.text);
    if (find_midnight(options, &midnight_ns, &why) != MR_OK)
        return mr_config_fail(node, err, "%s", why.text);
    return mr_market_schemas_range(out, MR_SCHEMA_ITCH_FIRST, MR_SCHEMA_ITCH_LAST, err);
}

static void close_file(struct mr_source_run *run)
{
    struct itch_file *file = run->self;
    if (!file)
        return;
    if (file->input)
        gzclose(file->input);
    free(file);
    run->self = NULL;
}

static int start(struct mr_source_run *run, struct itch_file *file, struct mr_error *err)
{
    const struct options *options = run->options;
    file->feed.path = options->path;
    int code = find_midnight(options, &file->feed.midnight_ns, err);
    if (code == MR_OK)
        code = mr_pace_parse(&file->pace, options->pace, err);
    if (code == MR_OK)
        code = open_input(file, err);
    if (code != MR_OK)
        return code;
    refill(file);
    code = probe(file, err);
    if (code != MR_OK)
        return code;
    if (!run->resumed) {
        keep_none(run);
        return MR_OK;
    }
    code = find_place(run, file, err);
    if (code == MR_OK)
        keep_all(run, file);
    return code;
}

static int open_file(struct mr_source_run *run, struct mr_error *err)
{
    run->self = calloc(1, sizeof(struct itch_file));
    if (!run->self)
        return mr_fail(err, MR_ERR_MEMORY, "no memory for source itch_file");
    int code = start(run, run->self, err);
    if (code != MR_OK)
        close_file(run);
    return code;
}

// ---- running

// The end of the bytes: of the file, or of what can be read of it.
static enum mr_poll end_of_input(struct mr_source_run *run, struct itch_file *file)
{
    const char *problem = reading_problem(file->input);
    if (!problem)
        return MR_POLL_END;
    mr_fail(&run->err, MR_ERR_INPUT, "%s: byte %llu of the uncompressed file: %s", file->feed.path,
            (unsigned long long)file->mark.offset, problem);
    return MR_POLL_FAILED;
}

static enum mr_poll take_cut(struct mr_source_run *run, struct itch_file *file,
                             const uint8_t *message, size_t announced)
{
    size_t there = file->to - (size_t)(message - file->block);
    int64_t event_time_ns =
        there < MR_ITCH_HEADER_BYTES ? 0 : file->feed.midnight_ns + mr_itch_time_ns(message);
    uint64_t offset = file->mark.offset;
    bool has_length = file->to - file->from >= 2;
    // A file that cannot be read any further has not ended: the message may be whole another time.
    if (reading_problem(file->input))
        return end_of_input(run, file);
    mr_source_take(run);
    mr_stage_reject(run->stage, MR_REASON_TRUNCATED, file->mark.sequence + 1, event_time_ns,
                    message, there,
                    "%s: byte %llu: the file ends after %zu bytes of %s, expected %zu",
                    file->feed.path, (unsigned long long)offset, there,
                    has_length ? "a message" : "a message length", has_length ? announced : 2);
    mr_warn("%s: byte %llu: the file ends inside a message (%zu bytes of %zu)", file->feed.path,
            (unsigned long long)offset, there, has_length ? announced : 2);
    file->mark.sequence++;
    advance(file, file->to - file->from);
    return end_of_input(run, file);
}

// A length of zero: the session is over. Whatever follows is counted, not read.
static enum mr_poll end_session(struct mr_source_run *run, struct itch_file *file)
{
    uint64_t after = 0;
    advance(file, 2);
    while (!file->at_end || file->from < file->to) {
        after += file->to - file->from;
        advance(file, file->to - file->from);
        refill(file);
        mr_stage_beat(run->stage);
    }
    mr_source_count(run, COUNTER_BYTES_AFTER_END, after);
    file->mark.finished = 1;
    if (after > 0)
        mr_warn("%s: %llu bytes follow the end of the session; they were not read as messages",
                file->feed.path, (unsigned long long)after);
    return end_of_input(run, file);
}

static bool is_due(struct mr_source_run *run, struct itch_file *file, const uint8_t *message,
                   size_t length)
{
    if (file->pace.factor == 0 || !is_probably_message(message, length, length))
        return true;
    int64_t due = mr_pace_due_mono_ns(&file->pace, mr_itch_time_ns(message));
    if (due <= mr_mono_ns())
        return true;
    run->wake_mono_ns = due;
    return false;
}

static enum mr_poll take_messages(struct mr_source_run *run, struct itch_file *file)
{
    uint64_t offset_max = file->mark.offset + run->stage->pipeline->batch_bytes_max / 2;
    do {
        const uint8_t *message;
        size_t length;
        refill(file);
        enum frame frame = look(file, &message, &length);
        if (frame == FRAME_NONE || file->mark.finished)
            return end_of_input(run, file);
        if (frame == FRAME_END_OF_SESSION)
            return end_session(run, file);
        if (frame == FRAME_CUT)
            return take_cut(run, file, message, length);
        if (!is_due(run, file, message, length))
            return MR_POLL_IDLE;
        struct mr_itch_arrival arrival = {
            message, length, file->mark.sequence + 1, file->mark.offset, "byte", 0, 0};
        if (!mr_itch_feed_take(run, &file->feed, &arrival))
            return MR_POLL_MORE; // halted
        if (MR_UNLIKELY(file->feed.symbols.changes != file->kept_changes))
            keep_changed(run, file);
        file->mark.sequence++;
        advance(file, 2 + length);
    } while (file->mark.offset < offset_max && !mr_stage_should_commit(run->stage));
    return MR_POLL_MORE;
}

static enum mr_poll poll_file(struct mr_source_run *run)
{
    struct itch_file *file = run->self;
    uint64_t before = file->mark.offset;
    enum mr_poll polled = take_messages(run, file);
    mr_source_count(run, COUNTER_BYTES, file->mark.offset - before);
    memcpy(run->mark, &file->mark, sizeof file->mark);
    return polled;
}

const struct mr_source mr_source_itch_file = {
    .name = "itch_file",
    .about = "a Nasdaq TotalView-ITCH 5.0 file, plain or gzip",
    .options = option_table,
    .options_bytes = sizeof(struct options),
    .counters = counter_names,
    .state_bytes = sizeof(struct kept),
    .again = MR_AGAIN_SAME,
    .declare = declare,
    .open = open_file,
    .poll = poll_file,
    .close = close_file,
};
