// SPDX-License-Identifier: Apache-2.0
// The session's checkpoint, written beside the stream: a moment of the whole pipeline everything before which is
// durable, now and then. Through the loader's I/O layer, with a sync of its own; nobody waits for it.
#ifndef MR_CONSUMERS_LOADER_CHECKPOINT_H
#define MR_CONSUMERS_LOADER_CHECKPOINT_H

#include "consumers/loader/io.h"
#include "core/pipeline/session.h"
#include "core/pipeline/stage_note.h"

struct mr_checkpoint_options {
    const char *directory;       // of the journal
    int64_t interval_ns;         // between two; 0: none at all
    unsigned letter_counters[2]; // of the loader: the producer's dead letters, the transform's
};

struct mr_checkpoint {
    struct mr_checkpoint_options options;
    struct mr_io *io;
    struct mr_session *session; // what stands in the file
    struct mr_segment upstream;
    struct mr_stage_layout *upstream_page; // of the transform; NULL: there are no checkpoints
    struct mr_stage_note note;
    uint64_t note_seen;
    bool has_note;
    int64_t due_ns;
    struct mr_io_client client;
    int fd;
    enum { MR_CHECKPOINT_IDLE, MR_CHECKPOINT_WRITING, MR_CHECKPOINT_SYNCING } doing;
    struct mr_session next; // being written
    struct mr_error failure;
};

// Where notes are not wanted nothing is done, ever.
int mr_checkpoint_open(struct mr_checkpoint *checkpoint, const struct mr_stage *loader,
                       struct mr_io *io, struct mr_session *session,
                       const struct mr_checkpoint_options *options, struct mr_error *err);
// Call after what is durable was committed.
int mr_checkpoint_poll(struct mr_checkpoint *checkpoint, const struct mr_stage *loader,
                       struct mr_error *err);
// Nothing is in flight any more.
void mr_checkpoint_close(struct mr_checkpoint *checkpoint);

#endif
