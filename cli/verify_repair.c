// SPDX-License-Identifier: Apache-2.0
#include "cli/verify_repair.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/journal_findings.h"
#include "consumers/loader/journal_repair.h"

// ---- saying it ---------------------------------------------------------------------------------
static const char *action_name(enum mr_repair_kind kind)
{
    switch (kind) {
    case MR_REPAIR_HEADER:
        return "header";
    case MR_REPAIR_MARK:
        return "mark";
    case MR_REPAIR_CUT:
        return "cut";
    case MR_REPAIR_ASIDE:
        return "aside";
    }
    return "";
}

static void print_step(const struct mr_repair_step *step)
{
    uint64_t bytes = step->to_byte - step->from_byte;
    switch (step->kind) {
    case MR_REPAIR_HEADER:
        printf("  %s: bytes 0 to %" PRIu64 ": the header is made again from that of %s; nothing is "
               "cut\n    the old one is kept as %s\n",
               step->path, step->to_byte, step->donor, step->aside);
        return;
    case MR_REPAIR_MARK:
        printf("  %s: bytes %" PRIu64 " to %" PRIu64 ": the durable mark is set to %" PRIu64
               ", where the segment ends; nothing is cut\n",
               step->path, step->from_byte, step->to_byte, step->position);
        return;
    case MR_REPAIR_CUT:
        printf("  %s: bytes %" PRIu64 " to %" PRIu64 " (%" PRIu64 " bytes, %" PRIu64
               " whole records) are cut; it ends at position %" PRIu64 " then\n",
               step->path, step->from_byte, step->to_byte, bytes, step->records, step->position);
        if (step->aside[0])
            printf("    they are kept as %s\n", step->aside);
        return;
    case MR_REPAIR_ASIDE:
        printf("  %s: the whole segment (%" PRIu64 " bytes, %" PRIu64
               " whole records) is moved aside\n    it is kept as %s\n",
               step->path, bytes, step->records, step->aside);
        return;
    }
}

static void step_json(struct mr_json *json, const struct mr_repair_step *step)
{
    mr_json_open(json, NULL, '{');
    mr_json_text(json, "action", action_name(step->kind));
    mr_json_text(json, "path", step->path);
    mr_json_u64(json, "from_byte", step->from_byte);
    mr_json_u64(json, "to_byte", step->to_byte);
    mr_json_u64(json, "position", step->position);
    mr_json_u64(json, "records_lost", step->records);
    mr_json_text(json, "kept_as", step->aside[0] ? step->aside : NULL);
    mr_json_close(json);
}

static void say_plan(const struct mr_repair *repair, bool doing, struct mr_json *json)
{
    if (!json)
        printf("%s: %" PRIu64 " records stay, to position %" PRIu64 "; this %s:\n",
               repair->files.directory, repair->records, repair->end_pos,
               doing ? "is done" : "would be done");
    for (unsigned i = 0; i < repair->count; i++)
        if (json)
            step_json(json, &repair->steps[i]);
        else
            print_step(&repair->steps[i]);
}

static void say_how_to_read(const struct mr_repair *repair)
{
    for (unsigned i = 0; i < repair->count; i++)
        if (repair->steps[i].records > 0)
            printf("what was taken away can be read: millrace cat --resync %s\n",
                   repair->steps[i].aside);
}

// ---- doing it ----------------------------------------------------------------------------------
static bool confirmed(void)
{
    char answer[16] = "";
    if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO)) {
        printf("nothing was changed; --yes does it\n");
        return false;
    }
    printf("do it? (yes/no) ");
    fflush(stdout);
    if (!fgets(answer, sizeof answer, stdin) || strcmp(answer, "yes\n") != 0) {
        printf("nothing was changed\n");
        return false;
    }
    return true;
}

// Round after round: what stands behind a header that was made again is looked at then.
static int repair_all(struct mr_repair *repair, bool yes, struct mr_json *json, bool *done,
                      struct mr_error *err)
{
    for (;;) {
        int code = mr_repair_plan(repair, err);
        if (code != MR_OK || repair->count == 0)
            return code;
        say_plan(repair, yes, json);
        if (!yes && (json || !confirmed()))
            return repair->state == MR_JOURNAL_DAMAGED ? MR_ERR_CORRUPT : MR_OK;
        fflush(stdout);
        code = mr_repair_do(repair, err);
        if (code != MR_OK)
            return code;
        *done = true;
        if (!json)
            say_how_to_read(repair);
    }
}

static void say_end(const struct mr_repair *repair, bool done, struct mr_json *json)
{
    if (json) {
        mr_json_bool(json, "repaired", done);
        mr_json_text(json, "state_after", mr_stop_name(repair->state));
        mr_json_u64(json, "records_after", repair->records);
        mr_json_u64(json, "end_pos_after", repair->end_pos);
    } else if (repair->count == 0) {
        printf("%s: %s, %" PRIu64 " records, positions to %" PRIu64 "%s\n", repair->files.directory,
               mr_stop_name(repair->state), repair->records, repair->end_pos,
               done ? "" : "; nothing to repair");
    }
}

int mr_cli_repair(const char *directory, bool yes, struct mr_json *json)
{
    struct mr_repair repair;
    struct mr_error err = {0};
    bool done = false;
    int code = mr_repair_open(&repair, directory, &err);
    if (json) {
        mr_json_open(json, "repair", '[');
        if (code == MR_OK)
            code = repair_all(&repair, yes, json, &done, &err);
        mr_json_close(json);
    } else if (code == MR_OK) {
        code = repair_all(&repair, yes, NULL, &done, &err);
    }
    if (code == MR_OK || err.text[0] == '\0')
        say_end(&repair, done, json);
    else
        mr_cli_fail("verify", &err);
    mr_repair_close(&repair);
    return code;
}
