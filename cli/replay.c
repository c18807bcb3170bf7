// SPDX-License-Identifier: Apache-2.0
// `millrace replay`: a journal's records through a pipeline again. It is `millrace run` with the
// pipeline's source replaced.
#include "cli/cli.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct replay {
    const char *pace, *from, *to, *schemas;
    bool json;
    struct mr_arg_list sets;
};

// key: 'value', with YAML's way of quoting a quote; `used` grows.
static void add_pair(FILE *out, const char *key, const char *value)
{
    if (!value)
        return;
    fprintf(out, ", %s: '", key);
    for (; *value; value++)
        fprintf(out, *value == '\'' ? "''" : "%c", *value);
    fputc('\'', out);
}

static char *source_assignment(const struct replay *replay, const char *journal)
{
    char *text = NULL;
    size_t length;
    FILE *out = open_memstream(&text, &length);
    if (!out)
        abort();
    fputs("source={type: journal", out);
    add_pair(out, "path", journal);
    add_pair(out, "pace", replay->pace);
    add_pair(out, "from", replay->from);
    add_pair(out, "to", replay->to);
    add_pair(out, "schemas", replay->schemas);
    fputc('}', out);
    fclose(out);
    return text;
}

// The journal that is read must not be the one that is written.
static int check_sink(const struct replay *replay, const char *pipeline_file, const char *journal,
                      struct mr_error *err)
{
    struct mr_pipeline pipeline;
    char from[PATH_MAX], to[PATH_MAX];
    int code =
        mr_pipeline_load(&pipeline, pipeline_file, replay->sets.items, replay->sets.count, err);
    if (code != MR_OK)
        return code;
    const struct mr_node *path = mr_config_child(pipeline.sink_node, "path");
    if (path && path->text && realpath(path->text, to) && realpath(journal, from) &&
        strcmp(from, to) == 0)
        code = mr_fail(err, MR_ERR_CONFIG,
                       "%s is the sink of %s too; give another with --set sink.path=PATH", journal,
                       pipeline_file);
    mr_pipeline_free(&pipeline);
    return code;
}

static int run(const struct replay *replay, const char *journal, const char *pipeline_file)
{
    char command[] = "run", set[] = "--set", json[] = "--json";
    char *source = source_assignment(replay, journal);
    char *argv[2 * MR_ARG_LIST_MAX + 6];
    int argc = 0;
    argv[argc++] = command;
    argv[argc++] = (char *)pipeline_file;
    argv[argc++] = set;
    argv[argc++] = source;
    for (unsigned i = 0; i < replay->sets.count && i + 1 < MR_ARG_LIST_MAX; i++) {
        argv[argc++] = set;
        argv[argc++] = (char *)replay->sets.items[i];
    }
    if (replay->json)
        argv[argc++] = json;
    argv[argc] = NULL;
    int code = mr_cli_run(argc, argv);
    free(source);
    return code;
}

int mr_cli_replay(int argc, char **argv)
{
    struct replay replay = {.pace = "asap"};
    const struct mr_arg table[] = {
        {"pace", "asap|realtime|FACTORx", "how fast, by event time (asap)", MR_ARG_TEXT,
         &replay.pace},
        {"from", "POSITION|TIME", "begin at this position or event time", MR_ARG_TEXT,
         &replay.from},
        {"to", "POSITION|TIME", "end before this position or event time", MR_ARG_TEXT, &replay.to},
        {"schemas", "NAMES", "only records of these schemas, comma-separated", MR_ARG_TEXT,
         &replay.schemas},
        {"json", NULL, "print one JSON object at the end and nothing else", MR_ARG_SWITCH,
         &replay.json},
        MR_ARG_SETS(&replay.sets),
        {0}};
    const struct mr_usage usage = {
        "replay",
        "JOURNAL PIPELINE",
        "Runs a pipeline with its source replaced by a journal. Records keep their times, sequence "
        "and\n"
        "schemas, so the pipeline makes of them what it makes of the feed itself.",
        table,
        2,
        2};
    struct mr_arg_list words;
    struct mr_error err = {0};
    int code;
    if (!mr_args_parse(&usage, argc, argv, &words, &code))
        return code;
    code = check_sink(&replay, words.items[1], words.items[0], &err);
    if (code != MR_OK)
        return mr_cli_fail("replay", &err);
    return run(&replay, words.items[0], words.items[1]);
}
