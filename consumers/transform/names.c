// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <string.h>

#include "consumers/transform/names.h"

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

// Levenshtein's distance of two names; anything longer than a name is far away.
static unsigned distance(const char *a, const char *b)
{
    unsigned row[MR_NAME_BYTES + 1];
    size_t a_length = strlen(a), b_length = strlen(b);
    if (a_length > MR_NAME_BYTES || b_length > MR_NAME_BYTES)
        return MR_NAME_BYTES;
    for (unsigned j = 0; j <= b_length; j++)
        row[j] = j;
    for (unsigned i = 1; i <= a_length; i++) {
        unsigned diagonal = row[0];
        row[0] = i;
        for (unsigned j = 1; j <= b_length; j++) {
            unsigned above = row[j];
            unsigned best = diagonal + (a[i - 1] != b[j - 1]);
            best = best < above + 1 ? best : above + 1;
            row[j] = best < row[j - 1] + 1 ? best : row[j - 1] + 1;
            diagonal = above;
        }
    }
    return row[b_length];
}

const char *mr_names_hint(const struct mr_names *names, const char *wrong, char *out,
                          size_t out_bytes)
{
    const char *nearest = NULL;
    unsigned least = (unsigned)(strlen(wrong) / 3 + 2); // how many slips still look like one
    for (unsigned i = 0; i < names->count; i++) {
        unsigned found = distance(names->name[i], wrong);
        if (found < least) {
            least = found;
            nearest = names->name[i];
        }
    }
    if (nearest)
        snprintf(out, out_bytes, " (did you mean \"%s\"?)", nearest);
    else
        out[0] = '\0';
    return out;
}
