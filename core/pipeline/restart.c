// SPDX-License-Identifier: Apache-2.0
#include "core/pipeline/restart.h"

#include <string.h>

// ---- the key of the pipeline file

#define OPTION(key, type, member, fallback, help, labels)                                          \
    {                                                                                              \
        key, type, offsetof(struct mr_supervise, member), fallback, help, labels                   \
    }
static const struct mr_option option_table[] = {
    OPTION("restart", MR_OPTION_ENUM, restart, "on_failure", "what is done about a stage that died",
           "never,on_failure"),
    OPTION("backoff", MR_OPTION_DURATION, backoff_ns, "100ms",
           "before the second restart; each further one waits twice as long", NULL),
    OPTION("backoff_max", MR_OPTION_DURATION, backoff_max_ns, "5s", "and this at most", NULL),
    OPTION("limit", MR_OPTION_INT, limit, "5", "restarts of one stage within the time `within`",
           NULL),
    OPTION("within", MR_OPTION_DURATION, within_ns, "60s", "the time that `limit` is for", NULL),
    {0}};
_Static_assert(MR_RESTART_NEVER == 0 && MR_RESTART_ON_FAILURE == 1, "the labels of restart");

int mr_supervise_read(const struct mr_node *node, struct mr_supervise *supervise,
                      struct mr_error *err)
{
    int code = mr_config_bind(node, NULL, option_table, supervise, sizeof *supervise, err);
    if (code != MR_OK)
        return code;
    if (supervise->limit < 1 || supervise->limit > MR_RESTART_LIMIT_MAX)
        return mr_config_fail(mr_config_child(node, "limit"), err,
                              "found %lld, expected 1 to %d restarts; `restart: never` is for none",
                              (long long)supervise->limit, MR_RESTART_LIMIT_MAX);
    if (supervise->within_ns == 0)
        return mr_config_fail(mr_config_child(node, "within"), err,
                              "found 0, expected a time in which restarts are counted");
    if (supervise->backoff_max_ns >= supervise->backoff_ns)
        return MR_OK;
    const struct mr_node *given = mr_config_child(node, "backoff_max");
    return mr_config_fail(given ? given : mr_config_child(node, "backoff"), err,
                          "found a backoff of %.3f s and a backoff_max of %.3f s, expected the "
                          "second to be no shorter",
                          (double)supervise->backoff_ns / 1e9,
                          (double)supervise->backoff_max_ns / 1e9);
}

// ---- when

static void forget_before(struct mr_restarts *restarts, int64_t since_ns)
{
    unsigned old = 0;
    while (old < restarts->count && restarts->at_ns[old] < since_ns)
        old++;
    restarts->count -= old;
    memmove(restarts->at_ns, restarts->at_ns + old, restarts->count * sizeof restarts->at_ns[0]);
}

static int64_t backoff(const struct mr_supervise *supervise, unsigned restarts_before)
{
    int64_t wait_ns = restarts_before == 0 ? 0 : supervise->backoff_ns;
    for (unsigned i = 1; i < restarts_before && wait_ns < supervise->backoff_max_ns; i++)
        wait_ns *= 2;
    return wait_ns < supervise->backoff_max_ns ? wait_ns : supervise->backoff_max_ns;
}

bool mr_restart_due(const struct mr_supervise *supervise, struct mr_restarts *restarts,
                    int64_t now_ns, int64_t *due_ns)
{
    if (supervise->restart == MR_RESTART_NEVER)
        return false;
    forget_before(restarts, now_ns - supervise->within_ns);
    if (restarts->count >= supervise->limit)
        return false;
    *due_ns = now_ns + backoff(supervise, restarts->count);
    restarts->at_ns[restarts->count++] = *due_ns;
    return true;
}
