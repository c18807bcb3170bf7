// SPDX-License-Identifier: Apache-2.0
// Words for errors about names: lists of those there are, and the one that was probably meant.
#ifndef MR_CONSUMERS_TRANSFORM_NAMES_H
#define MR_CONSUMERS_TRANSFORM_NAMES_H

#include "core/schema.h"

// Names collected for one error.
struct mr_names {
    const char *name[MR_SCHEMAS_MAX * 8];
    unsigned count;
};

void mr_names_add(struct mr_names *names, const char *name); // once each
void mr_names_add_fields(struct mr_names *names, const struct mr_schema *schema);
// "price, quantity, symbol"; ends in "..." where they do not all fit.
const char *mr_names_list(const struct mr_names *names, char *out, size_t out_bytes);
// " (did you mean \"price\"?)" or "" where nothing is near.
const char *mr_names_hint(const struct mr_names *names, const char *wrong, char *out,
                          size_t out_bytes);

#endif
