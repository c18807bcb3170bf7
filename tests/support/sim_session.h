// SPDX-License-Identifier: Apache-2.0
// A journal and its session's file on a simulated disk, from the first record to the last, over many lives of the
// loader: a source that makes records into a ring, the real journal sink, real checkpoints, ends of all kinds, the
// real recovery with the real decision how to go on, and after each of them the question what is there. All of it
// follows from one seed.
//
//     struct sim_session *session = sim_session_new();
//     sim_session_run(session, seed, &plan, false);
//     if (session->failure[0]) ... what was lost, repeated, refused, or let pass
//
// The ring is memory and a cursor here. What is under test is what stands between ring and disk:
// consumers/loader/journal*.c, segment_files.c, checkpoint.c, io.c, core/journal*.c, core/pipeline/session*.c.
//
// What is asked for:
//   acknowledged (durable_pos, by durability): there after every end that durability names
//   written: read back byte by byte as it was made; each record once, none missing between
//   recovery: never refuses what an end of these kinds leaves, goes on where the journal ends
//   an error: names the file and the cause; a sync that failed is not repeated
//   a journal that is replaced: never records of both in one that can be read through; the next run takes it up
//   a byte changed before the durable mark: refused
//   the session's file (core/pipeline/session.h): what it was or what it was to become, whole, after every end; what
//   the next run makes of it: the stream again from its beginning or from a checkpoint that is durable, behind it,
//   anew, or refused, as source and settings ask for
// Durability none promises nothing for a power cut: what can be read then must still be right.
#ifndef MR_TESTS_SUPPORT_SIM_SESSION_H
#define MR_TESTS_SUPPORT_SIM_SESSION_H

#include "consumers/loader/checkpoint.h"
#include "consumers/loader/journal_sink.h"
#include "ringbuf/ring.h"
#include "tests/support/sim_disk.h"

#define SIM_STREAM_BYTES_MAX (512u << 10)
#define SIM_ENTRIES_MAX 8192
#define SIM_RING_BYTES_MAX (16u << 10)
#define SIM_JOURNAL_PATH "/feed/journal"

// What one seed does, as far as the seed does not choose it.
struct sim_plan {
    unsigned lives; // at most
    bool ends;      // processes die and power goes, at any operation
    bool
        cuts_after_error; // power goes when the loader has stopped with an error, half of the times
    bool one_way;     // durability record, one record a turn: as many writes and syncs as can be
    unsigned records; // to be made; 0: a few laps of the ring
    const struct mr_io_backend *backend; // NULL: sim_io_backend
    struct sim_faults faults;            // from the first open to the last but one life
};

struct sim_entry { // a record, or padding
    uint64_t begin_pos, end_pos;
    bool padding;
};

#define SIM_KEPT_MAX 8
struct sim_kept { // what may stand in the session's file
    bool there;
    struct mr_session session;
};

struct sim_made { // all that was made: its bytes by position, and what they are
    uint8_t *stream;
    struct sim_entry *entries;
    unsigned entry_count;
};

struct sim_session {
    struct sim_disk *disk;
    const struct sim_plan *plan;
    uint64_t random;
    struct mr_schema_set schemas;

    // The source and what it made. The stream holds nothing between a journal's end and where the
    // next ring begins.
    uint8_t *stream; // by position
    struct sim_entry *entries;
    unsigned entry_count, published_entry;
    uint32_t next_id;       // of the next record
    uint32_t generation;    // of the stream: records of another one are others
    struct sim_made before; // what the journal held that is being replaced
    bool replacing;         // and no loader has come through its opening yet
    uint32_t records_goal;

    // The ring.
    struct mr_segment_header *segment;
    uint8_t *ring_bytes;
    struct mr_ring ring;
    uint64_t published_pos;
    uint64_t made_pos; // nothing was ever made at or beyond it

    // The loader.
    struct mr_io io;
    struct mr_journal_options options;
    struct mr_sink_run run;
    struct mr_error err;
    struct mr_stage *stage; // as much of one as a sink touches
    uint8_t committed_state[MR_SINK_STATE_BYTES];
    enum mr_resume resume;  // how this ring's time began
    uint64_t session_pos;   // where it would begin if it were made again
    uint64_t behind_pos;    // what stood before the session ends there
    bool opened;            // once, in this ring's time, with everything committed
    uint64_t start_pos;     // of this ring
    uint64_t committed_pos; // acknowledged: the ring's writer may go on so far
    uint64_t kept_pos;      // survives the process
    uint64_t safe_pos;      // survives a power cut
    bool unsafe;            // some of it was written by a loader that never syncs
    bool
        cut_off; // a power cut or a device error has met that, and no loader has come through its opening since
    bool never_synced_lost; // some of what no loader ever synced met a failing sync
    // What stands between may be missing, from a place on: nobody had called it written when a sync failed over it.
    uint64_t doubtful_pos, doubtful_end_pos;
    unsigned accepted_entry; // the next to be handed over
    unsigned settled_entry;  // the next to be acknowledged
    uint64_t counted_pos;    // records before it were counted as acknowledged
    bool faults_now;

    // The session's file.
    struct mr_pipeline pipelines[3]; // by durability
    uint64_t settings;               // no two runs of other options have the same
    enum mr_again again;
    struct mr_session file; // as the loader has it
    struct sim_kept
        kept[SIM_KEPT_MAX]; // what may stand there; more than one where a change did not end
    unsigned kept_count;
    struct mr_checkpoint checkpoint;
    struct mr_stage *transform; // as much of one as leaves notes
    bool stops;                 // the source is stopped before its input has ended, in this life
    bool stopped;               // and the loader has come to its end

    // What came of it.
    uint64_t process_deaths, power_cuts, errors;
    uint64_t refused; // journals given up: of durability none, after a power cut or a failed sync
    uint64_t acknowledged; // records
    uint64_t checkpoints, agains, behinds,
        others;         // others: runs of other settings that were refused
    char failure[1400]; // "": none
};

struct sim_session *sim_session_new(void);
void sim_session_free(struct sim_session *session);
// One seed. True: nothing failed.
bool sim_session_run(struct sim_session *session, uint64_t seed, const struct sim_plan *plan,
                     bool trace);

// ---- parts
void sim_session_fail(struct sim_session *session, const char *format, ...) MR_PRINTF(2, 3);
// Makes up to `count` records, as far as the ring has room.
void sim_source_make(struct sim_session *session, unsigned count);
// All that there will be is made and published.
bool sim_source_is_dry(const struct sim_session *session);
// What stands behind `position` was never made.
void sim_source_forget(struct sim_session *session, uint64_t position);
// A new ring. What was made before and stands at or behind start_pos is made again in it, first.
void sim_source_new_ring(struct sim_session *session, uint64_t capacity, uint64_t start_pos);
// One life of the loader: from its opening to its end, whichever that is. MR_OK: it has finished.
int sim_loader_live(struct sim_session *session);
// What the session's file says, and what the next run is to do. False: nothing more can be done with this seed.
// `made_again_pos`: where the new ring begins, of MR_RESUME_AGAIN.
bool sim_file_plan(struct sim_session *session, enum mr_resume *resume, uint64_t *made_again_pos,
                   bool weak);
// `millrace clean`: the session is given up. False: the process has died over it.
bool sim_file_give_up(struct sim_session *session);
// What the loader does with it: when it opens, before it writes the stream, each turn, when it has ended.
int sim_file_open(struct sim_session *session);
int sim_file_begin(void *session, struct mr_error *err);
int sim_file_open_checkpoint(struct sim_session *session);
int sim_file_turn(struct sim_session *session);
int sim_file_end(struct sim_session *session);
// After a whole run there is none.
void sim_file_check_gone(struct sim_session *session);
void sim_file_set_up(struct sim_session *session);
void sim_file_tear_down(struct sim_session *session);

// Where the ring is gone, all that a new run does before its loader opens. True: it goes on.
bool sim_restart(struct sim_session *session);
void sim_session_choose_options(struct sim_session *session);
void sim_session_set_faults(struct sim_session *session, bool wanted);
// Reads the whole journal; false where it is not as it should be. `weak`: it may end anywhere, and be
// damaged; what can be read must be right.
bool sim_check_journal(struct sim_session *session, bool weak);
// While a journal is replaced: it is the one or the other, or less, and never both. Each record that can be read is
// of one of the two, and all of them of the same.
void sim_check_either(struct sim_session *session);
// Damages a durable byte and looks whether that is found.
void sim_check_damage(struct sim_session *session);

#endif
