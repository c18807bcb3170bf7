// SPDX-License-Identifier: Apache-2.0
// `millrace stat`: the status of running pipelines, or the last status of one that has ended.
#include "cli/cli.h"
#include "cli/runs.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/clock.h"
#include "core/pipeline/report.h"

static void print_report(const struct mr_report *report, bool as_json)
{
    struct mr_json json;
    if (!as_json) {
        mr_report_text(report, stdout);
        return;
    }
    mr_json_init(&json, 2);
    mr_report_json(report, &json);
    fputs(mr_json_finish(&json), stdout);
    mr_json_free(&json);
}

// Of a run whose segments are gone the final status is kept.
static int print_last(const struct mr_pipeline *run, bool as_json)
{
    char *text = mr_run_read(run, as_json ? MR_LAST_JSON : MR_LAST_TEXT);
    if (!text) {
        fprintf(stderr, "millrace stat: no run of \"%s\" in %s\n", run->name, run->directory);
        return MR_ERR_USAGE;
    }
    fputs(text, stdout);
    free(text);
    return MR_OK;
}

static int print_run(const struct mr_pipeline *run, bool as_json)
{
    struct mr_report *report = mr_report_new();
    int code = mr_report_read(report, run, NULL);
    if (code == MR_OK)
        print_report(report, as_json);
    mr_report_free(report);
    return code == MR_OK ? MR_OK : print_last(run, as_json);
}

static int print_running(const char *shm, bool as_json)
{
    struct mr_runs *runs = calloc(1, sizeof *runs);
    if (!runs)
        abort();
    mr_runs_list(runs, shm, true);
    if (runs->count == 0)
        fprintf(stderr, "millrace stat: no pipeline is running\n");
    for (unsigned i = 0; i < runs->count; i++) {
        if (i > 0 && !as_json)
            putchar('\n');
        print_run(&runs->items[i], as_json);
    }
    free(runs);
    return MR_OK;
}

int mr_cli_stat(int argc, char **argv)
{
    struct mr_arg_list sets = {0}, words;
    const char *shm = NULL, *user = NULL;
    bool json = false;
    const struct mr_arg table[] = {
        {"json", NULL, "print JSON, one object per pipeline", MR_ARG_SWITCH, &json},
        MR_ARG_SETS(&sets),
        MR_ARG_SHM(&shm),
        MR_ARG_USER(&user),
        {0}};
    const struct mr_usage usage = {
        .command = "stat",
        .words = "[NAME|PIPELINE]",
        .about = "Prints what a pipeline's stages have counted, how full its rings are, who waits "
                 "for whom and how long records take. Without a name: of every pipeline that is "
                 "running. Of one that has ended, its final status.",
        .args = table,
        .words_max = 1};
    struct mr_pipeline run;
    int code;
    if (!mr_args_parse(&usage, argc, argv, &words, &code))
        return code;
    if ((code = mr_runs_of_user("stat", user)) != MR_OK)
        return code;
    mr_clock_setup();
    if (words.count == 0)
        return print_running(shm, json);
    code = mr_runs_find(&run, "stat", shm, words.items[0], &sets);
    return code == MR_OK ? print_run(&run, json) : code;
}
