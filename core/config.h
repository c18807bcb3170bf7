// SPDX-License-Identifier: Apache-2.0
// Pipeline files. YAML is read into a tree in which every node knows its file, line and key path,
// so that an error found at any later time (an impossible size, a field that no schema has, a file
// that is not there) still names the place:
//
//     pipeline.yaml:7: source.pace: found "fast", expected asap, realtime or a factor such as 10x
//
// Plugins declare their options in a table; mr_config_bind fills their option struct from a mapping
// node.
//
//     struct my_options { const char *path; uint64_t batch_bytes; };
//     static const struct mr_option my_option_table[] = {
//         {"path", MR_OPTION_STRING, offsetof(struct my_options, path), NULL, "the file to read"},
//         {"batch", MR_OPTION_SIZE, offsetof(struct my_options, batch_bytes), "1MiB", "bytes at a
//         time"}, {0}};
#ifndef MR_CORE_CONFIG_H
#define MR_CORE_CONFIG_H

#include "core/error.h"

enum mr_node_kind { MR_NODE_SCALAR, MR_NODE_MAP, MR_NODE_LIST };

struct mr_node {
    enum mr_node_kind kind;
    const char *file; // as given on the command line; "--set" for overrides
    unsigned line;    // 1-based; 0 for overrides
    char *key;        // in its parent mapping; NULL in a list
    char *path;       // "source.path", "transform[2].filter"
    char *text;       // scalars
    bool quoted;      // scalar written in quotes: never null, a number or a bool by accident
    struct mr_node *parent;
    struct mr_node **children; // maps and lists
    unsigned child_count;
};

int mr_config_load(const char *path, struct mr_node **root, struct mr_error *err);
int mr_config_parse(const char *text, const char *file_name, struct mr_node **root,
                    struct mr_error *err);
void mr_config_free(struct mr_node *root);
// Applies one `--set KEY=VALUE`: KEY is a dotted path (source.path, transform.0.filter, ring.size);
// missing mappings are made. VALUE is YAML (a scalar, or e.g. [a, b]) and takes the place of what
// is there. MR_ERR_USAGE where KEY leads nowhere.
int mr_config_set(struct mr_node *root, const char *assignment, struct mr_error *err);
// One number for a node and all below it, the same for the same keys and values; 0 for NULL.
uint64_t mr_config_digest(const struct mr_node *node);
struct mr_node *mr_config_child(const struct mr_node *map, const char *key); // or NULL
// "file:line: path: " and then what you say; code MR_ERR_CONFIG.
int mr_config_fail(const struct mr_node *node, struct mr_error *err, const char *format, ...)
    MR_PRINTF(3, 4);
// Puts "file:line: path: " before what err says; returns its code.
int mr_config_within(const struct mr_node *node, struct mr_error *err);

enum mr_option_type {
    MR_OPTION_STRING,   // const char *, owned by the tree; NULL where absent and without default
    MR_OPTION_INT,      // int64_t
    MR_OPTION_SIZE,     // uint64_t bytes: 4096, 64KiB, 1MiB, 2GiB, 10MB
    MR_OPTION_DURATION, // int64_t ns: 10ns 5us 100ms 0.5s 1m 2h 1d; a bare number is seconds
    MR_OPTION_REAL,     // double
    MR_OPTION_BOOL,     // bool: true false yes no on off
    MR_OPTION_ENUM,     // int: index into `labels`, a comma-separated list
    MR_OPTION_NODE,     // struct mr_node *: the raw node, for what has a shape of its own
};

struct mr_option {
    const char *name; // NULL ends a table
    enum mr_option_type type;
    size_t offset;        // in the options struct
    const char *fallback; // default as text; NULL: zero / NULL; MR_OPTION_REQUIRED: must be given
    const char *help;     // one line; shown by `millrace help source itch_file` and in the manual
    const char *labels;   // MR_OPTION_ENUM
};
extern const char MR_OPTION_REQUIRED[];

// Numbers may be quoted: the option's type decides, not YAML's.
//
// Fills `options` (zeroed first, `options_bytes`) from the mapping. `ignore` names keys that belong
// to somebody else ("type"), comma-separated, or NULL. An unknown key is an error that lists the
// nearest. A NULL `map` means an empty one: defaults only.
int mr_config_bind(const struct mr_node *map, const char *ignore, const struct mr_option *table,
                   void *options, size_t options_bytes, struct mr_error *err);
// Single values, for nodes read by hand.
int mr_config_int(const struct mr_node *node, int64_t *out, struct mr_error *err);
int mr_config_real(const struct mr_node *node, double *out, struct mr_error *err);
int mr_config_bool(const struct mr_node *node, bool *out, struct mr_error *err);
int mr_config_size(const struct mr_node *node, uint64_t *out, struct mr_error *err);
int mr_config_duration(const struct mr_node *node, int64_t *out_ns, struct mr_error *err);
// Text of a scalar; fails with what was found where the node is a map or list.
int mr_config_text(const struct mr_node *node, const char **out, struct mr_error *err);

#endif
