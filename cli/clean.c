// SPDX-License-Identifier: Apache-2.0
// `millrace clean`: gives back the shared memory of runs that no process works on any more.
#include "cli/cli.h"
#include "cli/runs.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/pipeline/report.h"
#include "core/pipeline/session.h"

static void remove_directory(const struct mr_pipeline *run)
{
    char path[MR_RUNDIR_PATH_BYTES];
    DIR *directory = opendir(run->directory);
    if (!directory)
        return;
    for (struct dirent *entry; (entry = readdir(directory));) {
        mr_rundir_path(run, entry->d_name, path, sizeof path);
        if (entry->d_type == DT_REG || entry->d_type == DT_LNK)
            unlink(path);
    }
    closedir(directory);
    rmdir(run->directory);
}

// While its lock is ours no run can begin in the directory. No pid stands in it: what one of us that dies leaves is no run
// whose end somebody has not heard of.
static int remove_run(const struct mr_pipeline *run)
{
    struct mr_error err;
    int lock_fd;
    struct mr_rundir_before before;
    int code = mr_rundir_lock(run, &lock_fd, &before, &err);
    if (code != MR_OK)
        return mr_cli_fail("clean", &err);
    mr_rundir_disown(lock_fd);
    code = mr_rundir_clear(run, &err);
    if (code == MR_OK)
        remove_directory(run);
    mr_rundir_unlock(lock_fd, code == MR_OK ? NULL : &before);
    return code == MR_OK ? MR_OK : mr_cli_fail("clean", &err);
}

static void print_fate(const struct mr_pipeline *run, const struct mr_rundir_contents *contents,
                       const char *fate)
{
    char bytes[32];
    printf("%-20s %16s bytes in %u segments: %s\n", run->name,
           mr_report_count_text(contents->total_bytes, bytes, sizeof bytes),
           contents->segment_count, fate);
}

// Unfinished runs hold records that were accepted: only whoever names one can mean to give it up.
static int clean_run(const struct mr_pipeline *run, bool named, bool dry_run)
{
    struct mr_rundir_contents contents;
    char fate[160], waiting[32];
    mr_rundir_look(run, &contents);
    if (mr_run_is_running(run)) {
        print_fate(run, &contents, "running, left alone");
        return named ? MR_ERR_BUSY : MR_OK;
    }
    enum mr_leftovers left = mr_stage_leftovers(run);
    bool unfinished = left == MR_LEFTOVERS_UNFINISHED || left == MR_LEFTOVERS_STOPPED;
    mr_report_count_text(contents.waiting_bytes, waiting, sizeof waiting);
    if (unfinished && !named) {
        snprintf(fate, sizeof fate,
                 "unfinished, %s bytes wait; kept: run it again, or `millrace clean %s`", waiting,
                 run->name);
        print_fate(run, &contents, fate);
        return MR_OK;
    }
    snprintf(fate, sizeof fate, "%s%s", dry_run ? "would be removed" : "removed",
             unfinished ? ", unfinished" : "");
    int code = dry_run ? MR_OK : remove_run(run);
    if (code == MR_OK)
        print_fate(run, &contents, fate);
    return code;
}

static int clean_all(const char *shm, bool dry_run)
{
    int code = MR_OK;
    struct mr_runs *runs = calloc(1, sizeof *runs);
    if (!runs)
        abort();
    mr_runs_list(runs, shm, false);
    if (runs->count == 0)
        printf("nothing to clean\n");
    for (unsigned i = 0; i < runs->count; i++) {
        int this_code = clean_run(&runs->items[i], false, dry_run);
        code = code == MR_OK ? this_code : code;
    }
    free(runs);
    return code;
}

// The journal of the run's session, as far as that is known.
static bool find_journal(const struct mr_pipeline *run, const char *word,
                         const struct mr_arg_list *sets, char *journal, size_t journal_bytes)
{
    struct mr_pipeline pipeline;
    if (!mr_runs_word_is_file(word))
        return mr_session_follow_link(run, journal, journal_bytes);
    if (mr_cli_load_pipeline(&pipeline, word, sets) != MR_OK)
        return false;
    bool found = mr_session_directory(&pipeline, journal, journal_bytes);
    mr_pipeline_free(&pipeline);
    return found;
}

// What a run that was cut off or stopped left beside its journal. *found: there is something.
static int clean_session(const struct mr_pipeline *run, const char *journal, bool dry_run,
                         bool *found)
{
    struct mr_error err;
    struct mr_session session;
    if (mr_run_is_running(run))
        return MR_OK; // clean_run says so
    int code = dry_run ? mr_session_read(journal, &session, found, &err)
                       : mr_session_give_up(journal, found, &err);
    if (code != MR_OK)
        return mr_cli_fail("clean", &err);
    if (*found)
        printf("%-20s session in %s: %s; what is written stays\n", run->name, journal,
               dry_run ? "would be given up" : "given up");
    return MR_OK;
}

static int clean_named(const struct mr_pipeline *run, const char *word,
                       const struct mr_arg_list *sets, bool dry_run)
{
    char journal[MR_RUNDIR_PATH_BYTES];
    bool found = false;
    int code = find_journal(run, word, sets, journal, sizeof journal)
                   ? clean_session(run, journal, dry_run, &found)
                   : MR_OK;
    if (access(run->directory, F_OK) == 0)
        return code == MR_OK ? clean_run(run, true, dry_run) : code;
    if (!found && code == MR_OK) {
        fprintf(stderr, "millrace clean: no run of \"%s\" in %s\n", run->name, run->directory);
        return MR_ERR_USAGE;
    }
    return code;
}

int mr_cli_clean(int argc, char **argv)
{
    struct mr_arg_list sets = {0}, words;
    const char *shm = NULL;
    bool dry_run = false;
    const struct mr_arg table[] = {
        {"dry-run", NULL, "only say what would be removed", MR_ARG_SWITCH, &dry_run},
        MR_ARG_SETS(&sets),
        MR_ARG_SHM(&shm),
        {0}};
    const struct mr_usage usage = {
        .command = "clean",
        .words = "[NAME|PIPELINE]",
        .about = "Removes what runs left in shared memory of which no process is alive, and says "
                 "how many bytes that was. A run that is to be gone on with (it holds accepted "
                 "records, or the places of sources that were stopped) is removed only if it is "
                 "named. Named by its pipeline file, a run that a power cut ended is given up, "
                 "too: the next one begins anew.",
        .args = table,
        .words_max = 1};
    struct mr_pipeline run;
    int code;
    if (!mr_args_parse(&usage, argc, argv, &words, &code))
        return code;
    mr_clock_setup();
    if (words.count == 0)
        return clean_all(shm, dry_run);
    code = mr_runs_find(&run, "clean", shm, words.items[0], &sets);
    return code == MR_OK ? clean_named(&run, words.items[0], &sets, dry_run) : code;
}
