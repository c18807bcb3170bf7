// SPDX-License-Identifier: Apache-2.0
// What outlives a power cut. Rings and stage pages live in memory; when they are gone, the journal and
// one small file beside its segments say how to go on: the session, which is a run from its first byte to
// its clean end, whatever happened between.
//
//     <journal>/.session      two slots of 8192 bytes; the one that checks and has the higher epoch holds
//
//   byte 0       8     12      16      24      32         40      44      48              128
//        +-------+-----+-------+-------+-------+----------+-------+-------+---------------+--------------+
//        | magic |vers | bytes | epoch | check | settings | again | state | start_pos[10] | capacity[10] |
//        +-------+-----+-------+-------+-------+----------+-------+-------+---------------+--------------+
//   208  | has_checkpoint | 0 | checkpoint: a committed slot (core/pipeline/stage.h) of each stage          |
//        +----------------+---+---------------------------------------------------------------------------+
//
// It is made, whole and synced with its directory, before the first byte of the stream is written, and
// removed when the run has come to a clean end. From then on only the slot that does not hold is written,
// and synced: a torn write leaves the other.
//
// Going on. A pipeline is deterministic, so its stream can be made again where its source can be read again.
// A run that finds no rings but a session of the same settings gives its rings the session's start positions
// (or those of the checkpoint, which stands for everything before it) and makes the stream again; stateful
// operators come by their state that way. The loader compares what is made again with what the journal
// holds, and goes on writing at the journal's end. Settings are what the pipeline file says of source,
// schemas, operators and sink, and the sizes of the rings, which are part of the bytes.
//
// A source that cannot be read again goes on behind the journal's end, in a session of its own that begins
// at the next lap of the ring.
//
// Of several sources the order in which their records were taken is part of the stream. By `merge: time` it follows
// from them. By arrival it stands nowhere else: a session of several is not gone on with where one of them would be
// read from its beginning again, and a run that finds one says so. Where none can be read again, it goes on behind
// the journal's end like one.
#ifndef MR_CORE_PIPELINE_SESSION_H
#define MR_CORE_PIPELINE_SESSION_H

#include "core/pipeline/stage.h"

#define MR_SESSION_MAGIC 0x3153534553524c4dULL // "MLRSESS1"
#define MR_SESSION_VERSION 2u
#define MR_SESSION_SLOT_BYTES 8192u
#define MR_SESSION_STAGES                                                                          \
    3u // producer, transform, loader: only a run of one source has checkpoints
#define MR_SESSION_FILE_BYTES ((size_t)2 * MR_SESSION_SLOT_BYTES)
#define MR_SESSION_FILE ".session"

enum mr_session_state {
    MR_SESSION_RUNNING = 1, // or cut off: it is not finished
    // By request or by its source's failure, before its input had ended, and all that it took in is written:
    // the same settings go on with it (several sources by arrival in the memory that they left, or not at all:
    // core/pipeline/stage.h, MR_LEFTOVERS_STOPPED), others may follow it.
    MR_SESSION_STOPPED = 2,
};

struct mr_session {
    uint64_t magic;
    uint32_t version;
    uint32_t bytes; // of this struct
    uint64_t epoch;
    uint64_t check; // XXH3 of the struct with this field zero
    uint64_t settings;
    uint32_t again;                    // mr_again, of the source
    uint32_t state;                    // mr_session_state
    uint64_t start_pos[MR_RING_COUNT]; // where the session's streams begin
    uint64_t capacity[MR_RING_COUNT];  // of the rings
    uint32_t has_checkpoint;           // 1: what follows holds
    uint32_t reserved;                 // 0
    struct mr_stage_slot checkpoint[MR_SESSION_STAGES];
};
_Static_assert(offsetof(struct mr_session, check) == 24, "check");
_Static_assert(offsetof(struct mr_session, start_pos) == 48, "start positions");
_Static_assert(offsetof(struct mr_session, has_checkpoint) == 208, "checkpoint");
_Static_assert(offsetof(struct mr_session, checkpoint) == 216, "slots of the stages");
_Static_assert(sizeof(struct mr_session) == 216 + MR_SESSION_STAGES * sizeof(struct mr_stage_slot),
               "no padding");
_Static_assert(sizeof(struct mr_session) <= MR_SESSION_SLOT_BYTES, "a session fits its slot");

// ---- the bytes
// Gives the session its envelope and this epoch; it is then ready to be written to slot epoch % 2.
void mr_session_seal(struct mr_session *session, uint64_t epoch);
// The slot that holds, out of a file's bytes. MR_ERR_CORRUPT where none does, or what it says cannot be.
int mr_session_parse(const void *bytes, size_t length, struct mr_session *out,
                     struct mr_error *err);

// ---- the file
// MR_OK and *found false where there is none.
int mr_session_read(const char *directory, struct mr_session *out, bool *found,
                    struct mr_error *err);
// The same for a loader that goes on with it: what it finds is durable when this returns, also where a process
// that died had not come to sync it, and that one's last writes, of a checkpoint, have come to their end.
// Without that the next checkpoint could overwrite the only slot that the disk has.
int mr_session_take_up(const char *directory, struct mr_session *out, bool *found,
                       struct mr_error *err);
// Makes the file (or puts another in its place) in one step, durable when it returns: epoch 1.
int mr_session_create(const char *directory, struct mr_session *session, struct mr_error *err);
// Writes the slot that does not hold, in place: durable when it returns, and no room is needed. One that fails
// leaves *session as it is, so that the same slot is written when it is done again.
int mr_session_update(const char *directory, struct mr_session *session, struct mr_error *err);
// Durable when it returns. No file is fine.
int mr_session_remove(const char *directory, struct mr_error *err);

// Takes the session away for good, so that the next run begins anew behind what the journal holds. *found:
// there was one. MR_ERR_BUSY while a loader writes to the journal.
int mr_session_give_up(const char *directory, bool *found, struct mr_error *err);
// The run's directory names the journal of its session, for who knows the run by its name alone.
#define MR_SESSION_LINK "session"
int mr_session_link(const struct mr_pipeline *pipeline, const char *directory,
                    struct mr_error *err);
bool mr_session_follow_link(const struct mr_pipeline *pipeline, char *directory,
                            size_t directory_bytes);

// ---- what a run is to do
// The journal whose session it would be: only a journal has one. False: the sink is none.
bool mr_session_directory(const struct mr_pipeline *pipeline, char *out, size_t out_bytes);
uint64_t mr_session_settings(const struct mr_pipeline *pipeline);

// What can be done about all sources together, again[i] being of each.
enum mr_again mr_session_again(const struct mr_pipeline *pipeline, const enum mr_again *again);

struct mr_session_plan {
    enum mr_resume resume;
    struct mr_session session; // where `resume` is not MR_RESUME_NOT
};
// Looks for an unfinished session. One of other settings whose journals hold something of it is refused
// (MR_ERR_OUTPUT), with a sentence that says how to go on.
int mr_session_plan(const struct mr_pipeline *pipeline, struct mr_session_plan *plan,
                    struct mr_error *err);
// Where the stream of a new ring begins: at the session's position, or in the next lap behind the journal
// that it is appended to, or at 0.
int mr_session_start_pos(const struct mr_session_plan *plan, const struct mr_pipeline *pipeline,
                         enum mr_ring_index ring, uint64_t *start_pos, struct mr_error *err);
// The same for a stage that begins: the checkpoint's slot of its role. False: there is none.
bool mr_session_slot(const struct mr_session_plan *plan, enum mr_role role,
                     struct mr_stage_slot *slot);

#endif
