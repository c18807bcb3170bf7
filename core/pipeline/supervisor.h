// SPDX-License-Identifier: Apache-2.0
// Runs the stages, a process each, and watches them; it never touches a record. Each stage is this
// same program, started as `millrace produce|transform|load FILE --set ...`: whatever a person can
// start by hand, the supervisor starts in the same way.
//
//     struct mr_supervisor supervisor;
//     code = mr_supervisor_open(&supervisor, pipeline, &options, &err);   // lock, leftovers, signals
//     if (code == MR_OK) {
//         code = mr_supervisor_run(&supervisor, &err);   // until all have ended
//         ... read the report, save it ...
//         mr_supervisor_close(&supervisor, code);        // what is spent is removed
//     }
//
// Stopping. The first SIGINT, SIGTERM or SIGHUP (not under nohup) asks the producers to drain; the others end when
// their input ends, and the files are complete. The second one halts all at once: what is in
// the rings stays there and the next run goes on with it.
//
// A stage that dies is started again (core/pipeline/restart.h), goes on where its last commit stands, and nobody sees
// more of it than a moment's wait. A stage that lives but shows no sign of life is spoken of in the log, and waited
// for (core/pipeline/stall.h).
//
// A stage that ends with an error that will not pass, or that died too often: the others end in order
// (core/pipeline/containment.h). So nothing accepted is lost, and nothing is finished that is not finished: the next
// run resumes exactly there. The exception is a source whose input is cut or damaged: what came before it is taken in
// and finished, and the next run begins anew.
//
// The stages do not die with their supervisor. The next run of the same pipeline adopts those that live
// (core/pipeline/child.h), starts those that died, leaves alone those that have ended well, and ends as the first
// would have. Where all had ended meanwhile it only says so, with the same report and exit code.
#ifndef MR_CORE_PIPELINE_SUPERVISOR_H
#define MR_CORE_PIPELINE_SUPERVISOR_H

#include "core/pipeline/child.h"
#include "core/pipeline/rundir.h"

struct mr_supervisor_options {
    const char *file;        // the pipeline file, as the stages are to open it
    const char *const *sets; // and its overrides
    unsigned set_count;
    const char *program;         // NULL: this one
    int stages_stderr;           // where the stages' log lines go; -1: where ours go
    int64_t tick_ns;             // how often tick is called while the stages run; 0: never
    void (*tick)(void *context); // progress
    void *context;
};

struct mr_supervisor {
    const struct mr_pipeline *pipeline;
    struct mr_supervisor_options options;
    struct mr_child children[MR_ROLE_COUNT];
    int lock_fd, signal_fd;
    sigset_t signals_before;
    unsigned signals_seen;
    bool resumed;           // an earlier run left something unfinished
    uint64_t resumed_bytes; // in its rings, waiting
    // The supervisor of an earlier run was killed, and
    struct mr_rundir_before
        before;      // this is what it left: concluded, its report stands in the run's directory
    bool takes_over; // its stages live, or have ended all by themselves
    bool ran;
    bool ready; // all were seen at work
    bool
        end_damaged; // that of a stage which has ended (core/pipeline/containment.h): the others are halted
};

// Takes the run's lock, makes its directory, removes what is spent of earlier runs, adopts what lives. MR_ERR_BUSY
// names the pid of the run that is there already. Blocks the signals it handles: call it
// before threads are made.
int mr_supervisor_open(struct mr_supervisor *supervisor, const struct mr_pipeline *pipeline,
                       const struct mr_supervisor_options *options, struct mr_error *err);
// MR_OK where all drained; else the code and text of the stage that failed first,
// MR_ERR_STAGE where one was killed or the run was halted.
int mr_supervisor_run(struct mr_supervisor *supervisor, struct mr_error *err);
// `code`: what the run exits with. Where it was not run after all, what an earlier supervisor left stays as it is.
void mr_supervisor_close(struct mr_supervisor *supervisor, int code);

#endif
