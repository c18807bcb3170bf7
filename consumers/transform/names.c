// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <string.h>

#include "consumers/transform/names.h"
#include "core/config_tree.h"

void mr_names_add(struct mr_names *names, const char *name)
{
    for (unsigned i = 0; i < names->count; i++)
        if (strcmp(names->name[i], name) == 0)
            return;
    if (names->count < MR_COUNT_OF(names->name))
        names->name[names->count++] = name;
}

void mr_names_add_fields(struct mr_names *names, const struct mr_schema *schema)
{
    for (unsigned i = 0; i < schema->field_count; i++)
        mr_names_add(names, schema->fields[i].name);
}

const char *mr_names_list(const struct mr_names *names, char *out, size_t out_bytes)
{
    size_t used = 0;
    snprintf(out, out_bytes, "%s", names->count ? "" : "none");
    for (unsigned i = 0; i < names->count; i++) {
        size_t wanted = strlen(names->name[i]) + 2;
        if (used + wanted + sizeof ", ..." > out_bytes) {
            snprintf(out + used, out_bytes - used, ", ...");
            break;
        }
        used +=
            (size_t)snprintf(out + used, out_bytes - used, "%s%s", i ? ", " : "", names->name[i]);
    }
    return out;
}

const char *mr_names_hint(const struct mr_names *names, const char *wrong, char *out,
                          size_t out_bytes)
{
    const char *nearest = mr_config_nearest(wrong, names->name, names->count);
    if (nearest)
        snprintf(out, out_bytes, " (did you mean \"%s\"?)", nearest);
    else
        out[0] = '\0';
    return out;
}
