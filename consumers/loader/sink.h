// SPDX-License-Identifier: Apache-2.0
// The contract of a sink: one plugin, one file, ending in one `const struct mr_sink`.
//
// The loader hands a sink spans of ring memory: whole records (padding records among them),
// contiguous, final. The sink starts writing them and returns; the bytes stay where they are until
// the sink says, by run->durable_pos, that they are where they should be. Only then are they
// released to the ring's writer.
#ifndef MR_CONSUMERS_LOADER_SINK_H
#define MR_CONSUMERS_LOADER_SINK_H

#include "core/pipeline/stage.h"

enum mr_durability { MR_DURABILITY_NONE, MR_DURABILITY_BATCH, MR_DURABILITY_RECORD };
enum mr_existing { MR_EXISTING_APPEND, MR_EXISTING_REPLACE, MR_EXISTING_REFUSE };

struct mr_sink;
#define MR_SINK_STATE_BYTES 1024 // of each sink, in the stage's state

struct mr_sink_run {
    const struct mr_sink *sink;
    const void *options;
    struct mr_stage *stage;
    struct mr_io *io;                    // the loader's one I/O layer, shared by its sinks (io.h)
    const struct mr_ring *ring;          // the ring it is fed from
    const struct mr_schema_set *schemas; // what may come
    void *self;
    void *state; // MR_SINK_STATE_BYTES, zeroed in a fresh run, else as committed: mr_sink_set()
    uint64_t start_pos; // where it goes on: the committed in_pos
    bool resumed;       // an earlier process of this run has opened it: `existing` was settled then
    // How the run began (core/pipeline/session.h). MR_RESUME_AGAIN: from start_pos on the stream is made again
    // that the session began at session_pos; what is there of it stays. MR_RESUME_BEHIND: whatever `existing`
    // says, what is there stays.
    enum mr_resume resume;
    uint64_t session_pos;
    bool later; // made again at another time: ingest times differ
    bool whole; // for finish(): the stream came to the end of its input
    // May be NULL. A sink whose run has a session calls it in open() when what is there is in order and
    // nothing new has been begun.
    int (*begin)(void *context, struct mr_error *err);
    void *begin_context;
    uint64_t accepted_pos; // bytes before it were taken by write()
    uint64_t handed_pos;   // bytes before it were handed to the I/O layer
    uint64_t durable_pos; // bytes before it are safe, as durable as asked for; the end of a write()
    unsigned counters;
    char files[512]; // what to tell the user at the end: the path(s) written, one a line
};

struct mr_sink {
    const char *name;
    const char *about;
    const struct mr_option *options;
    size_t options_bytes;
    const char *const *counters;
    // Checks options without touching anything. Also called by `millrace check`.
    int (*declare)(const void *options, const struct mr_pipeline *pipeline, struct mr_error *err);
    // May be NULL. Whether records of these schemas can be written with these options; asked before
    // anything starts, and by `millrace check`. A sink that has it asks it again when it opens.
    int (*check)(const void *options, const struct mr_pipeline *pipeline,
                 const struct mr_schema_set *schemas, struct mr_error *err);
    int (*open)(struct mr_sink_run *run, struct mr_error *err);
    // Takes the `length` bytes at run->accepted_pos, all of them or none (busy: it is called
    // again after poll), and advances accepted_pos; handed_pos follows as soon as they go to the I/O
    // layer. What it takes in one call becomes durable as one.
    int (*write)(struct mr_sink_run *run, const uint8_t *bytes, size_t length,
                 struct mr_error *err);
    // Called after each reaping of the I/O layer: advances durable_pos. `idle`: nothing more is
    // there to write now, so flush.
    int (*poll)(struct mr_sink_run *run, bool idle, struct mr_error *err);
    // Everything accepted is durable: finish the files (trailers, truncation, names).
    int (*finish)(struct mr_sink_run *run, struct mr_error *err);
    // Always called after an open, successful or not; nothing of the sink's is in flight any more.
    void (*close)(struct mr_sink_run *run);
};

// Sets a word of run->state; it becomes final with the next commit, and so with the in_pos that
// durable_pos becomes.
static inline void mr_sink_set(struct mr_sink_run *run, uint64_t *word, uint64_t value)
{
    mr_stage_touch(run->stage, word, sizeof *word);
    *word = value;
}

extern const struct mr_sink *const mr_sinks[]; // NULL-ended; registry.c
const struct mr_sink *mr_sink_find(const char *name);
// Options of the pipeline's sink, bound; the caller frees *options. `sink.io` (auto, uring, pwrite)
// is common to all sinks and is checked here too.
int mr_sink_bind(const struct mr_pipeline *pipeline, const struct mr_sink **sink, void **options,
                 struct mr_error *err);
// The loader process, from start to drained. Returns an exit code; the error was logged.
int mr_loader_main(const struct mr_pipeline *pipeline);

#endif
