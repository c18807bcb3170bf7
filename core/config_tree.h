// SPDX-License-Identifier: Apache-2.0
// Nodes of the configuration tree: what reading a file (config.c), overriding a key (config_set.c)
// and binding options (config_bind.c) share.
#ifndef MR_CORE_CONFIG_TREE_H
#define MR_CORE_CONFIG_TREE_H

#include "core/config.h"

#define MR_CONFIG_DEPTH_MAX 32     // nesting
#define MR_CONFIG_NODES_MAX 10000u // aliases count each time they are used
#define MR_CONFIG_FILE_BYTES_MAX (4u << 20)

extern const char mr_config_set_file[]; // the `file` of overrides

struct mr_node *mr_node_new(enum mr_node_kind kind, const char *file, unsigned line);
// Hangs child below parent, under `key` (copied; NULL in a list), and names its path and its
// children's.
void mr_node_attach(struct mr_node *parent, struct mr_node *child, const char *key);
// Puts `child` in the place of `old`, which is freed.
void mr_node_replace(struct mr_node *old, struct mr_node *child);
void mr_node_free(struct mr_node *node); // and all below it
char *mr_text_copy(const char *text);    // never NULL: aborts without memory

// The tree of one YAML text. Its nodes point to `file`, which must outlive them.
int mr_config_read(const char *text, size_t length, const char *file, struct mr_node **root,
                   struct mr_error *err);
// Levenshtein's distance: insertions, deletions and replacements from one name to the other.
unsigned mr_edit_distance(const char *a, const char *b);
// Of `count` names, the one that `found` is most likely a slip of; NULL where none is near.
const char *mr_config_nearest(const char *found, const char *const *names, unsigned count);

#endif
