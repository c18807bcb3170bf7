// SPDX-License-Identifier: Apache-2.0
#include "cli/runs.h"

#include <dirent.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/cli.h"
#include "core/pipeline/stage.h"

static const char *shm_root(const char *shm)
{
    const char *from_environment = getenv("MILLRACE_SHM");
    if (shm)
        return shm;
    return from_environment && *from_environment ? from_environment : "/dev/shm";
}

static unsigned owner_uid;
static bool owner_given;

static unsigned owner(void)
{
    return owner_given ? owner_uid : (unsigned)getuid();
}

int mr_runs_of_user(const char *command, const char *user)
{
    char *end;
    if (!user)
        return MR_OK;
    const struct passwd *entry = getpwnam(user);
    unsigned long uid = entry ? entry->pw_uid : strtoul(user, &end, 10);
    if (!entry && (*user == '\0' || *end != '\0' || uid > UINT32_MAX)) {
        fprintf(stderr, "millrace %s: --user: there is no user \"%s\"\n", command, user);
        return MR_ERR_USAGE;
    }
    owner_uid = (unsigned)uid;
    owner_given = true;
    return MR_OK;
}

bool mr_run_is_running(const struct mr_pipeline *run)
{
    return mr_stage_leftovers(run) == MR_LEFTOVERS_ALIVE || mr_rundir_supervisor(run) != 0;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct mr_pipeline *)a)->name, ((const struct mr_pipeline *)b)->name);
}

void mr_runs_list(struct mr_runs *runs, const char *shm, bool running_only)
{
    char path[MR_RUNDIR_PATH_BYTES];
    struct stat status;
    runs->count = 0;
    snprintf(path, sizeof path, "%s/millrace-%u", shm_root(shm), owner());
    DIR *directory = opendir(path);
    if (!directory)
        return;
    for (struct dirent *entry; (entry = readdir(directory)) && runs->count < MR_RUNS_MAX;) {
        struct mr_pipeline *run = &runs->items[runs->count];
        if (entry->d_name[0] == '.' || strlen(entry->d_name) >= MR_NAME_BYTES)
            continue;
        mr_rundir_name(run, shm_root(shm), owner(), entry->d_name);
        if (lstat(run->directory, &status) == 0 && S_ISDIR(status.st_mode) &&
            mr_rundir_check_owner(run, owner(), NULL) == MR_OK &&
            (!running_only || mr_run_is_running(run)))
            runs->count++;
    }
    closedir(directory);
    qsort(runs->items, runs->count, sizeof runs->items[0], by_name);
}

// A name has neither slash nor suffix: what looks like a file is one, whatever lies around here.
bool mr_runs_word_is_file(const char *word)
{
    const char *dot = strrchr(word, '.');
    return strchr(word, '/') || (dot && (strcmp(dot, ".yaml") == 0 || strcmp(dot, ".yml") == 0));
}

int mr_runs_find(struct mr_pipeline *run, const char *command, const char *shm, const char *word,
                 const struct mr_arg_list *sets)
{
    struct mr_pipeline pipeline;
    if (!mr_runs_word_is_file(word)) {
        if (strlen(word) >= MR_NAME_BYTES || word[0] == '.' || word[0] == '\0') {
            fprintf(stderr, "millrace %s: \"%s\" is no name of a pipeline\n", command, word);
            return MR_ERR_USAGE;
        }
        struct mr_error err;
        mr_rundir_name(run, shm_root(shm), owner(), word);
        return mr_rundir_check_owner(run, owner(), &err) == MR_OK ? MR_OK
                                                                  : mr_cli_fail(command, &err);
    }
    int code = mr_cli_load_pipeline(&pipeline, word, sets);
    if (code != MR_OK)
        return code;
    *run = (struct mr_pipeline){0};
    memcpy(run->name, pipeline.name, sizeof run->name);
    memcpy(run->directory, pipeline.directory, sizeof run->directory);
    mr_pipeline_free(&pipeline);
    return MR_OK;
}

int mr_runs_one(struct mr_pipeline *run, const char *command, const char *shm, const char *word,
                const struct mr_arg_list *sets)
{
    if (word)
        return mr_runs_find(run, command, shm, word, sets);
    struct mr_runs *runs = calloc(1, sizeof *runs);
    if (!runs)
        abort();
    mr_runs_list(runs, shm, true);
    unsigned count = runs->count;
    if (count == 1)
        *run = runs->items[0];
    else if (count == 0)
        fprintf(stderr, "millrace %s: no pipeline is running in %s; name one that has run\n",
                command, shm_root(shm));
    else
        fprintf(stderr, "millrace %s: %u pipelines are running (%s, %s ...); name one\n", command,
                count, runs->items[0].name, runs->items[1].name);
    free(runs);
    return count == 1 ? MR_OK : MR_ERR_USAGE;
}

char *mr_run_read(const struct mr_pipeline *run, const char *file)
{
    char path[MR_RUNDIR_PATH_BYTES];
    char *text = NULL;
    size_t room = 0;
    mr_rundir_path(run, file, path, sizeof path);
    FILE *in = fopen(path, "re");
    if (!in)
        return NULL;
    ssize_t length = getdelim(&text, &room, '\0', in);
    fclose(in);
    if (length >= 0)
        return text;
    free(text);
    return NULL;
}
