// SPDX-License-Identifier: Apache-2.0
// One `--set KEY=VALUE` on the configuration tree.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/config_tree.h"
#include "core/formats/number.h"

#define SEGMENT_BYTES 64

struct key_path {
    const char *whole; // the assignment, for errors
    const char *at;    // what is still to be followed
    const char *end;   // the equals sign
};

static int fail_key(const struct key_path *path, struct mr_error *err, const char *problem)
{
    return mr_fail(err, MR_ERR_USAGE, "--set %s: %s", path->whole, problem);
}

// Takes the next segment of "transform.0.filter" or "transform[0].filter".
static bool take_segment(struct key_path *path, char *segment)
{
    size_t length = 0;
    while (path->at < path->end && strchr(".[]", *path->at) == NULL && length < SEGMENT_BYTES - 1)
        segment[length++] = *path->at++;
    segment[length] = '\0';
    if (length == 0)
        return false;
    if (path->at < path->end && *path->at == ']')
        path->at++;
    if (path->at == path->end)
        return true;
    bool more = *path->at == '.' || *path->at == '[';
    path->at++;
    return more && path->at < path->end;
}

static int find_item(const struct mr_node *list, const char *segment, const struct key_path *path,
                     struct mr_node **child, struct mr_error *err)
{
    uint64_t index;
    bool is_number = mr_parse_u64(segment, strlen(segment), &index) == MR_NUMBER_OK;
    if (is_number && index < list->child_count) {
        *child = list->children[index];
        return MR_OK;
    }
    char problem[160];
    snprintf(problem, sizeof problem, "%s is a list of %u, found \"%s\", expected 0 to %u",
             list->path, list->child_count, segment,
             list->child_count > 0 ? list->child_count - 1 : 0);
    return fail_key(path, err, problem);
}

// `key:` with nothing behind it is a mapping that nobody has filled yet.
static void make_mapping_of_nothing(struct mr_node *node)
{
    if (node->kind != MR_NODE_SCALAR || node->quoted || node->text[0] != '\0')
        return;
    free(node->text);
    node->text = NULL;
    node->kind = MR_NODE_MAP;
}

// The child of this name or number; a name that a mapping does not have gets an empty mapping.
static int step(struct mr_node *node, const char *segment, const struct key_path *path,
                struct mr_node **child, struct mr_error *err)
{
    make_mapping_of_nothing(node);
    if (node->kind == MR_NODE_LIST)
        return find_item(node, segment, path, child, err);
    if (node->kind == MR_NODE_SCALAR) {
        char problem[160];
        snprintf(problem, sizeof problem, "%s is a single value and has no key %s", node->path,
                 segment);
        return fail_key(path, err, problem);
    }
    *child = mr_config_child(node, segment);
    if (*child == NULL) {
        *child = mr_node_new(MR_NODE_MAP, mr_config_set_file, 0);
        mr_node_attach(node, *child, segment);
    }
    return MR_OK;
}

static void mark_as_override(struct mr_node *node)
{
    node->line = 0;
    for (unsigned i = 0; i < node->child_count; i++)
        mark_as_override(node->children[i]);
}

// Two values are plain text although YAML has it otherwise: nothing at all, and the dash that stands
// for standard input and output.
static int read_value(const struct key_path *path, struct mr_node **value, struct mr_error *err)
{
    const char *text = path->end + 1;
    if (text[strspn(text, " ")] == '\0' || strcmp(text, "-") == 0) {
        *value = mr_node_new(MR_NODE_SCALAR, mr_config_set_file, 0);
        (*value)->text = mr_text_copy(strcmp(text, "-") == 0 ? "-" : "");
        return MR_OK;
    }
    int code = mr_config_read(text, strlen(text), mr_config_set_file, value, err);
    if (code != MR_OK)
        return fail_key(path, err, "the value is not YAML; quotes around it may help");
    mark_as_override(*value);
    return MR_OK;
}

int mr_config_set(struct mr_node *root, const char *assignment, struct mr_error *err)
{
    const char *equals = strchr(assignment, '=');
    struct key_path path = {assignment, assignment, equals};
    if (equals == NULL || equals == assignment)
        return fail_key(&path, err, "expected KEY=VALUE");
    struct mr_node *value, *node = root;
    int code = read_value(&path, &value, err);
    while (code == MR_OK && path.at < path.end) {
        char segment[SEGMENT_BYTES];
        if (!take_segment(&path, segment))
            code = fail_key(&path, err, "expected a key such as source.path or transform.0.filter");
        else
            code = step(node, segment, &path, &node, err);
    }
    if (code == MR_OK)
        mr_node_replace(node, value);
    else
        mr_node_free(value);
    return code;
}
