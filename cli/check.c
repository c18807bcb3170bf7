// SPDX-License-Identifier: Apache-2.0
// `millrace check`: what is wrong in a pipeline file, and where; or what it would do.
#include "cli/after_cut.h"
#include "cli/cli.h"
#include "cli/plan.h"

#include <stdio.h>

#include "core/formats/json_out.h"

static const char *const huge_pages_names[] = {"off", "advise"};
static const char *const full_names[] = {"block", "drop_newest"};

// One word where all stages do the same.
static const char *wait_text(const struct mr_pipeline *pipeline, char *out, size_t out_bytes)
{
    const enum mr_wait_strategy *wait = pipeline->wait;
    const char *const *names = mr_wait_strategy_names;
    if (wait[0] == wait[1] && wait[1] == wait[2])
        return names[wait[0]];
    snprintf(out, out_bytes, "%s, %s, %s", names[wait[0]], names[wait[1]], names[wait[2]]);
    return out;
}

static const char *placement_text(const struct mr_pipeline *pipeline, char *out, size_t out_bytes)
{
    const int *core = pipeline->placement.core;
    if (pipeline->placement.kind != MR_PLACEMENT_LIST)
        return pipeline->placement.kind == MR_PLACEMENT_AUTO ? "auto" : "none";
    snprintf(out, out_bytes, "%d, %d, %d", core[0], core[1], core[2]);
    return out;
}

static const char *bytes_text(uint64_t bytes, char *out, size_t out_bytes)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB"};
    unsigned unit = 0;
    while (unit + 1 < MR_COUNT_OF(units) && bytes >= 1024 && bytes % 1024 == 0) {
        bytes /= 1024;
        unit++;
    }
    snprintf(out, out_bytes, "%llu %s", (unsigned long long)bytes, units[unit]);
    return out;
}

static void print_schemas(const char *title, const struct mr_schema_set *set)
{
    char type[MR_LABELS_BYTES + 32];
    printf("\n%s\n", title);
    for (unsigned i = 0; i < set->count; i++) {
        const struct mr_schema *schema = set->schemas[i];
        printf("  %s (id %u, %u bytes)\n", schema->name, schema->id, schema->record_bytes);
        for (unsigned f = 0; f < schema->field_count; f++) {
            const struct mr_field *field = &schema->fields[f];
            mr_type_text(field, type, sizeof type);
            printf("    %-22s %-16s at %u%s%s%s\n", field->name, type, field->offset,
                   field->null_bit >= 0 ? ", may be null" : "", field->unit[0] ? ", in " : "",
                   field->unit);
        }
    }
}

static void print_rings(const struct mr_pipeline *pipeline)
{
    char size[32];
    printf("\nrings\n");
    for (unsigned i = 0; i < MR_RING_COUNT; i++)
        if (mr_pipeline_has_ring(pipeline, i))
            printf("  %-16s %10s  when full: %s%s\n", mr_ring_index_name(i),
                   bytes_text(pipeline->rings[i].capacity, size, sizeof size),
                   full_names[pipeline->rings[i].full_policy],
                   pipeline->rings[i].checksummed ? ", checksummed" : "");
}

// What `run` does about a stage that died.
static const char *supervise_text(const struct mr_supervise *supervise, char *out, size_t out_bytes)
{
    if (supervise->restart == MR_RESTART_NEVER)
        return "a stage that dies is not started again";
    snprintf(out, out_bytes,
             "restart on failure, backoff %g s to %g s, at most %lld times within %g s",
             (double)supervise->backoff_ns / 1e9, (double)supervise->backoff_max_ns / 1e9,
             (long long)supervise->limit, (double)supervise->within_ns / 1e9);
    return out;
}

static void print_plan(const struct mr_plan *plan)
{
    const struct mr_pipeline *pipeline = plan->pipeline;
    char size[32], text[128];
    printf("%s: good\n\n", pipeline->file);
    printf("  %-14s %s\n", "name", pipeline->name);
    printf("  %-14s %s\n", "directory", pipeline->directory);
    for (unsigned i = 0; i < plan->source_count; i++)
        printf("  %-14s %s: %s\n", i == 0 ? "source" : "", plan->sources[i]->name,
               plan->sources[i]->about);
    if (plan->source_count > 1)
        printf("  %-14s by %s\n", "merge", pipeline->merges_by_time ? "event time" : "arrival");
    // The last operator is the chain's own.
    for (unsigned i = 0; i + 1 < plan->chain.op_count; i++)
        printf("  %-14s %u. %s: %s\n", i == 0 ? "operators" : "", i + 1,
               plan->chain.ops[i]->kind->name, plan->chain.ops[i]->kind->about);
    printf("  %-14s %s: %s\n", "sink", plan->sink->name, plan->sink->about);
    printf("  %-14s %s\n", "dead letters",
           pipeline->dead_letter_path ? pipeline->dead_letter_path : "beside the sink");
    printf("  %-14s %s\n", "power cut", mr_after_cut_sentence(plan));
    printf("  %-14s %s\n", "wait", wait_text(pipeline, text, sizeof text));
    printf("  %-14s %s\n", "placement", placement_text(pipeline, text, sizeof text));
    printf("  %-14s huge pages %s, prefault %s, lock %s\n", "memory",
           huge_pages_names[pipeline->memory.huge_pages], pipeline->memory.prefault ? "yes" : "no",
           pipeline->memory.lock ? "yes" : "no");
    if (pipeline->realtime)
        printf("  %-14s priority %d\n", "realtime", pipeline->realtime);
    printf("  %-14s %s\n", "batch", bytes_text(pipeline->batch_bytes_max, size, sizeof size));
    printf("  %-14s %s\n", "supervise", supervise_text(&pipeline->supervise, text, sizeof text));
    if (pipeline->metrics_port)
        printf("  %-14s http://%s:%d/metrics\n", "metrics", pipeline->metrics_address,
               pipeline->metrics_port);
    if (pipeline->harden)
        printf("  %-14s yes\n", "harden");
    if (pipeline->share_gid)
        printf("  %-14s with group %u\n", "shared", pipeline->share_gid);
    print_rings(pipeline);
    print_schemas("from the source to the operators", &plan->ingress);
    print_schemas("from the operators to the sink", mr_chain_out(&plan->chain));
}

static void json_schemas(struct mr_json *json, const char *key, const struct mr_schema_set *set)
{
    char type[MR_LABELS_BYTES + 32];
    mr_json_open(json, key, '[');
    for (unsigned i = 0; i < set->count; i++) {
        const struct mr_schema *schema = set->schemas[i];
        mr_json_open(json, NULL, '{');
        mr_json_text(json, "name", schema->name);
        mr_json_u64(json, "id", schema->id);
        mr_json_u64(json, "bytes", schema->record_bytes);
        mr_json_open(json, "fields", '[');
        for (unsigned f = 0; f < schema->field_count; f++) {
            mr_type_text(&schema->fields[f], type, sizeof type);
            mr_json_open(json, NULL, '{');
            mr_json_text(json, "name", schema->fields[f].name);
            mr_json_text(json, "type", type);
            mr_json_u64(json, "offset", schema->fields[f].offset);
            mr_json_bool(json, "nullable", schema->fields[f].null_bit >= 0);
            mr_json_close(json);
        }
        mr_json_close(json);
        mr_json_close(json);
    }
    mr_json_close(json);
}

static void json_rings(struct mr_json *json, const struct mr_pipeline *pipeline)
{
    mr_json_open(json, "rings", '{');
    for (unsigned i = 0; i < MR_RING_COUNT; i++) {
        if (!mr_pipeline_has_ring(pipeline, i))
            continue;
        mr_json_open(json, mr_ring_index_name(i), '{');
        mr_json_u64(json, "capacity_bytes", pipeline->rings[i].capacity);
        mr_json_text(json, "full", full_names[pipeline->rings[i].full_policy]);
        mr_json_bool(json, "checksummed", pipeline->rings[i].checksummed);
        mr_json_close(json);
    }
    mr_json_close(json);
}

static void json_plan(const struct mr_plan *plan)
{
    const struct mr_pipeline *pipeline = plan->pipeline;
    struct mr_json json;
    char text[64];
    mr_json_init(&json, 2);
    mr_json_open(&json, NULL, '{');
    mr_json_text(&json, "file", pipeline->file);
    mr_json_text(&json, "name", pipeline->name);
    mr_json_text(&json, "directory", pipeline->directory);
    mr_json_text(&json, "source", plan->sources[0]->name);
    mr_json_open(&json, "sources", '[');
    for (unsigned i = 0; i < plan->source_count; i++)
        mr_json_text(&json, NULL, plan->sources[i]->name);
    mr_json_close(&json);
    mr_json_open(&json, "operators", '[');
    for (unsigned i = 0; i + 1 < plan->chain.op_count; i++)
        mr_json_text(&json, NULL, plan->chain.ops[i]->kind->name);
    mr_json_close(&json);
    mr_json_text(&json, "sink", plan->sink->name);
    mr_json_text(&json, "after_power_cut", mr_after_cut_word(plan));
    mr_json_text(&json, "wait", wait_text(pipeline, text, sizeof text));
    mr_json_text(&json, "placement", placement_text(pipeline, text, sizeof text));
    mr_json_text(&json, "huge_pages", huge_pages_names[pipeline->memory.huge_pages]);
    mr_json_bool(&json, "prefault", pipeline->memory.prefault);
    mr_json_bool(&json, "lock_memory", pipeline->memory.lock);
    mr_json_u64(&json, "realtime", (uint64_t)pipeline->realtime);
    mr_json_u64(&json, "batch_bytes", pipeline->batch_bytes_max);
    mr_json_open(&json, "supervise", '{');
    mr_json_text(&json, "restart",
                 pipeline->supervise.restart == MR_RESTART_NEVER ? "never" : "on_failure");
    mr_json_real(&json, "backoff_seconds", (double)pipeline->supervise.backoff_ns / 1e9);
    mr_json_real(&json, "backoff_max_seconds", (double)pipeline->supervise.backoff_max_ns / 1e9);
    mr_json_u64(&json, "limit", (uint64_t)pipeline->supervise.limit);
    mr_json_real(&json, "within_seconds", (double)pipeline->supervise.within_ns / 1e9);
    mr_json_close(&json);
    mr_json_u64(&json, "metrics_port", (uint64_t)pipeline->metrics_port);
    json_rings(&json, pipeline);
    json_schemas(&json, "schemas_in", &plan->ingress);
    json_schemas(&json, "schemas_out", mr_chain_out(&plan->chain));
    mr_json_close(&json);
    fputs(mr_json_finish(&json), stdout);
    mr_json_free(&json);
}

int mr_cli_check(int argc, char **argv)
{
    struct mr_arg_list sets = {0}, words;
    bool json = false;
    const struct mr_arg table[] = {
        MR_ARG_SETS(&sets), {"json", NULL, "print the plan as JSON", MR_ARG_SWITCH, &json}, {0}};
    const struct mr_usage usage = {
        .command = "check",
        .words = "PIPELINE",
        .about = "Validates a pipeline file without running it: every key and value, the fields "
                 "that operators name, the files that must be there. Prints what the pipeline "
                 "would do, or the first thing that is wrong with file, line and key.",
        .args = table,
        .words_min = 1,
        .words_max = 1};
    struct mr_pipeline pipeline;
    struct mr_plan plan;
    struct mr_error err = {0};
    int code;
    if (!mr_args_parse(&usage, argc, argv, &words, &code) ||
        (code = mr_cli_load_pipeline(&pipeline, words.items[0], &sets)) != MR_OK)
        return code;
    code = mr_plan_make(&plan, &pipeline, &err);
    if (code != MR_OK)
        mr_cli_fail("check", &err);
    else if (json)
        json_plan(&plan);
    else
        print_plan(&plan);
    mr_plan_free(&plan);
    mr_pipeline_free(&pipeline);
    return code;
}
