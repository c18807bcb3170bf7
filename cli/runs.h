// SPDX-License-Identifier: Apache-2.0
// Finding runs by name. Every run of this user has a directory below <shm>/millrace-<uid>/; a
// command that looks at runs takes a name, a pipeline file, or nothing for all that are running.
#ifndef MR_CLI_RUNS_H
#define MR_CLI_RUNS_H

#include "cli/args.h"
#include "core/pipeline/rundir.h"

#define MR_RUNS_MAX 256

struct mr_runs {
    struct mr_pipeline items[MR_RUNS_MAX]; // of each only name and directory are known
    unsigned count;
};

// Where runs are looked for: --shm, else $MILLRACE_SHM, else /dev/shm.
#define MR_ARG_SHM(text)                                                                           \
    {                                                                                              \
        "shm", "DIRECTORY", "where the run directories are, default $MILLRACE_SHM or /dev/shm",    \
            MR_ARG_TEXT, (text)                                                                    \
    }

// Whose runs are looked at: those of this user, or with --user of another one, who has to share them.
#define MR_ARG_USER(text)                                                                          \
    {                                                                                              \
        "user", "NAME|UID",                                                                        \
            "look at the runs of another user, who shares them (share: in the file)", MR_ARG_TEXT, \
            (text)                                                                                 \
    }
// `user` NULL: this one. For all that follow. An error was printed; returns its code.
int mr_runs_of_user(const char *command, const char *user);

// All run directories, sorted by name. `running_only`: those of which a stage or a supervisor is
// alive.
void mr_runs_list(struct mr_runs *runs, const char *shm, bool running_only);
// Whether a word names a pipeline file, and not a run.
bool mr_runs_word_is_file(const char *word);
// One run, by its name or its pipeline file (a word with a slash or ending in .yaml or .yml). Whether
// anything is there is not looked at. An error was printed; returns its code.
int mr_runs_find(struct mr_pipeline *run, const char *command, const char *shm, const char *word,
                 const struct mr_arg_list *sets);
// The word's run, or without a word (NULL) the only one that is running.
int mr_runs_one(struct mr_pipeline *run, const char *command, const char *shm, const char *word,
                const struct mr_arg_list *sets);
bool mr_run_is_running(const struct mr_pipeline *run);
// The whole text of <directory>/<file>, malloc'ed; NULL where it is not there.
char *mr_run_read(const struct mr_pipeline *run, const char *file);

#endif
