// SPDX-License-Identifier: Apache-2.0
// Values of the configuration tree, and option structs filled from tables.
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/config_tree.h"
#include "core/formats/number.h"

const char MR_OPTION_REQUIRED[] = "(required)";

// What stands there, for "found ..., expected ...".
static void describe(const struct mr_node *node, char *out, size_t out_bytes)
{
    if (node->kind == MR_NODE_MAP)
        snprintf(out, out_bytes, "a mapping");
    else if (node->kind == MR_NODE_LIST)
        snprintf(out, out_bytes, "a list");
    else if (node->text[0] == '\0' && !node->quoted)
        snprintf(out, out_bytes, "nothing");
    else
        snprintf(out, out_bytes, "\"%.80s\"%s", node->text, strlen(node->text) > 80 ? "..." : "");
}

static int expected(const struct mr_node *node, const char *what, struct mr_error *err)
{
    char found[128];
    describe(node, found, sizeof found);
    return mr_config_fail(node, err, "found %s, expected %s", found, what);
}

static bool is_text(const struct mr_node *node)
{
    return node->kind == MR_NODE_SCALAR && (node->quoted || node->text[0] != '\0');
}

int mr_config_text(const struct mr_node *node, const char **out, struct mr_error *err)
{
    if (!is_text(node))
        return expected(node, "a text", err);
    *out = node->text;
    return MR_OK;
}

int mr_config_int(const struct mr_node *node, int64_t *out, struct mr_error *err)
{
    if (!is_text(node) || mr_parse_i64(node->text, strlen(node->text), out) != MR_NUMBER_OK)
        return expected(node, "an integer", err);
    return MR_OK;
}

int mr_config_real(const struct mr_node *node, double *out, struct mr_error *err)
{
    double value;
    if (!is_text(node) || mr_parse_f64(node->text, strlen(node->text), &value) != MR_NUMBER_OK ||
        !isfinite(value))
        return expected(node, "a number", err);
    *out = value;
    return MR_OK;
}

int mr_config_bool(const struct mr_node *node, bool *out, struct mr_error *err)
{
    static const char *const words[] = {"false", "true", "no", "yes", "off", "on"};
    for (unsigned i = 0; is_text(node) && i < MR_COUNT_OF(words); i++) {
        if (strcasecmp(node->text, words[i]) == 0) {
            *out = i & 1;
            return MR_OK;
        }
    }
    return expected(node, "true or false", err);
}

struct unit {
    const char *name;
    uint64_t factor;
};

static const struct unit *find_unit(const char *name, const struct unit *units, unsigned count)
{
    while (*name == ' ')
        name++;
    for (unsigned i = 0; i < count; i++)
        if (strcasecmp(name, units[i].name) == 0)
            return &units[i];
    return NULL;
}

int mr_config_size(const struct mr_node *node, uint64_t *out, struct mr_error *err)
{
    static const struct unit units[] = {{"", 1},
                                        {"B", 1},
                                        {"KiB", 1ULL << 10},
                                        {"MiB", 1ULL << 20},
                                        {"GiB", 1ULL << 30},
                                        {"TiB", 1ULL << 40},
                                        {"kB", 1000},
                                        {"MB", 1000000},
                                        {"GB", 1000000000},
                                        {"TB", 1000000000000}};
    const char *text = is_text(node) ? node->text : "";
    size_t digits = strspn(text, "0123456789");
    uint64_t number;
    const struct unit *unit = find_unit(text + digits, units, MR_COUNT_OF(units));
    if (unit == NULL || mr_parse_u64(text, digits, &number) != MR_NUMBER_OK ||
        __builtin_mul_overflow(number, unit->factor, &number))
        return expected(node, "a size such as 65536, 64KiB or 16MiB", err);
    *out = number;
    return MR_OK;
}

// Text to ns: the power of ten of the unit is the number's scale, so that 0.1s is exactly
// 100000000.
static bool parse_duration(const char *text, int64_t *out_ns)
{
    static const struct unit scales[] = {{"ns", 0}, {"us", 3}, {"ms", 6}, {"s", 9},
                                         {"", 9},   {"m", 9},  {"h", 9},  {"d", 9}};
    static const struct unit seconds[] = {{"m", 60}, {"h", 3600}, {"d", 86400}};
    size_t digits = strspn(text, "+0123456789.");
    int64_t number;
    const struct unit *scale = find_unit(text + digits, scales, MR_COUNT_OF(scales));
    if (scale == NULL ||
        mr_parse_decimal(text, digits, (unsigned)scale->factor, &number) != MR_NUMBER_OK)
        return false;
    const struct unit *longer = find_unit(text + digits, seconds, MR_COUNT_OF(seconds));
    return !__builtin_mul_overflow(number, longer != NULL ? (int64_t)longer->factor : 1, out_ns);
}

int mr_config_duration(const struct mr_node *node, int64_t *out_ns, struct mr_error *err)
{
    int64_t duration_ns;
    if (!is_text(node) || !parse_duration(node->text, &duration_ns))
        return expected(node, "a duration such as 250us, 100ms, 0.5s or 2h", err);
    *out_ns = duration_ns;
    return MR_OK;
}

// ---- lists of names ------------------------------------------------------------------------

// "spin,yield,park" as people say it: "spin, yield or park".
static void join_names(const char *names, char *out, size_t out_bytes)
{
    size_t used = 0;
    out[0] = '\0';
    while (*names != '\0' && used < out_bytes) {
        size_t length = strcspn(names, ",");
        const char *rest = names + length + (names[length] == ',');
        bool last_but_one = *rest != '\0' && strchr(rest, ',') == NULL;
        used += (size_t)snprintf(out + used, out_bytes - used, "%.*s%s", (int)length, names,
                                 *rest == '\0'  ? ""
                                 : last_but_one ? " or "
                                                : ", ");
        names = rest;
    }
}

static bool is_in(const char *names, const char *name)
{
    size_t length = strlen(name);
    for (; names != NULL && *names != '\0'; names += strcspn(names, ","), names += *names == ',')
        if (strcspn(names, ",") == length && memcmp(names, name, length) == 0)
            return true;
    return false;
}

static int bind_enum(const struct mr_node *node, const char *labels, int *out, struct mr_error *err)
{
    char joined[300];
    int index = 0;
    const char *at = labels;
    size_t length = is_text(node) ? strlen(node->text) : 0;
    for (; length > 0 && *at != '\0'; index++, at += *at == ',') {
        if (strcspn(at, ",") == length && memcmp(at, node->text, length) == 0) {
            *out = index;
            return MR_OK;
        }
        at += strcspn(at, ",");
    }
    join_names(labels, joined, sizeof joined);
    return expected(node, joined, err);
}

// ---- option tables -------------------------------------------------------------------------

#define OPTIONS_MAX 64

static int bind_value(const struct mr_node *node, const struct mr_option *option, void *out,
                      struct mr_error *err)
{
    switch (option->type) {
    case MR_OPTION_STRING:
        return mr_config_text(node, out, err);
    case MR_OPTION_INT:
        return mr_config_int(node, out, err);
    case MR_OPTION_SIZE:
        return mr_config_size(node, out, err);
    case MR_OPTION_DURATION:
        return mr_config_duration(node, out, err);
    case MR_OPTION_REAL:
        return mr_config_real(node, out, err);
    case MR_OPTION_BOOL:
        return mr_config_bool(node, out, err);
    case MR_OPTION_ENUM:
        return bind_enum(node, option->labels, out, err);
    case MR_OPTION_NODE:
        *(const struct mr_node **)out = node;
        return MR_OK;
    }
    return MR_ERR_INTERNAL;
}

static int fail_missing(const struct mr_node *map, const struct mr_option *option,
                        struct mr_error *err)
{
    if (map == NULL)
        return mr_fail(err, MR_ERR_CONFIG, "key %s is missing: %s", option->name, option->help);
    return mr_config_fail(map, err, "key %s is missing: %s", option->name, option->help);
}

// Defaults take the same way as what people write, so they mean the same.
static int bind_fallback(const struct mr_node *map, const struct mr_option *option, void *out,
                         struct mr_error *err)
{
    if (option->fallback == MR_OPTION_REQUIRED)
        return fail_missing(map, option, err);
    if (option->fallback == NULL || option->type == MR_OPTION_NODE)
        return MR_OK;
    struct mr_node node = {.kind = MR_NODE_SCALAR,
                           .file = "default",
                           .path = (char *)option->name,
                           .text = (char *)option->fallback,
                           .quoted = true};
    return bind_value(&node, option, out, err);
}

static int fail_unknown(const struct mr_node *child, const char *ignore,
                        const struct mr_option *table, struct mr_error *err)
{
    const char *names[OPTIONS_MAX];
    unsigned count = 0;
    char all[600] = "", joined[640];
    size_t used = (size_t)snprintf(all, sizeof all, "%s", ignore != NULL ? ignore : "");
    for (; table[count].name != NULL && count < OPTIONS_MAX; count++) {
        names[count] = table[count].name;
        if (used < sizeof all)
            used += (size_t)snprintf(all + used, sizeof all - used, "%s%s", used > 0 ? "," : "",
                                     names[count]);
    }
    const char *nearest = mr_config_nearest(child->key, names, count);
    if (nearest != NULL)
        return mr_config_fail(child, err, "unknown key, did you mean %s?", nearest);
    join_names(all, joined, sizeof joined);
    if (joined[0] == '\0')
        return mr_config_fail(child, err, "unknown key, expected none");
    return mr_config_fail(child, err, "unknown key, expected %s", joined);
}

static int check_keys(const struct mr_node *map, const char *ignore, const struct mr_option *table,
                      struct mr_error *err)
{
    for (unsigned i = 0; i < map->child_count; i++) {
        const struct mr_node *child = map->children[i];
        const struct mr_option *option = table;
        while (option->name != NULL && strcmp(option->name, child->key) != 0)
            option++;
        if (option->name == NULL && !is_in(ignore, child->key))
            return fail_unknown(child, ignore, table, err);
    }
    return MR_OK;
}

int mr_config_bind(const struct mr_node *map, const char *ignore, const struct mr_option *table,
                   void *options, size_t options_bytes, struct mr_error *err)
{
    memset(options, 0, options_bytes);
    if (map != NULL && map->kind != MR_NODE_MAP)
        return expected(map, "keys and values", err);
    int code = map != NULL ? check_keys(map, ignore, table, err) : MR_OK;
    for (const struct mr_option *option = table; option->name != NULL && code == MR_OK; option++) {
        const struct mr_node *child = mr_config_child(map, option->name);
        void *out = (char *)options + option->offset;
        code = child != NULL ? bind_value(child, option, out, err)
                             : bind_fallback(map, option, out, err);
    }
    return code;
}
