// SPDX-License-Identifier: Apache-2.0
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "core/config_tree.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char mr_config_set_file[] = "--set";

static void *checked(void *memory)
{
    if (memory == NULL) {
        fputs("millrace: out of memory\n", stderr);
        abort();
    }
    return memory;
}

char *mr_text_copy(const char *text)
{
    return checked(strdup(text));
}

struct mr_node *mr_node_new(enum mr_node_kind kind, const char *file, unsigned line)
{
    struct mr_node *node = checked(calloc(1, sizeof *node));
    node->kind = kind;
    node->file = file;
    node->line = line;
    return node;
}

void mr_node_free(struct mr_node *node)
{
    if (node == NULL)
        return;
    for (unsigned i = 0; i < node->child_count; i++)
        mr_node_free(node->children[i]);
    free(node->children);
    free(node->key);
    free(node->path);
    free(node->text);
    free(node);
}

// "source.path", "transform[2].filter"; the root's path is empty. `index`: of the node in its
// parent.
static void name_path(struct mr_node *node, unsigned index)
{
    const char *above = node->parent->path != NULL ? node->parent->path : "";
    size_t bytes = strlen(above) + (node->key != NULL ? strlen(node->key) : 0) + 16;
    free(node->path);
    node->path = checked(malloc(bytes));
    if (node->key == NULL)
        snprintf(node->path, bytes, "%s[%u]", above, index);
    else
        snprintf(node->path, bytes, "%s%s%s", above, *above != '\0' ? "." : "", node->key);
    for (unsigned i = 0; i < node->child_count; i++)
        name_path(node->children[i], i);
}

void mr_node_attach(struct mr_node *parent, struct mr_node *child, const char *key)
{
    size_t bytes = (parent->child_count + 1) * sizeof(struct mr_node *);
    parent->children = checked(realloc(parent->children, bytes));
    parent->children[parent->child_count] = child;
    child->parent = parent;
    child->key = key != NULL ? mr_text_copy(key) : NULL;
    name_path(child, parent->child_count++);
}

void mr_node_replace(struct mr_node *old, struct mr_node *child)
{
    unsigned index = 0;
    while (old->parent->children[index] != old)
        index++;
    child->parent = old->parent;
    child->key = old->key != NULL ? mr_text_copy(old->key) : NULL;
    old->parent->children[index] = child;
    name_path(child, index);
    mr_node_free(old);
}

struct mr_node *mr_config_child(const struct mr_node *map, const char *key)
{
    if (map == NULL || map->kind != MR_NODE_MAP)
        return NULL;
    for (unsigned i = 0; i < map->child_count; i++)
        if (strcmp(map->children[i]->key, key) == 0)
            return map->children[i];
    return NULL;
}

int mr_config_fail(const struct mr_node *node, struct mr_error *err, const char *format, ...)
{
    char text[sizeof err->text];
    const char *path = node->path != NULL ? node->path : "";
    const char *separator = *path != '\0' ? ": " : "";
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (node->line == 0)
        return mr_fail(err, MR_ERR_CONFIG, "%s: %s%s%s", node->file, path, separator, text);
    return mr_fail(err, MR_ERR_CONFIG, "%s:%u: %s%s%s", node->file, node->line, path, separator,
                   text);
}

int mr_config_within(const struct mr_node *node, struct mr_error *err)
{
    int code = err->code;
    mr_config_fail(node, err, "%s", err->text);
    return err->code = code;
}

// ---- the nearest name ----------------------------------------------------------------------

#define NAME_LENGTH_MAX 63

static unsigned min_of_three(unsigned a, unsigned b, unsigned c)
{
    unsigned least = a < b ? a : b;
    return least < c ? least : c;
}

unsigned mr_edit_distance(const char *a, const char *b)
{
    unsigned row[NAME_LENGTH_MAX + 1];
    size_t a_length = strlen(a), b_length = strlen(b);
    if (a_length > NAME_LENGTH_MAX || b_length > NAME_LENGTH_MAX)
        return NAME_LENGTH_MAX;
    for (unsigned j = 0; j <= b_length; j++)
        row[j] = j;
    for (unsigned i = 1; i <= a_length; i++) {
        unsigned diagonal = row[0];
        row[0] = i;
        for (unsigned j = 1; j <= b_length; j++) {
            unsigned above = row[j];
            unsigned differs = a[i - 1] != b[j - 1];
            row[j] = min_of_three(above + 1, row[j - 1] + 1, diagonal + differs);
            diagonal = above;
        }
    }
    return row[b_length];
}

const char *mr_config_nearest(const char *found, const char *const *names, unsigned count)
{
    const char *nearest = NULL;
    size_t length = strlen(found);
    unsigned least = length <= 3 ? 1 : length <= 7 ? 2 : 3; // a slip changes few letters
    for (unsigned i = 0; i < count; i++) {
        unsigned distance = mr_edit_distance(found, names[i]);
        if (distance <= least && (nearest == NULL || distance < least)) {
            least = distance;
            nearest = names[i];
        }
    }
    return nearest;
}

uint64_t mr_config_digest(const struct mr_node *node)
{
    if (!node)
        return 0;
    uint64_t digest = (uint64_t)node->kind + 1;
    if (node->key)
        digest = XXH3_64bits_withSeed(node->key, strlen(node->key), digest);
    if (node->kind == MR_NODE_SCALAR && node->text)
        digest = XXH3_64bits_withSeed(node->text, strlen(node->text), digest);
    for (unsigned i = 0; i < node->child_count; i++) {
        uint64_t below = mr_config_digest(node->children[i]);
        digest = XXH3_64bits_withSeed(&below, sizeof below, digest);
    }
    return digest;
}
