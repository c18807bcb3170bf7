// SPDX-License-Identifier: Apache-2.0
// The sources there are. A new one is one file and one line here.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "producers/source.h"

extern const struct mr_source mr_source_itch_file;
extern const struct mr_source mr_source_journal;
extern const struct mr_source mr_source_lines;
extern const struct mr_source mr_source_mock;
extern const struct mr_source mr_source_pcap;

const struct mr_source *const mr_sources[] = {
    &mr_source_itch_file, &mr_source_journal, &mr_source_lines,
    &mr_source_mock,      &mr_source_pcap,    NULL,
};

const struct mr_source *mr_source_find(const char *name)
{
    for (const struct mr_source *const *source = mr_sources; *source; source++)
        if (strcmp((*source)->name, name) == 0)
            return *source;
    return NULL;
}

static int fail_unknown(const struct mr_node *type, const char *name, struct mr_error *err)
{
    char names[256] = "";
    size_t used = 0;
    for (const struct mr_source *const *source = mr_sources; *source; source++) {
        int wrote =
            snprintf(names + used, sizeof names - used, "%s%s", used ? ", " : "", (*source)->name);
        used = mr_min_u64(used + (size_t)wrote, sizeof names - 1);
    }
    return mr_config_fail(type, err, "found \"%s\", expected one of the sources %s", name, names);
}

int mr_source_fail_path(const struct mr_node *source, const char *path, struct mr_error *err)
{
    mr_fail_errno(err, MR_ERR_INPUT, "cannot read \"%s\"", path);
    return mr_config_within(mr_config_child(source, "path"), err);
}

int mr_source_bind(const struct mr_pipeline *pipeline, const struct mr_source **source,
                   void **options, struct mr_error *err)
{
    const char *name;
    const struct mr_node *type = mr_config_child(pipeline->source_node, "type");
    if (!type)
        return mr_config_fail(pipeline->source_node, err,
                              "type is missing, expected the name of a source");
    if (mr_config_text(type, &name, err) != MR_OK)
        return err->code;
    *source = mr_source_find(name);
    if (!*source)
        return fail_unknown(type, name, err);
    *options = calloc(1, (*source)->options_bytes + 1);
    if (!*options)
        return mr_fail(err, MR_ERR_MEMORY, "no memory for the options of source %s", name);
    int code = mr_config_bind(pipeline->source_node, "type", (*source)->options, *options,
                              (*source)->options_bytes, err);
    if (code != MR_OK) {
        free(*options);
        *options = NULL;
    }
    return code;
}
