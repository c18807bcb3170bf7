// SPDX-License-Identifier: Apache-2.0
#include "core/pipeline/stage_options.h"

#include <string.h>

#include "core/cores.h"
#include "core/pipeline/realtime.h"

const char *const mr_wait_strategy_names[] = {"spin", "yield", "park", "auto", NULL};
_Static_assert(MR_WAIT_SPIN == 0 && MR_WAIT_YIELD == 1 && MR_WAIT_PARK == 2 && MR_WAIT_AUTO == 3,
               "the names of waits are in the enum's order");

// The node that speaks for a role: the word itself, or its place in the list. What is said of the producer is said
// of each.
static const struct mr_node *node_of(const struct mr_node *node, unsigned role)
{
    unsigned at = mr_role_is_producer(role) ? MR_ROLE_PRODUCER : role;
    return node->kind == MR_NODE_LIST ? node->children[at] : node;
}

static int check_shape(const struct mr_node *node, const char *expected, struct mr_error *err)
{
    if (node->kind == MR_NODE_MAP)
        return mr_config_fail(node, err, "found keys and values, expected %s", expected);
    if (node->kind == MR_NODE_LIST && node->child_count != MR_TRIO)
        return mr_config_fail(
            node, err, "found a list of %u, expected three: producer's, transform's, loader's",
            node->child_count);
    return MR_OK;
}

static int read_strategy(const struct mr_node *node, enum mr_wait_strategy *wait,
                         struct mr_error *err)
{
    const char *text;
    int code = mr_config_text(node, &text, err);
    for (int i = 0; code == MR_OK && mr_wait_strategy_names[i]; i++)
        if (strcmp(text, mr_wait_strategy_names[i]) == 0) {
            *wait = (enum mr_wait_strategy)i;
            return MR_OK;
        }
    return code != MR_OK ? code
                         : mr_config_fail(node, err,
                                          "found \"%s\", expected spin, yield, park or auto", text);
}

int mr_stages_read_wait(const struct mr_node *node, enum mr_wait_strategy wait[MR_ROLE_COUNT],
                        struct mr_error *err)
{
    int code = node ? check_shape(node, "spin, yield, park, auto or a list of three", err) : MR_OK;
    for (unsigned role = 0; role < MR_ROLE_COUNT && code == MR_OK; role++) {
        wait[role] = MR_WAIT_AUTO;
        if (node)
            code = read_strategy(node_of(node, role), &wait[role], err);
    }
    return code;
}

static int read_core(const struct mr_node *node, int *core, struct mr_error *err)
{
    int64_t number;
    int code = mr_config_int(node, &number, err);
    if (code == MR_OK && (number < 0 || number >= MR_CORES_MAX))
        code = mr_config_fail(node, err, "found %lld, expected a core from 0 to %d",
                              (long long)number, MR_CORES_MAX - 1);
    *core = (int)number;
    return code;
}

int mr_stages_read_placement(const struct mr_node *node, struct mr_placement *placement,
                             struct mr_error *err)
{
    static const char expected[] = "none, auto or a list of three cores";
    *placement = (struct mr_placement){.kind = MR_PLACEMENT_NONE, .node = node};
    int code = node ? check_shape(node, expected, err) : MR_OK;
    if (!node || code != MR_OK)
        return code;
    if (node->kind == MR_NODE_LIST) {
        placement->kind = MR_PLACEMENT_LIST;
        for (unsigned role = 0; role < MR_ROLE_COUNT && code == MR_OK; role++)
            code = read_core(node_of(node, role), &placement->core[role], err);
        return code;
    }
    if (strcmp(node->text, "auto") == 0)
        placement->kind = MR_PLACEMENT_AUTO;
    else if (strcmp(node->text, "none") != 0)
        code = mr_config_fail(node, err, "found \"%s\", expected %s", node->text, expected);
    return code;
}

int mr_stages_check_realtime(const struct mr_pipeline *pipeline, int64_t priority,
                             struct mr_error *err)
{
    const struct mr_node *node = mr_config_child(pipeline->root, "realtime");
    if (priority < 0 || priority > MR_REALTIME_PRIORITY_MAX)
        return mr_config_fail(node, err, "found %lld, expected a priority from 1 to %d, or 0: none",
                              (long long)priority, MR_REALTIME_PRIORITY_MAX);
    for (unsigned role = 0; role < MR_TRIO && priority > 0; role++)
        if (pipeline->wait[role] == MR_WAIT_SPIN || pipeline->wait[role] == MR_WAIT_YIELD)
            return mr_config_fail(
                node, err,
                "found %lld beside wait: %s of the %s, which would keep everything "
                "else from its core: expected wait: auto or park",
                (long long)priority, mr_wait_strategy_names[pipeline->wait[role]],
                mr_role_name((enum mr_role)role));
    return MR_OK;
}
