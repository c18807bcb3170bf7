// SPDX-License-Identifier: Apache-2.0
#include "core/dead_letter.h"

struct mr_schema *mr_dead_letter_schema(void)
{
    struct mr_schema *schema = mr_schema_new("dead_letter", MR_DEAD_LETTER_ID);
    mr_schema_add_at(schema, "reason", "char[16]", offsetof(struct mr_dead_letter, reason));
    mr_schema_add_at(schema, "stage", "char[12]", offsetof(struct mr_dead_letter, stage));
    mr_schema_add_at(schema, "raw_length", "u32", offsetof(struct mr_dead_letter, raw_length));
    mr_schema_add_at(schema, "detail", "char[188]", offsetof(struct mr_dead_letter, detail));
    mr_schema_add_at(schema, "raw", "bytes", offsetof(struct mr_dead_letter, raw));
    mr_schema_seal(schema);
    return schema;
}
