// SPDX-License-Identifier: Apache-2.0
// Pipeline files: any text gives a tree or an error with a sentence, and the tree can be walked, set
// and bound.
#include <stdlib.h>
#include <string.h>

#include "core/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

struct options {
    const char *text;
    int64_t number, time_ns;
    uint64_t size;
    double real;
    bool flag;
    int label;
};

static const struct mr_option table[] = {
    {"text", MR_OPTION_STRING, offsetof(struct options, text), NULL, "", NULL},
    {"number", MR_OPTION_INT, offsetof(struct options, number), "1", "", NULL},
    {"time", MR_OPTION_DURATION, offsetof(struct options, time_ns), "1s", "", NULL},
    {"size", MR_OPTION_SIZE, offsetof(struct options, size), "1MiB", "", NULL},
    {"real", MR_OPTION_REAL, offsetof(struct options, real), "0.5", "", NULL},
    {"flag", MR_OPTION_BOOL, offsetof(struct options, flag), "no", "", NULL},
    {"label", MR_OPTION_ENUM, offsetof(struct options, label), "a", "", "a,b"},
    {0}};

static void must_say(int code, const struct mr_error *err)
{
    if (code != MR_OK && err->text[0] == '\0')
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    struct mr_error err = {0};
    struct mr_node *root = NULL;
    struct options options;
    char *text = malloc(length + 1);
    memcpy(text, bytes, length);
    text[length] = '\0';
    int code = mr_config_parse(text, "fuzz.yaml", &root, &err);
    must_say(code, &err);
    if (code == MR_OK) {
        mr_config_digest(root);
        must_say(mr_config_bind(root, NULL, table, &options, sizeof options, &err), &err);
        must_say(mr_config_set(root, text, &err), &err);
        mr_config_free(root);
    }
    free(text);
    return 0;
}
