// SPDX-License-Identifier: Apache-2.0
// `millrace run`: the trio, supervised in the foreground.
#include "cli/cli.h"
#include "cli/plan.h"
#include "cli/progress.h"
#include "cli/runs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/pipeline/exporter.h"
#include "core/pipeline/rundir.h"
#include "core/pipeline/session.h"
#include "core/pipeline/supervisor.h"

struct run {
    struct mr_pipeline pipeline;
    struct mr_arg_list sets;
    bool json, progress_asked;
    const char *hgrm; // a directory; NULL: not asked for
    struct mr_supervisor supervisor;
    struct mr_progress progress;
    struct mr_exporter *exporter;
};

// A sink that writes to standard output has it for itself: the summary goes to standard error.
static bool sink_has_stdout(const struct mr_pipeline *pipeline)
{
    const struct mr_node *path = mr_config_child(pipeline->sink_node, "path");
    return path && path->text && strcmp(path->text, "-") == 0;
}

static enum mr_progress_mode progress_mode(const struct run *run)
{
    if (run->json)
        return MR_PROGRESS_NONE;
    bool shared = sink_has_stdout(&run->pipeline) && isatty(STDOUT_FILENO);
    if (isatty(STDERR_FILENO) && !shared)
        return MR_PROGRESS_BLOCK;
    return run->progress_asked ? MR_PROGRESS_LINES : MR_PROGRESS_NONE;
}

// What is wrong in the file is said here, once, before anything starts.
static int check_plan(const struct run *run, struct mr_error *err)
{
    struct mr_plan plan;
    int code = mr_plan_make(&plan, &run->pipeline, err);
    mr_plan_free(&plan);
    return code;
}

static void save_report(const struct run *run, const struct mr_report *report, const char *json)
{
    struct mr_error err;
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);
    if (out) {
        mr_report_text(report, out);
        fclose(out);
    }
    if (mr_rundir_save(&run->pipeline, MR_LAST_JSON, json, &err) != MR_OK ||
        mr_rundir_save(&run->pipeline, MR_LAST_TEXT, text ? text : "", &err) != MR_OK)
        mr_warn("%s", err.text);
    free(text);
}

// Prints and keeps the final status. Returns the exit code of the whole run.
static int conclude(struct run *run, int code, const struct mr_error *err)
{
    struct mr_report *report = mr_report_new();
    struct mr_json json;
    if (mr_report_read(report, &run->pipeline, NULL) == MR_OK && code == MR_OK && !report->balance)
        code = MR_ERR_BALANCE;
    report->final = true;
    report->exit_code = code;
    if (code != MR_OK)
        snprintf(report->problem, sizeof report->problem, "%s",
                 code == MR_ERR_BALANCE ? report->imbalance : err->text);
    mr_json_init(&json, 2);
    mr_report_json(report, &json);
    mr_json_finish(&json);
    save_report(run, report, json.bytes);
    FILE *out = sink_has_stdout(&run->pipeline) ? stderr : stdout;
    if (run->json)
        fputs(json.bytes, out);
    else
        mr_report_text(report, out);
    struct mr_error hgrm_err;
    if (run->hgrm && mr_report_hgrm(report, run->hgrm, &hgrm_err) != MR_OK)
        mr_warn("%s", hgrm_err.text);
    if (code != MR_OK)
        fprintf(stderr, "millrace run: %s\n", report->problem);
    mr_json_free(&json);
    mr_report_free(report);
    return code;
}

// What a power cut has left is looked at here, once, before anything starts.
static int check_session(const struct run *run, struct mr_error *err)
{
    struct mr_session_plan plan;
    if (run->supervisor.resumed || run->supervisor.takes_over) // its rings say it all
        return MR_OK;
    int code = mr_session_plan(&run->pipeline, &plan, err);
    if (code == MR_OK && plan.resume == MR_RESUME_AGAIN)
        mr_info("going on with a run that was %s: what the journal holds of it is made again and "
                "compared; `millrace clean %s` would give it up",
                plan.session.state == MR_SESSION_STOPPED ? "stopped" : "cut off",
                run->pipeline.file);
    else if (code == MR_OK && plan.resume == MR_RESUME_BEHIND)
        mr_info("going on behind a run that was cut off: its source cannot be read again");
    return code;
}

static int supervise(struct run *run, struct mr_error *err)
{
    struct mr_supervisor *supervisor = &run->supervisor;
    int code = mr_progress_open(&run->progress, &run->pipeline, progress_mode(run), err);
    if (code != MR_OK)
        return code;
    supervisor->options.stages_stderr = run->progress.log_fd;
    supervisor->options.tick_ns = mr_progress_tick_ns(&run->progress);
    supervisor->options.tick = mr_progress_tick;
    supervisor->options.context = &run->progress;
    if (supervisor->resumed)
        mr_info("resuming an earlier run that had not come to its end (%llu bytes in its rings); "
                "`millrace clean %s` would give it up",
                (unsigned long long)supervisor->resumed_bytes, run->pipeline.name);
    code = mr_supervisor_run(supervisor, err);
    mr_progress_close(&run->progress);
    return conclude(run, code, err);
}

// The supervisor of the run before was killed when all was done and saved, and before it could say so.
static int repeat_conclusion(const struct run *run)
{
    char *text = mr_run_read(&run->pipeline, run->json ? MR_LAST_JSON : MR_LAST_TEXT);
    mr_info("the run of pid %d had ended when it was killed: this is its report",
            run->supervisor.before.pid);
    fputs(text ? text : "", sink_has_stdout(&run->pipeline) ? stderr : stdout);
    free(text);
    return run->supervisor.before.code;
}

static int run_pipeline(struct run *run)
{
    struct mr_error err = {0};
    struct mr_supervisor_options options = {.file = run->pipeline.file,
                                            .sets = run->sets.items,
                                            .set_count = run->sets.count,
                                            .stages_stderr = -1};
    int code = check_plan(run, &err);
    if (code != MR_OK)
        return mr_cli_fail("run", &err);
    code = mr_supervisor_open(&run->supervisor, &run->pipeline, &options, &err);
    if (code != MR_OK)
        return mr_cli_fail("run", &err);
    if (run->supervisor.before.concluded) {
        code = repeat_conclusion(run);
        mr_supervisor_close(&run->supervisor, code);
        return code;
    }
    code = check_session(run, &err);
    if (code == MR_OK && run->pipeline.metrics_port)
        code = mr_exporter_start(&run->exporter, &run->pipeline, run->pipeline.metrics_port, &err);
    if (code == MR_OK)
        code = supervise(run, &err);
    else
        mr_cli_fail("run", &err);
    mr_exporter_stop(run->exporter);
    mr_supervisor_close(&run->supervisor, code);
    return code;
}

int mr_cli_run(int argc, char **argv)
{
    struct run run = {0};
    struct mr_arg_list words;
    const struct mr_arg table[] = {
        MR_ARG_SETS(&run.sets),
        {"json", NULL, "print one JSON object at the end and nothing else", MR_ARG_SWITCH,
         &run.json},
        {"progress", NULL, "not on a terminal: print a line of progress every 5 s", MR_ARG_SWITCH,
         &run.progress_asked},
        {"hgrm", "DIRECTORY",
         "write the latency distributions there, one .hgrm file (HdrHistogram) a hop, in "
         "microseconds",
         MR_ARG_TEXT, &run.hgrm},
        {0}};
    const struct mr_usage usage = {
        .command = "run",
        .words = "PIPELINE",
        .about = "Runs a pipeline: starts its stages as processes, watches them until the "
                 "input has ended and everything is written, and prints the balance, the "
                 "latencies and where the results are. A stage that dies is started again. SIGINT "
                 "or SIGTERM drains; a second one halts at once, and the next run goes on from "
                 "there.",
        .args = table,
        .words_min = 1,
        .words_max = 1};
    int code;
    if (!mr_args_parse(&usage, argc, argv, &words, &code))
        return code;
    mr_clock_setup();
    mr_log_setup("run", MR_LOG_INFO);
    if ((code = mr_cli_load_pipeline(&run.pipeline, words.items[0], &run.sets)) != MR_OK)
        return code;
    code = run_pipeline(&run);
    mr_pipeline_free(&run.pipeline);
    return code;
}
