// SPDX-License-Identifier: Apache-2.0
// A pipeline file as `millrace check` takes it: the whole file, its source's, operators' and sink's options, the
// chain of operators on the source's schemas, expressions compiled. It is a plan or an error with a sentence.
// Nothing of the file system is used: no path leads to a journal, and what loads code (`script`, `shared_object`)
// is left at its options.
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/plan.h"
#include "core/disk.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static int no_status(const char *path, struct mr_disk_status *out)
{
    (void)path, (void)out;
    errno = ENOENT;
    return -1;
}

static const struct mr_disk nothing = {.status = no_status};

static bool loads_code(const struct mr_pipeline *pipeline)
{
    const struct mr_node *operators = pipeline->transform_node;
    for (unsigned i = 0; operators && i < operators->child_count; i++)
        if (mr_config_child(operators->children[i], "script") ||
            mr_config_child(operators->children[i], "shared_object"))
            return true;
    return false;
}

static void must_say(int code, const struct mr_error *err)
{
    if (code != MR_OK && (err->text[0] == '\0' || err->code != code))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct mr_pipeline pipeline;
    struct mr_plan plan;
    struct mr_error err = {0};
    mr_disk = &nothing;
    setenv("MILLRACE_IO", "pwrite", 1); // whether the kernel has io_uring is another matter
    char *text = malloc(size + 1);
    memcpy(text, bytes, size);
    text[size] = '\0';
    int code = mr_pipeline_parse(&pipeline, text, "fuzz.yaml", &err);
    must_say(code, &err);
    if (code == MR_OK && !loads_code(&pipeline)) {
        must_say(mr_plan_make(&plan, &pipeline, &err), &err);
        mr_plan_free(&plan);
    }
    if (code == MR_OK)
        mr_pipeline_free(&pipeline);
    free(text);
    return 0;
}
