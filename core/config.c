// SPDX-License-Identifier: Apache-2.0
// YAML text into the configuration tree. libyaml's document interface is used because it gives
// every node the mark where it began, and the tree keeps the line.
#include "core/config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "core/config_tree.h"

struct reading {
    yaml_document_t *document;
    const char *file;
    unsigned nodes; // made so far
    struct mr_error *err;
};

static unsigned line_of(const yaml_node_t *node)
{
    return (unsigned)node->start_mark.line + 1;
}

static struct mr_node *read_node(struct reading *reading, int index, unsigned depth);

static struct mr_node *read_scalar(struct reading *reading, const yaml_node_t *from)
{
    if (strlen((const char *)from->data.scalar.value) != from->data.scalar.length) {
        mr_fail(reading->err, MR_ERR_CONFIG, "%s:%u: found a zero byte in a text", reading->file,
                line_of(from));
        return NULL;
    }
    struct mr_node *node = mr_node_new(MR_NODE_SCALAR, reading->file, line_of(from));
    node->text = mr_text_copy((const char *)from->data.scalar.value);
    node->quoted = from->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
    return node;
}

static struct mr_node *read_list(struct reading *reading, const yaml_node_t *from, unsigned depth)
{
    struct mr_node *list = mr_node_new(MR_NODE_LIST, reading->file, line_of(from));
    const yaml_node_item_t *item = from->data.sequence.items.start;
    for (; item < from->data.sequence.items.top; item++) {
        struct mr_node *child = read_node(reading, *item, depth + 1);
        if (child == NULL) {
            mr_node_free(list);
            return NULL;
        }
        mr_node_attach(list, child, NULL);
    }
    return list;
}

static const char *read_key(struct reading *reading, const struct mr_node *map,
                            const yaml_node_t *key)
{
    if (key->type != YAML_SCALAR_NODE) {
        mr_fail(reading->err, MR_ERR_CONFIG, "%s:%u: found a %s as key, expected a name",
                reading->file, line_of(key), key->type == YAML_MAPPING_NODE ? "mapping" : "list");
        return NULL;
    }
    const char *name = (const char *)key->data.scalar.value;
    const struct mr_node *earlier = mr_config_child(map, name);
    if (earlier != NULL) {
        mr_fail(reading->err, MR_ERR_CONFIG,
                "%s:%u: found key %s a second time, the first is on line %u", reading->file,
                line_of(key), name, earlier->line);
        return NULL;
    }
    return name;
}

static bool read_pair(struct reading *reading, struct mr_node *map, const yaml_node_pair_t *pair,
                      unsigned depth)
{
    const yaml_node_t *key = yaml_document_get_node(reading->document, pair->key);
    const char *name = read_key(reading, map, key);
    if (name == NULL)
        return false;
    struct mr_node *child = read_node(reading, pair->value, depth + 1);
    if (child == NULL)
        return false;
    child->line = line_of(key); // where people look for it
    mr_node_attach(map, child, name);
    return true;
}

static struct mr_node *read_map(struct reading *reading, const yaml_node_t *from, unsigned depth)
{
    struct mr_node *map = mr_node_new(MR_NODE_MAP, reading->file, line_of(from));
    const yaml_node_pair_t *pair = from->data.mapping.pairs.start;
    for (; pair < from->data.mapping.pairs.top; pair++) {
        if (!read_pair(reading, map, pair, depth)) {
            mr_node_free(map);
            return NULL;
        }
    }
    return map;
}

// An alias may name a node that it stands in, and a few lines of aliases can stand for millions of
// nodes: depth and number end both.
static struct mr_node *read_node(struct reading *reading, int index, unsigned depth)
{
    const yaml_node_t *from = yaml_document_get_node(reading->document, index);
    if (depth > MR_CONFIG_DEPTH_MAX || ++reading->nodes > MR_CONFIG_NODES_MAX) {
        mr_fail(reading->err, MR_ERR_CONFIG, "%s:%u: found %s, expected at most %u", reading->file,
                line_of(from), depth > MR_CONFIG_DEPTH_MAX ? "deeper nesting" : "more values",
                depth > MR_CONFIG_DEPTH_MAX ? MR_CONFIG_DEPTH_MAX : MR_CONFIG_NODES_MAX);
        return NULL;
    }
    switch (from->type) {
    case YAML_SCALAR_NODE:
        return read_scalar(reading, from);
    case YAML_SEQUENCE_NODE:
        return read_list(reading, from, depth);
    case YAML_MAPPING_NODE:
        return read_map(reading, from, depth);
    default:
        mr_fail(reading->err, MR_ERR_CONFIG, "%s:%u: found an empty node", reading->file,
                line_of(from));
        return NULL;
    }
}

static int fail_syntax(const yaml_parser_t *parser, const char *file, struct mr_error *err)
{
    const char *problem = parser->problem != NULL ? parser->problem : "not readable";
    if (parser->error == YAML_MEMORY_ERROR)
        return mr_fail(err, MR_ERR_MEMORY, "%s: out of memory", file);
    if (parser->error == YAML_READER_ERROR)
        return mr_fail(err, MR_ERR_CONFIG, "%s: byte %zu: %s", file, parser->problem_offset,
                       problem);
    if (parser->context == NULL)
        return mr_fail(err, MR_ERR_CONFIG, "%s:%zu: %s", file, parser->problem_mark.line + 1,
                       problem);
    return mr_fail(err, MR_ERR_CONFIG, "%s:%zu: %s, %s that begins on line %zu", file,
                   parser->problem_mark.line + 1, problem, parser->context,
                   parser->context_mark.line + 1);
}

// The second document of a file would be ignored silently: refuse it.
static int expect_end(yaml_parser_t *parser, const char *file, struct mr_error *err)
{
    yaml_document_t next;
    if (!yaml_parser_load(parser, &next))
        return fail_syntax(parser, file, err);
    const yaml_node_t *root = yaml_document_get_root_node(&next);
    size_t line = root != NULL ? root->start_mark.line + 1 : 0;
    yaml_document_delete(&next);
    if (line == 0)
        return MR_OK;
    return mr_fail(err, MR_ERR_CONFIG, "%s:%zu: found a second document, expected one", file, line);
}

static int read_document(yaml_parser_t *parser, const char *file, struct mr_node **root,
                         struct mr_error *err)
{
    yaml_document_t document;
    if (!yaml_parser_load(parser, &document))
        return fail_syntax(parser, file, err);
    struct reading reading = {.document = &document, .file = file, .err = err};
    *root = NULL;
    if (yaml_document_get_root_node(&document) != NULL)
        *root = read_node(&reading, 1, 0);
    else
        mr_fail(err, MR_ERR_CONFIG, "%s: found nothing, expected keys and values", file);
    yaml_document_delete(&document);
    if (*root == NULL)
        return MR_ERR_CONFIG;
    int code = expect_end(parser, file, err);
    if (code != MR_OK) {
        mr_node_free(*root);
        *root = NULL;
    }
    return code;
}

int mr_config_read(const char *text, size_t length, const char *file, struct mr_node **root,
                   struct mr_error *err)
{
    yaml_parser_t parser;
    *root = NULL;
    if (!yaml_parser_initialize(&parser))
        return mr_fail(err, MR_ERR_MEMORY, "%s: out of memory", file);
    yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, length);
    int code = read_document(&parser, file, root, err);
    yaml_parser_delete(&parser);
    return code;
}

// The tree owns the file's name through its root.
static int parse_bytes(const char *text, size_t length, const char *file_name,
                       struct mr_node **root, struct mr_error *err)
{
    char *file = mr_text_copy(file_name);
    int code = mr_config_read(text, length, file, root, err);
    if (*root != NULL && (*root)->kind != MR_NODE_MAP) {
        code = mr_config_fail(*root, err, "found a %s, expected keys and values",
                              (*root)->kind == MR_NODE_LIST ? "list" : "single value");
        mr_node_free(*root);
        *root = NULL;
    }
    if (code != MR_OK)
        free(file);
    return code;
}

int mr_config_parse(const char *text, const char *file_name, struct mr_node **root,
                    struct mr_error *err)
{
    return parse_bytes(text, strlen(text), file_name, root, err);
}

void mr_config_free(struct mr_node *root)
{
    if (root == NULL)
        return;
    char *file = (char *)root->file;
    mr_node_free(root);
    free(file);
}

static char *read_whole_file(FILE *file, const char *path, size_t *length, struct mr_error *err)
{
    char *text = malloc(MR_CONFIG_FILE_BYTES_MAX + 1);
    if (text == NULL) {
        mr_fail(err, MR_ERR_MEMORY, "%s: out of memory", path);
        return NULL;
    }
    *length = fread(text, 1, MR_CONFIG_FILE_BYTES_MAX + 1, file);
    if (ferror(file))
        mr_fail_errno(err, MR_ERR_CONFIG, "%s: cannot read", path);
    else if (*length > MR_CONFIG_FILE_BYTES_MAX)
        mr_fail(err, MR_ERR_CONFIG, "%s: found a file above %u bytes, expected a pipeline file",
                path, MR_CONFIG_FILE_BYTES_MAX);
    else
        return text;
    free(text);
    return NULL;
}

int mr_config_load(const char *path, struct mr_node **root, struct mr_error *err)
{
    *root = NULL;
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return mr_fail_errno(err, MR_ERR_CONFIG, "%s: cannot open", path);
    size_t length;
    char *text = read_whole_file(file, path, &length, err);
    fclose(file);
    if (text == NULL)
        return MR_ERR_CONFIG;
    int code = parse_bytes(text, length, path, root, err);
    free(text);
    return code;
}
