// SPDX-License-Identifier: Apache-2.0
// Pipeline files: the tree, overrides, options, and the exact words about what is wrong.
#include "core/config.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/scratch.h"

static struct mr_node *root;
static struct mr_error err;

static void close_tree(void)
{
    mr_config_free(root);
    root = NULL;
}
TestSuite(config, .fini = close_tree);

static void load(const char *text)
{
    close_tree();
    cr_assert_eq(mr_config_parse(text, "p.yaml", &root, &err), MR_OK, "%s", err.text);
}

static void refuse(const char *text, const char *problem)
{
    close_tree();
    cr_expect_eq(mr_config_parse(text, "p.yaml", &root, &err), MR_ERR_CONFIG, "%s", text);
    cr_expect_null(root);
    cr_expect_str_eq(err.text, problem);
}

static const struct mr_node *at(const char *key)
{
    const struct mr_node *node = mr_config_child(root, key);
    cr_assert_not_null(node, "%s", key);
    return node;
}

static const char *const example = "name: itch\n"
                                   "source:\n"
                                   "  type: itch_file\n"
                                   "  path: \"a b.itch\"\n"
                                   "transform:\n"
                                   "  - filter: price > 3\n"
                                   "  - set: {a: b,\n"
                                   "          c: 'd'}\n"
                                   "empty:\n";

Test(config, every_node_knows_its_place)
{
    load(example);
    cr_expect_eq(root->line, 1);
    const struct mr_node *path = mr_config_child(at("source"), "path");
    cr_expect_str_eq(path->path, "source.path");
    cr_expect_str_eq(path->text, "a b.itch");
    cr_expect(path->quoted);
    cr_expect_eq(path->line, 4);
    cr_expect_eq(at("source")->line, 2);
    cr_expect_not(at("name")->quoted);
    const struct mr_node *transform = at("transform");
    cr_expect_eq(transform->kind, MR_NODE_LIST);
    cr_expect_eq(transform->child_count, 2);
    const struct mr_node *c = mr_config_child(mr_config_child(transform->children[1], "set"), "c");
    cr_expect_str_eq(c->path, "transform[1].set.c");
    cr_expect_eq(c->line, 8);
    cr_expect_str_eq(at("empty")->text, "");
    mr_config_fail(c, &err, "found %d", 3);
    cr_expect_str_eq(err.text, "p.yaml:8: transform[1].set.c: found 3");
    cr_expect_eq(mr_config_fail(root, &err, "odd"), MR_ERR_CONFIG);
    cr_expect_str_eq(err.text, "p.yaml:1: odd");
}

Test(config, syntax_errors_name_the_line)
{
    refuse("a: 1\nb: [1, 2\nc: 3\n",
           "p.yaml:3: did not find expected ',' or ']', while parsing a flow "
           "sequence that begins on line 2");
    refuse("a: 1\n\tb: 2\n", "p.yaml:2: found a tab character that violates indentation, while "
                             "scanning a plain scalar that begins on line 1");
    refuse("a: \x01\n", "p.yaml: byte 3: control characters are not allowed");
    refuse("a: \xff\n", "p.yaml: byte 3: invalid leading UTF-8 octet");
    refuse("a: *b\n", "p.yaml:1: found undefined alias");
    refuse("", "p.yaml: found nothing, expected keys and values");
    refuse("# only a comment\n", "p.yaml: found nothing, expected keys and values");
    refuse("- a\n", "p.yaml:1: found a list, expected keys and values");
    refuse("word\n", "p.yaml:1: found a single value, expected keys and values");
    refuse("a: 1\n---\nb: 2\n", "p.yaml:3: found a second document, expected one");
    refuse("a: \"x\\0y\"\n", "p.yaml:1: found a zero byte in a text");
}

Test(config, duplicate_and_odd_keys_are_errors)
{
    refuse("a: 1\nb: 2\na: 3\n", "p.yaml:3: found key a a second time, the first is on line 1");
    refuse("x: {a: 1, a: 2}\n", "p.yaml:1: found key a a second time, the first is on line 1");
    refuse("x:\n  ? [1]\n  : 2\n", "p.yaml:2: found a list as key, expected a name");
    refuse("x:\n  ? {b: 1}\n  : 2\n", "p.yaml:2: found a mapping as key, expected a name");
}

Test(config, aliases_stand_for_copies)
{
    load("a: &x {size: 1MiB}\nb: *x\n");
    cr_expect_str_eq(mr_config_child(at("b"), "size")->path, "b.size");
    cr_expect_str_eq(mr_config_child(at("b"), "size")->text, "1MiB");
}

Test(config, aliases_cannot_explode)
{
    refuse("a: &x [*x]\n", "p.yaml:1: found deeper nesting, expected at most 32");
    char text[4096] = "a0: &a0 [1,1,1,1,1,1,1,1,1,1]\n";
    for (int i = 1; i < 9; i++) {
        char line[256];
        int used = snprintf(line, sizeof line, "a%d: &a%d [", i, i);
        for (int j = 0; j < 10; j++)
            used += snprintf(line + used, sizeof line - (size_t)used, "*a%d%s", i - 1,
                             j < 9 ? "," : "]\n");
        strcat(text, line);
    }
    refuse(text, "p.yaml:1: found more values, expected at most 10000");
    memset(text, '[', 2000);
    memcpy(text, "a: ", 3);
    text[2000] = '\0';
    cr_expect_eq(mr_config_parse(text, "p.yaml", &root, &err), MR_ERR_CONFIG);
}

Test(config, files_are_loaded_or_named)
{
    struct scratch scratch;
    char path[128], expected[256];
    scratch_open(&scratch);
    scratch_path(&scratch, "p.yaml", path, sizeof path);
    snprintf(expected, sizeof expected, "%s: cannot open: No such file or directory", path);
    cr_expect_eq(mr_config_load(path, &root, &err), MR_ERR_CONFIG);
    cr_expect_str_eq(err.text, expected);
    FILE *file = fopen(path, "w");
    cr_assert_not_null(file);
    fputs("a: 1\n", file);
    fclose(file);
    cr_expect_eq(mr_config_load(path, &root, &err), MR_OK);
    cr_expect_str_eq(root->file, path);
    close_tree();
    cr_expect_eq(mr_config_load(scratch.directory, &root, &err), MR_ERR_CONFIG);
    snprintf(expected, sizeof expected, "%s: cannot read: Is a directory", scratch.directory);
    cr_expect_str_eq(err.text, expected);
    scratch_close(&scratch);
}

// ---- overrides -----------------------------------------------------------------------------

static void set(const char *assignment)
{
    cr_expect_eq(mr_config_set(root, assignment, &err), MR_OK, "%s", err.text);
}

static void refuse_set(const char *assignment, const char *problem)
{
    cr_expect_eq(mr_config_set(root, assignment, &err), MR_ERR_USAGE);
    cr_expect_str_eq(err.text, problem);
}

Test(config, overrides_take_the_place_of_what_was_there)
{
    load(example);
    set("source.path=x=y.itch");
    cr_expect_str_eq(mr_config_child(at("source"), "path")->text, "x=y.itch");
    set("transform.0.filter=price > 4");
    set("transform[1]={drop: [a, b]}");
    const struct mr_node *transform = at("transform");
    cr_expect_str_eq(mr_config_child(transform->children[0], "filter")->text, "price > 4");
    const struct mr_node *drop = mr_config_child(transform->children[1], "drop");
    cr_assert_not_null(drop);
    cr_expect_str_eq(drop->children[1]->path, "transform[1].drop[1]");
    set("ring.size=1MiB");
    set("name=");
    set("empty.x=1");
    cr_expect_str_eq(mr_config_child(at("empty"), "x")->text, "1");
    cr_expect_str_eq(mr_config_child(at("ring"), "size")->text, "1MiB");
    cr_expect_str_eq(at("name")->text, "");
    mr_config_fail(mr_config_child(at("ring"), "size"), &err, "odd");
    cr_expect_str_eq(err.text, "--set: ring.size: odd");
}

Test(config, overrides_that_lead_nowhere_are_refused)
{
    load(example);
    refuse_set("name", "--set name: expected KEY=VALUE");
    refuse_set("=1", "--set =1: expected KEY=VALUE");
    refuse_set("a..b=1", "--set a..b=1: expected a key such as source.path or transform.0.filter");
    refuse_set(".a=1", "--set .a=1: expected a key such as source.path or transform.0.filter");
    refuse_set("a.=1", "--set a.=1: expected a key such as source.path or transform.0.filter");
    refuse_set("name.x=1", "--set name.x=1: name is a single value and has no key x");
    refuse_set("transform.2.x=1", "--set transform.2.x=1: transform is a list of 2, found \"2\", "
                                  "expected 0 to 1");
    refuse_set("transform.x=1",
               "--set transform.x=1: transform is a list of 2, found \"x\", expected 0 "
               "to 1");
    refuse_set("a={b", "--set a={b: the value is not YAML; quotes around it may help");
}

// ---- options -------------------------------------------------------------------------------

struct options {
    const char *text;
    int64_t integer, duration_ns;
    uint64_t size_bytes;
    double real;
    bool flag;
    int choice;
    struct mr_node *node;
};

static const struct mr_option table[] = {
    {"path", MR_OPTION_STRING, offsetof(struct options, text), MR_OPTION_REQUIRED,
     "the file to read", NULL},
    {"count", MR_OPTION_INT, offsetof(struct options, integer), "7", "how many", NULL},
    {"every", MR_OPTION_DURATION, offsetof(struct options, duration_ns), "0.5s", "how often", NULL},
    {"batch", MR_OPTION_SIZE, offsetof(struct options, size_bytes), "1MiB", "bytes at a time",
     NULL},
    {"factor", MR_OPTION_REAL, offsetof(struct options, real), "1.5", "times", NULL},
    {"follow", MR_OPTION_BOOL, offsetof(struct options, flag), "yes", "wait for more", NULL},
    {"pace", MR_OPTION_ENUM, offsetof(struct options, choice), "realtime", "how fast",
     "asap,realtime,slow"},
    {"map", MR_OPTION_NODE, offsetof(struct options, node), NULL, "names", NULL},
    {0}};
static struct options options;

static int bind(const char *text)
{
    load(text);
    return mr_config_bind(at("source"), "type", table, &options, sizeof options, &err);
}

static void refuse_options(const char *text, const char *problem)
{
    cr_expect_eq(bind(text), MR_ERR_CONFIG);
    cr_expect_str_eq(err.text, problem);
}

Test(config, options_have_defaults)
{
    cr_assert_eq(bind("source: {type: t, path: a}\n"), MR_OK, "%s", err.text);
    cr_expect_str_eq(options.text, "a");
    cr_expect_eq(options.integer, 7);
    cr_expect_eq(options.duration_ns, 500000000);
    cr_expect_eq(options.size_bytes, 1 << 20);
    cr_expect_eq(options.real, 1.5);
    cr_expect_eq(options.flag, true);
    cr_expect_eq(options.choice, 1);
    cr_expect_null(options.node);
}

Test(config, options_are_read)
{
    cr_assert_eq(
        bind("source:\n  path: 007\n  count: -3\n  every: 250us\n  batch: \"64KiB\"\n  factor: 2\n"
             "  follow: off\n  pace: slow\n  map: {a: b}\n"),
        MR_OK, "%s", err.text);
    cr_expect_str_eq(options.text, "007");
    cr_expect_eq(options.integer, -3);
    cr_expect_eq(options.duration_ns, 250000);
    cr_expect_eq(options.size_bytes, 65536);
    cr_expect_eq(options.real, 2.0);
    cr_expect_eq(options.flag, false);
    cr_expect_eq(options.choice, 2);
    cr_expect_str_eq(mr_config_child(options.node, "a")->text, "b");
}

Test(config, wrong_options_are_named)
{
    refuse_options("source:\n  type: t\n",
                   "p.yaml:1: source: key path is missing: the file to read");
    refuse_options("source:\n  path: a\n  pth: b\n",
                   "p.yaml:3: source.pth: unknown key, did you mean path?");
    refuse_options(
        "source: {path: a, zzzzzz: b}\n",
        "p.yaml:1: source.zzzzzz: unknown key, expected type, path, count, every, batch, factor, "
        "follow, pace or map");
    refuse_options("source: [a]\n", "p.yaml:1: source: found a list, expected keys and values");
    refuse_options("source: {path: }\n", "p.yaml:1: source.path: found nothing, expected a text");
    refuse_options("source: {path: [a]}\n", "p.yaml:1: source.path: found a list, expected a text");
    refuse_options("source: {path: a, count: many}\n",
                   "p.yaml:1: source.count: found \"many\", expected an integer");
    refuse_options("source: {path: a, count: 1.5}\n",
                   "p.yaml:1: source.count: found \"1.5\", expected an integer");
    refuse_options("source: {path: a, factor: nan}\n",
                   "p.yaml:1: source.factor: found \"nan\", expected a number");
    refuse_options("source: {path: a, follow: maybe}\n",
                   "p.yaml:1: source.follow: found \"maybe\", expected true or false");
    refuse_options(
        "source: {path: a, batch: 1.5MiB}\n",
        "p.yaml:1: source.batch: found \"1.5MiB\", expected a size such as 65536, 64KiB or "
        "16MiB");
    refuse_options(
        "source: {path: a, every: 5 parsecs}\n",
        "p.yaml:1: source.every: found \"5 parsecs\", expected a duration such as 250us, 100ms, "
        "0.5s or 2h");
    refuse_options("source: {path: a, pace: fast}\n",
                   "p.yaml:1: source.pace: found \"fast\", expected asap, realtime or slow");
    refuse_options("source: {path: a, pace: {b: c}}\n",
                   "p.yaml:1: source.pace: found a mapping, expected asap, realtime or slow");
}

Test(config, no_mapping_means_defaults)
{
    cr_expect_eq(mr_config_bind(NULL, NULL, table, &options, sizeof options, &err), MR_ERR_CONFIG);
    cr_expect_str_eq(err.text, "key path is missing: the file to read");
    cr_expect_eq(mr_config_bind(NULL, NULL, table + 1, &options, sizeof options, &err), MR_OK);
    cr_expect_eq(options.integer, 7);
}

struct sample {
    const char *text;
    int64_t value; // -1: refused
};

static struct mr_node scalar(const char *text)
{
    return (struct mr_node){
        .kind = MR_NODE_SCALAR, .file = "p.yaml", .line = 1, .text = (char *)text};
}

Test(config, sizes)
{
    static const struct sample samples[] = {{"0", 0},
                                            {"4096", 4096},
                                            {"1KiB", 1024},
                                            {"1 MiB", 1 << 20},
                                            {"2gib", 2LL << 30},
                                            {"1TiB", 1LL << 40},
                                            {"10MB", 10000000},
                                            {"1kB", 1000},
                                            {"5B", 5},
                                            {"", -1},
                                            {"KiB", -1},
                                            {"-1", -1},
                                            {"1KiB ", -1},
                                            {"1Kib2", -1},
                                            {"1e3", -1},
                                            {"99999999999999999999", -1},
                                            {"99999999TiB", -1}};
    for (size_t i = 0; i < MR_COUNT_OF(samples); i++) {
        struct mr_node node = scalar(samples[i].text);
        uint64_t size = 0;
        int code = mr_config_size(&node, &size, &err);
        cr_expect_eq(code, samples[i].value < 0 ? MR_ERR_CONFIG : MR_OK, "%s", samples[i].text);
        cr_expect(code != MR_OK || size == (uint64_t)samples[i].value, "%s", samples[i].text);
    }
}

Test(config, durations)
{
    static const struct sample samples[] = {{"10ns", 10},
                                            {"5us", 5000},
                                            {"100ms", 100000000},
                                            {"0.5s", 500000000},
                                            {"3", 3000000000},
                                            {"0.1", 100000000},
                                            {"1m", 60000000000},
                                            {"2h", 7200000000000},
                                            {"1d", 86400000000000},
                                            {"10000000000ns", 10000000000},
                                            {"1.000000001s", 1000000001},
                                            {"0", 0},
                                            {"", -1},
                                            {"s", -1},
                                            {"-1s", -1},
                                            {"0.5ns", -1},
                                            {"1w", -1},
                                            {"1.2.3s", -1},
                                            {"300000000000s", -1},
                                            {"9000000d", -1}};
    for (size_t i = 0; i < MR_COUNT_OF(samples); i++) {
        struct mr_node node = scalar(samples[i].text);
        int64_t duration_ns = -2;
        int code = mr_config_duration(&node, &duration_ns, &err);
        cr_expect_eq(code, samples[i].value < 0 ? MR_ERR_CONFIG : MR_OK, "%s", samples[i].text);
        cr_expect(code != MR_OK || duration_ns == samples[i].value, "%s", samples[i].text);
    }
}

Test(config, text_changed_at_random_never_crashes)
{
    uint64_t seed = random_seed(11);
    char text[256];
    unsigned refused = 0;
    for (int round = 0; round < 3000; round++) {
        strcpy(text, example);
        for (int changes = 0; changes < 3; changes++)
            text[random_below(&seed, strlen(example))] =
                "{}[]:,-&*\"'|>#\t\n \xff?a"[random_below(&seed, 20)];
        close_tree();
        err.text[0] = '\0';
        if (mr_config_parse(text, "p.yaml", &root, &err) != MR_OK) {
            cr_assert_eq(strncmp(err.text, "p.yaml", 6), 0, "%s", err.text);
            refused++;
        }
    }
    cr_expect_gt(refused, 100);
}
