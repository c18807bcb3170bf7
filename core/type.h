// SPDX-License-Identifier: Apache-2.0
// Types of fields as people write them, and what they may be: the part of core/schema.h that schema
// building and the reader of schema tables share.
#ifndef MR_CORE_TYPE_H
#define MR_CORE_TYPE_H

#include "core/schema.h"

// Sets type, scale, bytes and labels of `field` from "decimal(4)", "char[16]", "enum(buy,sell)" ...
// Round brackets may stand for square ones and | for the comma between labels, because YAML's {...}
// form gives [ and , a meaning of their own.
int mr_type_parse(struct mr_field *field, const char *text, struct mr_error *err);

// Whether type, bytes, scale and labels agree with each other: what a field from outside must pass.
bool mr_type_is_sound(const struct mr_field *field);

uint32_t mr_type_alignment(const struct mr_field *field);
unsigned mr_label_count(const struct mr_field *field);
// The label of this index and its length; NULL where there is none.
const char *mr_label_at(const struct mr_field *field, unsigned index, size_t *length);
int mr_label_index(const struct mr_field *field, const char *text,
                   size_t length); // -1: no such label

// [A-Za-z_][A-Za-z0-9_]*, at most MR_NAME_BYTES - 1: usable in expressions and as a column name.
bool mr_field_name_is_sound(const char *name);
// [A-Za-z0-9_.-]+ without a point in front, at most MR_NAME_BYTES - 1: usable as a file name.
bool mr_name_is_sound(const char *name);

#endif
