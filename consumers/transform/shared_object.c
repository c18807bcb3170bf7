// SPDX-License-Identifier: Apache-2.0
// shared_object: an operator of one's own, in C.
//
//     - shared_object: {path: ./notional.so, options: {price: px}}
//
// The object declares its operator with MR_OPERATOR_PLUGIN (operator.h), built against this source
// tree; examples/operators/notional.c is one. It takes this operator's place in the chain: its
// options are those under `options`, its counters bear its own name. A path without a slash is
// looked for in the current directory. The object stays loaded until the process ends.
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "consumers/transform/operator.h"

struct shared_object_options {
    const char *path;
    const struct mr_node *options;
};

static const struct mr_option option_table[] = {
    {"path", MR_OPTION_STRING, offsetof(struct shared_object_options, path), MR_OPTION_REQUIRED,
     "the file", NULL},
    {"options", MR_OPTION_NODE, offsetof(struct shared_object_options, options), NULL,
     "the operator's own options", NULL},
    {0},
};

// NULL where the object's operator can be used, else what is wrong with it.
static const char *find_fault(const struct mr_operator *plugin, const uint64_t *layout)
{
    if (!plugin || !layout)
        return "without an operator (MR_OPERATOR_PLUGIN), expected one that exports it";
    if (*layout != MR_OPERATOR_LAYOUT)
        return "built against the headers of another version, expected this one's: build it anew";
    if (!plugin->name || !plugin->open || !plugin->apply)
        return "with an operator that lacks its name, open or apply, expected all three";
    return NULL;
}

static const struct mr_operator *load(const struct mr_op *op, const char *path,
                                      struct mr_error *err)
{
    char here[512];
    const struct mr_node *node = mr_config_child(op->node, "path");
    snprintf(here, sizeof here, "%s%s", strchr(path, '/') ? "" : "./", path);
    void *object = dlopen(here, RTLD_NOW | RTLD_LOCAL);
    if (!object) {
        mr_config_fail(node, err, "found what cannot be loaded (%s), expected a shared object",
                       dlerror());
        return NULL;
    }
    const struct mr_operator *plugin = dlsym(object, "mr_operator_plugin");
    const char *fault = find_fault(plugin, dlsym(object, "mr_operator_plugin_layout"));
    if (!fault)
        return plugin;
    mr_config_fail(node, err, "found %s %s", path, fault);
    dlclose(object);
    return NULL;
}

static int bind_plugin(struct mr_op *op, const struct mr_operator *plugin,
                       const struct mr_node *options, struct mr_error *err)
{
    void *bound = calloc(1, plugin->options_bytes + 1);
    if (!bound)
        return mr_fail(err, MR_ERR_MEMORY, "out of memory for the options of %s", plugin->name);
    free(op->options);
    op->options = bound;
    op->kind = plugin;
    if (options)
        op->node = options;
    if (!plugin->options)
        return MR_OK;
    if (options && options->kind != MR_NODE_MAP)
        return mr_config_fail(options, err, "found no mapping, expected one with the options of %s",
                              plugin->name);
    return mr_config_bind(options, NULL, plugin->options, bound, plugin->options_bytes, err);
}

static int shared_object_open(struct mr_op *op, struct mr_error *err)
{
    struct shared_object_options given = *(const struct shared_object_options *)op->options;
    const struct mr_operator *plugin = load(op, given.path, err);
    if (!plugin)
        return MR_ERR_CONFIG;
    int code = bind_plugin(op, plugin, given.options, err);
    return code == MR_OK ? plugin->open(op, err) : code;
}

// Never called: the plugin has taken the operator's place.
static void shared_object_apply(struct mr_op *op, struct mr_record *record)
{
    mr_op_pass(op, record);
}

const struct mr_operator mr_operator_shared_object = {
    .name = "shared_object",
    .about = "an operator of one's own in C, loaded from a shared object",
    .help = "- shared_object: {path: ./notional.so, options: {price: px}}\n",
    .options = option_table,
    .options_bytes = sizeof(struct shared_object_options),
    .open = shared_object_open,
    .apply = shared_object_apply,
};
