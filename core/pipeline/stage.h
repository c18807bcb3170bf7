// SPDX-License-Identifier: Apache-2.0
// A stage is a transaction. It moves three things together: how far it has read, how far it has
// written, and its state (with its counts). They stand in a two-slot commit block in the stage's
// own segment:
//
//     <role>.stage   epoch        one word; its low bit names the slot that holds
//                    slot[0..1]   in_pos[], out_pos[], source mark, counts
//                    gauges, histograms: for those who look
//     <role>.state   undo log     old bytes of the state that the running batch has modified
//                    state        the operators' shared state, fixed-size (where there is any)
//
// Per batch: read; write the outputs beyond out_pos, where nobody sees them yet; modify the state,
// old bytes to the undo log first; fill the other slot; store the epoch (release): this one store
// is the commit. Then publish write_pos of the outputs and read_pos of the inputs.
//
// A stage that dies anywhere restarts, applies the undo log backwards if it belongs to the epoch
// that was never committed, re-publishes the cursors from the slot, and goes on.
#ifndef MR_CORE_PIPELINE_STAGE_H
#define MR_CORE_PIPELINE_STAGE_H

#include "core/counts.h"
#include "core/histogram.h"
#include "core/pipeline/pipeline.h"
#include "ringbuf/reader.h"
#include "ringbuf/wait.h"
#include "ringbuf/writer.h"

#define MR_STAGE_PORTS_MAX 8        // inputs or outputs of one stage
#define MR_STAGE_OUTPUTS_MAX 2      // of these
#define MR_STAGE_PLUGIN_COUNTS 48   // counters of its plugins
#define MR_STAGE_MARK_BYTES 64      // a source's own resume mark
#define MR_STAGE_EPOCH_CHECKPOINT 2 // of a page made from a checkpoint: it has committed before

// ---- shared layout
struct mr_stage_slot {
    uint64_t in_pos[MR_STAGE_PORTS_MAX];
    uint64_t out_pos[MR_STAGE_PORTS_MAX];
    uint64_t counts[MR_COUNT_KINDS];
    uint64_t rejected[MR_REASON_KINDS]; // MR_COUNT_REJECTED by reason
    uint64_t plugin[MR_STAGE_PLUGIN_COUNTS];
    uint64_t in_by_schema[MR_SCHEMAS_MAX];  // by index in the input's schema table
    uint64_t out_by_schema[MR_SCHEMAS_MAX]; // by index in the output's schema table
    uint8_t mark[MR_STAGE_MARK_BYTES];
};

// A moment between batches (core/pipeline/stage_note.h).
struct mr_stage_note {
    uint64_t number;                          // odd while it is being written
    struct mr_stage_slot producer, transform; // the latter in the transform's page only
    uint64_t letters[2];                      // that they have written into their dead rings
};

enum mr_stage_phase {
    MR_PHASE_OFF,      // no process
    MR_PHASE_STARTING, // opening files, waiting for the stage before it
    MR_PHASE_RUNNING,
    MR_PHASE_DRAINING, // told to stop, or its input has ended: finishing what is there
    MR_PHASE_DONE,     // drained; its outputs are closed
    MR_PHASE_FAILED,   // stopped with an error, whose text is in the page
};

// Who a stage waits for, since when; gauges, outside the transaction.
enum mr_wait_for { MR_WAIT_NOTHING, MR_WAIT_INPUT, MR_WAIT_OUTPUT, MR_WAIT_DEVICE };

// What can be done about a source after a power cut.
enum mr_again {
    MR_AGAIN_SAME = 1,  // it can be read again, and gives the same bytes
    MR_AGAIN_LATER = 2, // the same records, but for their ingest times
    MR_AGAIN_NEVER = 3, // what it gave is gone
    MR_AGAIN_MIXED =
        4, // of several sources, together: each may be read again, but not in the same order
};

// How a stage's stream ended. Written before its outputs are closed.
enum mr_end {
    MR_END_NOT,     // it has not
    MR_END_WHOLE,   // with its input
    MR_END_STOPPED, // by request: a longer input would begin with the same stream
    MR_END_FAILED,  // with an error: likewise
};
// A longer input would begin with the same stream.
static inline bool mr_end_is_cut(enum mr_end end)
{
    return end == MR_END_STOPPED || end == MR_END_FAILED;
}

// How a run begins whose rings were not there (core/pipeline/session.h).
enum mr_resume {
    MR_RESUME_NOT,   // anew
    MR_RESUME_AGAIN, // the stream of an unfinished session is made again
    MR_RESUME_BEHIND, // it cannot be: a new one begins behind its end, and something is missing between
};

// What a stage can be asked through its page; signals ask the same (the first, the second).
enum mr_stop_ask {
    MR_STOP_NONE,
    MR_STOP_DRAIN, // finish what there is, and stop
    MR_STOP_HALT,  // stop at once; the batch at hand is left to the next process
};

// What the loader is at with its device. A call that does not return, and a sync that does not end, show
// here; so does a file system without room, which is waited for.
enum mr_device_call {
    MR_CALL_NONE,
    MR_CALL_WRITE,
    MR_CALL_SYNC,
    MR_CALL_RESERVE, // room for a segment
    MR_CALL_CHANGE,  // of segments: files opened, named, cut, closed
};
struct mr_device_gauges {
    uint32_t call;          // mr_device_call that has not returned; begun when the heart beat last
    uint32_t refused_errno; // ENOSPC, EDQUOT; 0: nothing is refused. Released after what follows
    int64_t refused_since_ns; // monotonic
    uint64_t refusals;        // so far
    int64_t syncing_since_ns; // monotonic: the oldest sync under way; 0: none
    char refused_what[376];   // a sentence; final while refused_errno stands
};

struct mr_stage_gauges {
    uint32_t phase; // mr_stage_phase
    uint32_t pid;
    uint32_t drain_asked;     // mr_stop_ask: set by anyone who may
    uint32_t waiting_for;     // mr_wait_for
    uint32_t waiting_port;    // MR_WAIT_OUTPUT: which output's ring is full
    uint32_t wait_version;    // odd while one of waiting_*, waited_ns is being changed
    int64_t waiting_since_ns; // monotonic: where it waits
    int64_t heartbeat_ns;     // monotonic, at most 100 ms old while the stage lives
    int64_t opened_ns;        // monotonic: its first process was there
    int64_t started_ns;       // monotonic: the first record came in
    int64_t ended_ns;         // monotonic: DONE
    uint64_t waited_ns[4];    // total, by mr_wait_for
    // Bytes in the ring of each output, at most: as seen at each heartbeat, and whenever it was full.
    uint64_t used_bytes_max[MR_STAGE_PORTS_MAX];
    uint64_t parks;
    uint64_t durable_pos[MR_STAGE_PORTS_MAX]; // loader
    uint32_t io_backend;                      // loader: 0 none, 1 io_uring, 2 pwrite
    uint32_t exit_code;                       // mr_code
    uint64_t starts;                // processes that have entered here, the one that lives included
    char failure[504];              // MR_PHASE_FAILED
    char files[512];                // loader: what its sink writes, one path a line
    struct mr_device_gauges device; // loader
};

struct mr_stage_layout { // at byte 4096 of the segment, behind the segment header
    uint64_t epoch;      // release by the stage; acquired by whoever looks, and by its own restart
    uint64_t state_bytes;
    uint64_t settings; // digest of what the pipeline file tells this stage
    uint32_t role;
    uint32_t plugin_count;
    uint32_t in_schema_count, out_schema_count;
    struct mr_stage_gauges gauges;
    char plugin_name[MR_STAGE_PLUGIN_COUNTS][48]; // "order_book.unknown_reference"
    char in_schema_name[MR_SCHEMAS_MAX][MR_NAME_BYTES];
    char out_schema_name[MR_SCHEMAS_MAX][MR_NAME_BYTES];
    struct mr_stage_slot slots[2];
    struct mr_histogram hop_ns; // from the publish of the stage before to this stage's release
    struct mr_histogram
        age_ns; // from the feed's first holding to this stage's release (loader: to durable)
    struct mr_histogram
        handed_ns; // loader: from the feed's first holding to the kernel's taking the write
    // Loader: from the feed's first holding to the publication in the egress ring, and to its first look.
    struct mr_histogram published_ns, seen_ns;
    uint32_t resume; // mr_resume: how its run began
    uint32_t again;  // producer: mr_again, before it describes its ring
    uint32_t end;    // mr_end
    uint32_t unused;
    struct mr_stage_note note; // producer, transform
};

_Static_assert(offsetof(struct mr_stage_slot, counts) == 128, "counts");
_Static_assert(offsetof(struct mr_stage_slot, plugin) == 264, "plugin counters");
_Static_assert(offsetof(struct mr_stage_slot, in_by_schema) == 648, "counts by schema");
_Static_assert(offsetof(struct mr_stage_slot, mark) == 1672, "source mark");
_Static_assert(sizeof(struct mr_stage_slot) == 1736, "slot");
_Static_assert(offsetof(struct mr_stage_layout, gauges) == 40, "gauges");
_Static_assert(offsetof(struct mr_stage_layout, plugin_name) == 1712, "plugin names");
_Static_assert(offsetof(struct mr_stage_layout, slots) == 8112, "slots");
_Static_assert(offsetof(struct mr_stage_layout, hop_ns) == 11584, "hop histogram");

// At byte 4096 of the state segment; the state follows, page-aligned. An entry is the old bytes,
// rounded up to 8, and a trailer: so the log can be walked backwards.
#define MR_UNDO_BYTES (8u << 20)
struct mr_undo_trailer {
    uint32_t offset; // in the state
    uint32_t bytes;
};
struct mr_undo_log {
    uint64_t epoch;    // of the commit that these entries would be part of
    uint64_t used;     // bytes of entries; grows only after an entry is whole
    uint8_t entries[]; // MR_UNDO_BYTES
};

// ---- a stage as its process holds it
struct mr_stage {
    const struct mr_pipeline *pipeline;
    enum mr_role role;
    struct mr_segment segment, state_segment;
    struct mr_stage_layout *shared;
    struct mr_undo_log *undo;
    uint8_t *state;
    struct mr_stage_slot now; // private; becomes the other slot at commit
    // Private copies of what this process alone writes, for others may write it, too: the shared words
    // are stored, and looked at by nobody but others and the next process.
    uint64_t epoch;
    uint64_t undo_epoch, undo_used;
    uint64_t state_bytes;
    enum mr_stage_phase phase;
    struct {
        enum mr_wait_for why;
        uint32_t port, version;
        int64_t since_ns;
        uint64_t since_tick;
    } waits;
    bool described;
    struct mr_ring rings[MR_RING_COUNT]; // those this role uses
    struct mr_reader readers[MR_STAGE_PORTS_MAX];
    struct mr_writer writers[MR_STAGE_OUTPUTS_MAX];
    unsigned reader_count, writer_count;
    struct mr_schema_set in_schemas, out_schemas;
    uint8_t in_schema_index[UINT16_MAX + 1]; // schema id -> index in the set, or MR_SCHEMA_UNKNOWN
    uint8_t out_schema_index[UINT16_MAX + 1];
    uint64_t origin_tick; // of the batch at hand; 0: now
    struct mr_wait wait;
    int64_t upstream_seen_ns; // when it was last looked whether the stage before it lives
    uint64_t beat_tick;
    unsigned plugin_count;
    bool upstream_gone;
    bool drain_waits_said; // a drain was asked for, and waits itself
    enum mr_end end;       // for mr_stage_close, where there is no error
    bool halted; // to stop at once, without draining: leave the batch uncommitted and return
    struct mr_error problem; // why it halted itself; code MR_OK: it was told to
};

#define MR_SCHEMA_UNKNOWN 0xFF

// Ports, by role. producer: out 0 ingress, 1 dead. transform: in 0 ingress and 1 to 3 those of further producers,
// out 0 egress, 1 dead. loader: in 0 egress, 1 dead-producer, 2 dead-transform, 3 to 5 of further producers.
enum { MR_PORT_MAIN = 0, MR_PORT_DEAD = 1, MR_PORT_DEAD_2 = 2, MR_PORT_DEAD_3 = 3 };
#define MR_STAGE_INPUTS_MAX (MR_PRODUCERS_MAX + 2)

// Attaches or makes the segments of this role's rings and its own, takes the stage's lock
// (MR_ERR_BUSY where another process holds it), and recovers where the last process left off.
// `state_bytes` is reserved for the state; a state of another size means another pipeline:
// MR_ERR_SHM.
int mr_stage_open(struct mr_stage *stage, const struct mr_pipeline *pipeline, enum mr_role role,
                  struct mr_error *err);
int mr_stage_reserve_state(struct mr_stage *stage, uint64_t state_bytes, struct mr_error *err);
// Waits until the writers of the inputs have described their rings (of the loader: of input 0), then in_schemas
// stand, those of all together. They are empty where a stop was asked for, or the stages before ended without
// describing theirs: nothing will come. MR_ERR_CONFIG where two have different schemas of one number or name.
int mr_stage_await_schemas(struct mr_stage *stage, struct mr_error *err);
// Waits until the stages behind this one have opened all they need (or a stop was asked for).
void mr_stage_await_downstream(struct mr_stage *stage);
// Describes output 0 with out_schemas (and the dead ring with the dead letter's schema).
int mr_stage_describe(struct mr_stage *stage, struct mr_error *err);
void mr_stage_set_phase(struct mr_stage *stage, enum mr_stage_phase phase);
// Names one plugin counter; the index is its place in now.plugin.
unsigned mr_stage_add_counter(struct mr_stage *stage, const char *plugin, const char *name);

// ---- within a batch
// Room for one record of `length` bytes on output `port`, all but its first 8, which the ring writes
// (ringbuf/writer.h); waits for the reader where the ring is
// full (policy block). NULL: the record is to be dropped and counted so (policy drop_newest), or
// the stage was told to halt at once (stage->halted), or the record is longer than the ring
// takes (length above mr_claim_bytes_max: check before).
struct mr_record *mr_stage_claim_slow(struct mr_stage *stage, unsigned port, uint32_t length);
static inline struct mr_record *mr_stage_claim(struct mr_stage *stage, unsigned port,
                                               uint32_t length)
{
    struct mr_record *record = mr_claim(&stage->writers[port], length);
    return MR_LIKELY(record != NULL) ? record : mr_stage_claim_slow(stage, port, length);
}
// `count` records of one schema were written to port 0.
static inline void mr_stage_count_emitted(struct mr_stage *stage, uint16_t schema_id,
                                          uint64_t count)
{
    uint8_t index = stage->out_schema_index[schema_id];
    stage->now.counts[MR_COUNT_EMITTED] += count;
    if (MR_LIKELY(index < MR_SCHEMAS_MAX))
        stage->now.out_by_schema[index] += count;
}
// Ends the claim. On port 0 counts one `emitted`, and by schema.
static inline void mr_stage_emit(struct mr_stage *stage, unsigned port)
{
    struct mr_writer *writer = &stage->writers[port];
    if (port == MR_PORT_MAIN)
        mr_stage_count_emitted(stage, mr_claimed(writer)->schema_id, 1);
    mr_commit(writer);
}
// Writes the raw bytes with reason and sentence as a dead letter, counts `rejected`. Raw bytes
// beyond what a record takes are cut (the letter carries the original length).
void mr_stage_reject(struct mr_stage *stage, enum mr_reason reason, uint64_t source_sequence,
                     int64_t event_time_ns, const void *raw, size_t raw_bytes, const char *format,
                     ...) MR_PRINTF(7, 8);
// Call before modifying `bytes` of the state at `at`: the old bytes go to the undo log. Most entries are a
// few words long: a copy of constant length is shorter than a call. Where the compiler knows the length, that is
// it: reading on could wait for a line of memory that nobody asked for. Else what it reads too much is state, and
// what it writes too much is behind the entry. The first touch of an epoch, and long entries, go slowly.
#define MR_UNDO_SHORT_BYTES 32
void mr_stage_touch_slow(struct mr_stage *stage, void *at, uint32_t bytes);
static inline void mr_stage_touch(struct mr_stage *stage, void *at, uint32_t bytes)
{
    struct mr_undo_log *undo = stage->undo;
    uint64_t offset = (uint64_t)((uint8_t *)at - stage->state), used = stage->undo_used;
    if (MR_UNLIKELY(bytes > MR_UNDO_SHORT_BYTES || stage->undo_epoch != stage->epoch + 1 ||
                    offset + MR_UNDO_SHORT_BYTES > stage->state_bytes ||
                    used > MR_UNDO_BYTES - MR_UNDO_SHORT_BYTES - sizeof(struct mr_undo_trailer))) {
        mr_stage_touch_slow(stage, at, bytes);
        return;
    }
    bool known = __builtin_constant_p(bytes) && bytes <= MR_UNDO_SHORT_BYTES;
    __builtin_memcpy(undo->entries + used, at, known ? mr_align_up(bytes, 8) : MR_UNDO_SHORT_BYTES);
    struct mr_undo_trailer trailer = {(uint32_t)offset, bytes};
    uint64_t end = used + mr_align_up(bytes, 8) + sizeof trailer;
    __builtin_memcpy(undo->entries + end - sizeof trailer, &trailer, sizeof trailer);
    stage->undo_used = end;
    // A process that dies keeps its stores in program order: the entry is whole before it counts,
    // and it counts before the caller's modification.
    mr_store_release_u64(&undo->used, end);
    mr_fence_release();
}
// True when the batch should be committed before more input is taken (a quarter of an output, or half
// of the undo log, is full).
static inline bool mr_stage_should_commit(const struct mr_stage *stage)
{
    if (MR_UNLIKELY(stage->undo_used > MR_UNDO_BYTES / 2 && stage->undo_epoch == stage->epoch + 1))
        return true;
    bool full = false;
    for (unsigned i = 0; i < MR_STAGE_OUTPUTS_MAX; i++) { // what is not in use holds nothing
        const struct mr_writer *writer = &stage->writers[i];
        full |= writer->position - writer->published > mr_claim_bytes_max(writer);
    }
    return full;
}
// The commit, and the publishing of all cursors.
void mr_stage_commit(struct mr_stage *stage);
// Waits for input on the readers (or just `timeout_ns` where there are none), beats the heart.
void mr_stage_wait(struct mr_stage *stage, enum mr_wait_for why, int64_t timeout_ns);
// For records in one of several inputs.
void mr_stage_wait_for(struct mr_stage *stage, unsigned port, int64_t timeout_ns);
// The same for input that comes from a descriptor: until it is readable.
void mr_stage_wait_readable(struct mr_stage *stage, int fd, int64_t timeout_ns);
// A drain was asked for: by signal or through the page.
bool mr_stage_is_stopping(const struct mr_stage *stage);
// It is to stop at once: for who waits within a batch, and so does not turn its loop.
bool mr_stage_is_halted(struct mr_stage *stage);
// Beats the heart; call at least every 50 ms while working. With some beats it is looked whether the shared
// words are what they can be; where they are not, the stage halts itself (problem, MR_ERR_CORRUPT).
void mr_stage_beat(struct mr_stage *stage);
// Closes the outputs, phase DONE (code MR_OK) or FAILED with the text; detaches everything. Returns
// the code that the process is to exit with: a stage that was halted has not done its work, whatever
// `code` says (MR_ERR_STAGE where it was told to), its outputs stay open, and its log line is written. They
// stay open, too, where another try may succeed (mr_code_may_pass): the stream has not ended there.
int mr_stage_close(struct mr_stage *stage, int code, const struct mr_error *err);

// ---- for those who look
// Attaches a stage's page, whether its process lives or not; *page is as long as its layout. MR_ERR_SHM.
// mr_segment_detach(segment) gives it back; mr_segment_is_locked(segment) says whether the process
// lives, also where the page could not be attached.
int mr_stage_attach_page(const struct mr_pipeline *pipeline, enum mr_role role, enum mr_attach mode,
                         struct mr_segment *segment, struct mr_stage_layout **page,
                         struct mr_error *err);
// A copy of the gauges in which the waits agree with each other and every text ends.
void mr_stage_copy_gauges(const struct mr_stage_layout *shared, struct mr_stage_gauges *out);
// How the stage's stream ended; MR_END_NOT where there is no page, or what stands there is no end.
enum mr_end mr_stage_end_of(const struct mr_pipeline *pipeline, enum mr_role role);
// How those of all producers did, as one: failed or stopped where one of them was.
enum mr_end mr_stage_end_of_producers(const struct mr_pipeline *pipeline);
// A consistent copy of the committed slot. False: the epoch never stood still; what was copied last is
// there all the same.
bool mr_stage_snapshot(const struct mr_stage_layout *shared, struct mr_stage_slot *out);

// ---- the run directory
// What an earlier run of this pipeline has left in its directory.
enum mr_leftovers {
    MR_LEFTOVERS_NONE,
    MR_LEFTOVERS_SPENT,      // all done, or nothing was accepted: removed by the next run
    MR_LEFTOVERS_EMPTY,      // the input ended without a record: others may still hear of that
    MR_LEFTOVERS_UNFINISHED, // something is in flight: the next run goes on with it
    // Of several sources: ended before they did, by request or because one failed. Where each of them was, and in which
    // order they were taken, stands here alone: the next run goes on with it.
    MR_LEFTOVERS_STOPPED,
    MR_LEFTOVERS_ALIVE, // a stage is running
};
enum mr_leftovers mr_stage_leftovers(const struct mr_pipeline *pipeline);
// Where the stream was cut because sources were stopped or failed, and all stages go on now: their ends, and those of the
// stages behind them, are none. Only where no stage is alive, and with setup.lock held.
void mr_stage_undo_stops(const struct mr_pipeline *pipeline);
// Removes rings, stage and state segments. Only where no stage is alive, and with setup.lock held where
// one could come (mr_rundir_clear does both).
int mr_stage_remove_segments(const struct mr_pipeline *pipeline, struct mr_error *err);
// <shm>/millrace-<uid>/<name>, both 0700.
int mr_stage_make_run_directory(const struct mr_pipeline *pipeline, struct mr_error *err);

#endif
