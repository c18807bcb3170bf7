// SPDX-License-Identifier: Apache-2.0
#include "core/pipeline/pipeline.h"

#include <arpa/inet.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/pipeline/declared.h"
#include "core/pipeline/restart.h"
#include "core/pipeline/stage_options.h"
#include "core/type.h"

#define BATCH_BYTES_MIN 1024

struct file_options {
    const char *name, *shm;
    struct mr_node *source, *schemas, *transform, *sink, *dead_letter;
    struct mr_node *ring, *ingress, *egress, *metrics;
    struct mr_node *wait, *placement, *supervise, *share;
    int huge_pages, merge;
    bool prefault, lock_memory, harden;
    int64_t realtime;
    uint64_t batch_bytes;
};

#define FILE_OPTION(key, type, member, fallback, help, labels)                                     \
    {                                                                                              \
        key, type, offsetof(struct file_options, member), fallback, help, labels                   \
    }
static const struct mr_option file_option_table[] = {
    FILE_OPTION("name", MR_OPTION_STRING, name, NULL, "of the run; default: the file's", NULL),
    FILE_OPTION("source", MR_OPTION_NODE, source, MR_OPTION_REQUIRED,
                "where records come from, {type: ...} or a list of such", NULL),
    FILE_OPTION("merge", MR_OPTION_ENUM, merge, "arrival",
                "how the records of several sources become one stream", "arrival,time"),
    FILE_OPTION("schemas", MR_OPTION_NODE, schemas, NULL, "declared schemas", NULL),
    FILE_OPTION("transform", MR_OPTION_NODE, transform, NULL, "the chain of operators", NULL),
    FILE_OPTION("sink", MR_OPTION_NODE, sink, MR_OPTION_REQUIRED, "where records go, {type: ...}",
                NULL),
    FILE_OPTION("dead_letter", MR_OPTION_NODE, dead_letter, NULL, "where rejected records go",
                NULL),
    FILE_OPTION("ring", MR_OPTION_NODE, ring, NULL, "both rings, {size: ..., full: ...}", NULL),
    FILE_OPTION("ingress", MR_OPTION_NODE, ingress, NULL, "the first ring", NULL),
    FILE_OPTION("egress", MR_OPTION_NODE, egress, NULL, "the second ring", NULL),
    FILE_OPTION("wait", MR_OPTION_NODE, wait, NULL, "what idle stages do", NULL),
    FILE_OPTION("placement", MR_OPTION_NODE, placement, NULL, "which cores the stages run on",
                NULL),
    FILE_OPTION("huge_pages", MR_OPTION_ENUM, huge_pages, "off", "pages of the shared memory",
                "off,advise"),
    FILE_OPTION("prefault", MR_OPTION_BOOL, prefault, "false", "map shared memory at the start",
                NULL),
    FILE_OPTION("lock_memory", MR_OPTION_BOOL, lock_memory, "false", "never swap it out", NULL),
    FILE_OPTION("realtime", MR_OPTION_INT, realtime, "0", "SCHED_FIFO priority; 0: none", NULL),
    FILE_OPTION("harden", MR_OPTION_BOOL, harden, "false",
                "take away from the stages what they do not need", NULL),
    FILE_OPTION("batch", MR_OPTION_SIZE, batch_bytes, "16KiB", "most bytes between commits", NULL),
    FILE_OPTION("share", MR_OPTION_NODE, share, NULL, "who else may look at the run, {group: ...}",
                NULL),
    FILE_OPTION("metrics", MR_OPTION_NODE, metrics, NULL, "{port: ...}", NULL),
    FILE_OPTION("supervise", MR_OPTION_NODE, supervise, NULL,
                "what is done about a stage that died, {restart: ...}", NULL),
    FILE_OPTION("shm", MR_OPTION_STRING, shm, NULL, "root of the run directories", NULL),
    {0}};

// ---- rings ---------------------------------------------------------------------------------

struct ring_file_options {
    uint64_t size_bytes;
    int full;
};

// Defaults differ from ring to ring, so they are no part of the table: zero and -1 stand for "not
// given".
static const struct mr_option ring_option_table[] = {
    {"size", MR_OPTION_SIZE, offsetof(struct ring_file_options, size_bytes), NULL,
     "bytes, a power of two", NULL},
    {"full", MR_OPTION_ENUM, offsetof(struct ring_file_options, full), NULL,
     "what happens to a record when there is no room", "block,drop_newest"},
    {0}};
_Static_assert(MR_FULL_BLOCK == 0 && MR_FULL_DROP_NEWEST == 1, "the labels of full");

static void size_text(uint64_t bytes, char *out, size_t out_bytes)
{
    static const char *const units[] = {"", "KiB", "MiB", "GiB", "TiB"};
    unsigned unit = 0;
    while (unit + 1 < MR_COUNT_OF(units) && bytes != 0 && bytes % 1024 == 0) {
        bytes /= 1024;
        unit++;
    }
    snprintf(out, out_bytes, "%llu%s", (unsigned long long)bytes, units[unit]);
}

static int check_capacity(const struct mr_node *node, uint64_t bytes, struct mr_error *err)
{
    char low[32], high[32];
    if (bytes < MR_RING_CAPACITY_MIN || bytes > MR_RING_CAPACITY_MAX) {
        size_text(MR_RING_CAPACITY_MIN, low, sizeof low);
        size_text(MR_RING_CAPACITY_MAX, high, sizeof high);
        return mr_config_fail(node, err, "found %s, expected a power of two from %s to %s",
                              node->text, low, high);
    }
    if (mr_is_power_of_two(bytes))
        return MR_OK;
    uint64_t below = 1ULL << (63 - __builtin_clzll(bytes));
    size_text(below, low, sizeof low);
    size_text(below * 2, high, sizeof high);
    return mr_config_fail(node, err, "found %s, expected a power of two: the nearest are %s and %s",
                          node->text, low, high);
}

// Takes over what the mapping says; the rest of `ring` stays as it is.
static int override_ring(const struct mr_node *node, const char *ignore,
                         struct mr_ring_options *ring, struct mr_error *err)
{
    struct ring_file_options options;
    if (node == NULL)
        return MR_OK;
    int code = mr_config_bind(node, ignore, ring_option_table, &options, sizeof options, err);
    const struct mr_node *size = mr_config_child(node, "size");
    if (code == MR_OK && size != NULL)
        code = check_capacity(size, options.size_bytes, err);
    if (code != MR_OK)
        return code;
    if (size != NULL)
        ring->capacity = options.size_bytes;
    if (mr_config_child(node, "full") != NULL)
        ring->full_policy = (enum mr_full_policy)options.full;
    return MR_OK;
}

#define RING_BYTES_DEFAULT (16u << 20)
#define DEAD_RING_BYTES_DEFAULT (4u << 20)

// Journals take their checksums from the ring that feeds them; the ingress ring feeds none.
static int read_rings(struct mr_pipeline *pipeline, const struct file_options *file,
                      struct mr_error *err)
{
    struct mr_ring_options common = {.capacity = RING_BYTES_DEFAULT, .full_policy = MR_FULL_BLOCK};
    struct mr_ring_options dead = {
        .capacity = DEAD_RING_BYTES_DEFAULT, .full_policy = MR_FULL_BLOCK, .checksummed = true};
    int code = override_ring(file->ring, NULL, &common, err);
    pipeline->rings[MR_RING_INGRESS] = common;
    pipeline->rings[MR_RING_EGRESS] = common;
    pipeline->rings[MR_RING_EGRESS].checksummed = true;
    if (code == MR_OK)
        code = override_ring(file->ingress, NULL, &pipeline->rings[MR_RING_INGRESS], err);
    if (code == MR_OK)
        code = override_ring(file->egress, NULL, &pipeline->rings[MR_RING_EGRESS], err);
    pipeline->rings[MR_RING_DEAD_PRODUCER] = dead;
    pipeline->rings[MR_RING_DEAD_TRANSFORM] = dead;
    for (unsigned i = 1; i < MR_PRODUCERS_MAX; i++)
        pipeline->rings[mr_ingress_ring(i)] = pipeline->rings[MR_RING_INGRESS];
    return code;
}

// A batch must leave room in a ring for the next one while its own is still being read.
static int check_batch(const struct mr_pipeline *pipeline, uint64_t batch_bytes,
                       struct mr_error *err)
{
    uint64_t least = mr_min_u64(pipeline->rings[MR_RING_INGRESS].capacity,
                                pipeline->rings[MR_RING_EGRESS].capacity);
    if (batch_bytes >= BATCH_BYTES_MIN && batch_bytes <= least / 4)
        return MR_OK;
    char low[32], high[32];
    const struct mr_node *node = mr_config_child(pipeline->root, "batch");
    size_text(BATCH_BYTES_MIN, low, sizeof low);
    size_text(least / 4, high, sizeof high);
    return mr_config_fail(node != NULL ? node : pipeline->root, err,
                          "found a batch of %llu bytes, expected %s to a quarter of the smaller "
                          "ring, %s",
                          (unsigned long long)batch_bytes, low, high);
}

// No ring takes a record longer than a quarter of itself.
static int check_schemas(const struct mr_pipeline *pipeline, struct mr_error *err)
{
    char most[32];
    uint64_t record_bytes_max = pipeline->rings[MR_RING_INGRESS].capacity / 4;
    size_text(record_bytes_max, most, sizeof most);
    for (uint32_t i = 0; i < pipeline->declared.count; i++) {
        const struct mr_schema *schema = pipeline->declared.schemas[i];
        if (schema->record_bytes > record_bytes_max)
            return mr_config_fail(pipeline->schemas_node->children[i], err,
                                  "records of schema %s take %u bytes, expected at most a quarter "
                                  "of the ingress ring, %s",
                                  schema->name, schema->record_bytes, most);
    }
    return MR_OK;
}

// ---- the other keys ------------------------------------------------------------------------

static int expect_typed_map(const struct mr_node *node, struct mr_error *err)
{
    const struct mr_node *type = mr_config_child(node, "type");
    const char *name;
    if (node->kind != MR_NODE_MAP || type == NULL)
        return mr_config_fail(node, err, "expected keys and values with a type");
    return mr_config_text(type, &name, err);
}

static int read_sources(struct mr_pipeline *pipeline, struct mr_node *node, struct mr_error *err)
{
    bool several = node->kind == MR_NODE_LIST;
    pipeline->source_count = several ? node->child_count : 1;
    if (pipeline->source_count < 1 || pipeline->source_count > MR_PRODUCERS_MAX)
        return mr_config_fail(node, err, "found a list of %u sources, expected 1 to %d",
                              pipeline->source_count, MR_PRODUCERS_MAX);
    int code = MR_OK;
    for (unsigned i = 0; i < pipeline->source_count && code == MR_OK; i++) {
        pipeline->source_nodes[i] = several ? node->children[i] : node;
        code = expect_typed_map(pipeline->source_nodes[i], err);
    }
    pipeline->source_node = pipeline->source_nodes[0];
    return code;
}

static int read_plugins(struct mr_pipeline *pipeline, const struct file_options *file,
                        struct mr_error *err)
{
    pipeline->transform_node = file->transform;
    pipeline->sink_node = file->sink;
    pipeline->schemas_node = file->schemas;
    int code = read_sources(pipeline, file->source, err);
    if (code == MR_OK)
        code = expect_typed_map(file->sink, err);
    if (code == MR_OK && file->transform != NULL && file->transform->kind != MR_NODE_LIST)
        code = mr_config_fail(file->transform, err, "expected a list of operators");
    if (code == MR_OK)
        code = mr_declared_schemas(file->schemas, &pipeline->declared, err);
    return code;
}

static int read_dead_letter(struct mr_pipeline *pipeline, const struct mr_node *node,
                            struct mr_error *err)
{
    struct dead_letter_options {
        const char *path;
    } options;
    static const struct mr_option table[] = {{"path", MR_OPTION_STRING,
                                              offsetof(struct dead_letter_options, path), NULL,
                                              "directory of the dead-letter journals", NULL},
                                             {0}};
    int code = mr_config_bind(node, "size,full", table, &options, sizeof options, err);
    if (code == MR_OK)
        code = override_ring(node, "path", &pipeline->rings[MR_RING_DEAD_PRODUCER], err);
    pipeline->rings[MR_RING_DEAD_TRANSFORM] = pipeline->rings[MR_RING_DEAD_PRODUCER];
    for (unsigned i = 1; i < MR_PRODUCERS_MAX; i++)
        pipeline->rings[mr_dead_producer_ring(i)] = pipeline->rings[MR_RING_DEAD_PRODUCER];
    pipeline->dead_letter_path = options.path;
    return code;
}

static int read_metrics(struct mr_pipeline *pipeline, const struct mr_node *node,
                        struct mr_error *err)
{
    struct metrics_options {
        int64_t port;
        const char *address;
    } options;
    static const struct mr_option table[] = {
        {"port", MR_OPTION_INT, offsetof(struct metrics_options, port), "0", "TCP port; 0: none",
         NULL},
        {"address", MR_OPTION_STRING, offsetof(struct metrics_options, address),
         MR_METRICS_ADDRESS_DEFAULT, "numeric address that is listened on", NULL},
        {0}};
    int code = mr_config_bind(node, NULL, table, &options, sizeof options, err);
    if (code != MR_OK)
        return code;
    if (options.port < 0 || options.port > UINT16_MAX)
        return mr_config_fail(mr_config_child(node, "port"), err,
                              "found %lld, expected a port from 0 to %u", (long long)options.port,
                              UINT16_MAX);
    struct in6_addr parsed;
    if (inet_pton(AF_INET, options.address, &parsed) != 1 &&
        inet_pton(AF_INET6, options.address, &parsed) != 1)
        return mr_config_fail(mr_config_child(node, "address"), err,
                              "found \"%s\", expected a numeric address, such as 127.0.0.1 or ::1",
                              options.address);
    pipeline->metrics_port = (int)options.port;
    pipeline->metrics_address = options.address;
    return MR_OK;
}

static int read_share(struct mr_pipeline *pipeline, const struct mr_node *node,
                      struct mr_error *err)
{
    struct share_options {
        const char *group;
    } options;
    static const struct mr_option table[] = {
        {"group", MR_OPTION_STRING, offsetof(struct share_options, group), MR_OPTION_REQUIRED,
         "whose members may look at the run", NULL},
        {0}};
    if (!node)
        return MR_OK;
    int code = mr_config_bind(node, NULL, table, &options, sizeof options, err);
    if (code != MR_OK)
        return code;
    const struct group *group = getgrnam(options.group);
    if (!group || group->gr_gid == 0)
        return mr_config_fail(mr_config_child(node, "group"), err,
                              "found \"%s\", expected the name of a group, and not root's",
                              options.group);
    pipeline->share_gid = group->gr_gid;
    return MR_OK;
}

// "dir/itch.yaml" is the run "itch".
static void name_from_file(const char *path, char *out, size_t out_bytes)
{
    const char *slash = strrchr(path, '/');
    const char *base = slash != NULL ? slash + 1 : path;
    const char *dot = strrchr(base, '.');
    int length = (int)(dot != NULL && dot != base ? (size_t)(dot - base) : strlen(base));
    snprintf(out, out_bytes, "%.*s", length, base);
}

static int read_name(struct mr_pipeline *pipeline, const char *given, struct mr_error *err)
{
    char name[256];
    snprintf(name, sizeof name, "%s", given != NULL ? given : "");
    if (given == NULL)
        name_from_file(pipeline->file, name, sizeof name);
    if (!mr_name_is_sound(name)) {
        const struct mr_node *node = mr_config_child(pipeline->root, "name");
        return mr_config_fail(
            node != NULL ? node : pipeline->root, err,
            "found the name \"%s\"%s, expected at most %u of A-Z a-z 0-9 _ . -, no "
            "point in front",
            name, given == NULL ? " (the file's: give a name)" : "", MR_NAME_BYTES - 1);
    }
    memcpy(pipeline->name, name, strlen(name) + 1);
    return MR_OK;
}

// The longest file name in the directory, with its slash and a temporary suffix, fits behind it.
#define FILE_NAME_BYTES 48

static int read_directory(struct mr_pipeline *pipeline, const char *shm, struct mr_error *err)
{
    const char *from_environment = getenv("MILLRACE_SHM");
    if (shm == NULL)
        shm = from_environment != NULL && *from_environment != '\0' ? from_environment : "/dev/shm";
    int length = snprintf(pipeline->directory, sizeof pipeline->directory, "%s/millrace-%u/%s", shm,
                          (unsigned)getuid(), pipeline->name);
    if (length > 0 && (size_t)length + FILE_NAME_BYTES <= sizeof pipeline->directory)
        return MR_OK;
    const struct mr_node *node = mr_config_child(pipeline->root, "shm");
    return mr_config_fail(node != NULL ? node : pipeline->root, err,
                          "the run's directory %s/millrace-%u/%s is longer than %zu bytes", shm,
                          (unsigned)getuid(), pipeline->name,
                          sizeof pipeline->directory - FILE_NAME_BYTES);
}

// ---- the whole -----------------------------------------------------------------------------

static int read_pipeline(struct mr_pipeline *pipeline, struct mr_error *err)
{
    struct file_options file;
    int code = mr_config_bind(pipeline->root, NULL, file_option_table, &file, sizeof file, err);
    if (code == MR_OK)
        code = read_name(pipeline, file.name, err);
    if (code == MR_OK)
        code = read_directory(pipeline, file.shm, err);
    if (code == MR_OK)
        code = read_plugins(pipeline, &file, err);
    if (code == MR_OK)
        code = read_rings(pipeline, &file, err);
    if (code == MR_OK)
        code = read_dead_letter(pipeline, file.dead_letter, err);
    if (code == MR_OK)
        code = read_metrics(pipeline, file.metrics, err);
    if (code == MR_OK)
        code = read_share(pipeline, file.share, err);
    if (code == MR_OK)
        code = mr_stages_read_wait(file.wait, pipeline->wait, err);
    if (code == MR_OK)
        code = mr_stages_read_placement(file.placement, &pipeline->placement, err);
    pipeline->placement.source_count = pipeline->source_count;
    if (code == MR_OK)
        code = mr_supervise_read(file.supervise, &pipeline->supervise, err);
    if (code == MR_OK)
        code = mr_stages_check_realtime(pipeline, file.realtime, err);
    if (code == MR_OK)
        code = check_batch(pipeline, file.batch_bytes, err);
    if (code == MR_OK)
        code = check_schemas(pipeline, err);
    if (code != MR_OK)
        return code;
    pipeline->memory = (struct mr_memory){
        .huge_pages = (enum mr_huge_pages)file.huge_pages,
        .prefault = file.prefault,
        .lock = file.lock_memory,
    };
    pipeline->merges_by_time = file.merge == 1;
    pipeline->realtime = (int)file.realtime;
    pipeline->harden = file.harden;
    pipeline->batch_bytes_max = file.batch_bytes;
    return MR_OK;
}

static int read_tree(struct mr_pipeline *pipeline, const char *const *sets, unsigned set_count,
                     struct mr_error *err)
{
    int code = MR_OK;
    pipeline->file = pipeline->root->file;
    for (unsigned i = 0; i < set_count && code == MR_OK; i++)
        code = mr_config_set(pipeline->root, sets[i], err);
    if (code == MR_OK)
        code = read_pipeline(pipeline, err);
    if (code != MR_OK)
        mr_pipeline_free(pipeline);
    return code;
}

int mr_pipeline_load(struct mr_pipeline *pipeline, const char *path, const char *const *sets,
                     unsigned set_count, struct mr_error *err)
{
    memset(pipeline, 0, sizeof *pipeline);
    int code = mr_config_load(path, &pipeline->root, err);
    return code == MR_OK ? read_tree(pipeline, sets, set_count, err) : code;
}

int mr_pipeline_parse(struct mr_pipeline *pipeline, const char *text, const char *file_name,
                      struct mr_error *err)
{
    memset(pipeline, 0, sizeof *pipeline);
    int code = mr_config_parse(text, file_name, &pipeline->root, err);
    return code == MR_OK ? read_tree(pipeline, NULL, 0, err) : code;
}

void mr_pipeline_free(struct mr_pipeline *pipeline)
{
    mr_schema_set_clear(&pipeline->declared);
    mr_config_free(pipeline->root);
    memset(pipeline, 0, sizeof *pipeline);
}

struct mr_pipeline mr_pipeline_of_source(const struct mr_pipeline *pipeline, unsigned source)
{
    struct mr_pipeline own = *pipeline;
    if (source < pipeline->source_count)
        own.source_node = pipeline->source_nodes[source];
    return own;
}

bool mr_pipeline_has_role(const struct mr_pipeline *pipeline, enum mr_role role)
{
    return !mr_role_is_producer(role) || mr_role_source(role) < mr_pipeline_sources(pipeline);
}

bool mr_pipeline_has_ring(const struct mr_pipeline *pipeline, enum mr_ring_index ring)
{
    return mr_pipeline_has_role(pipeline, mr_ring_writer(ring));
}

enum mr_role mr_ring_writer(enum mr_ring_index ring)
{
    if (ring >= MR_RING_DEAD_PRODUCER_2)
        return mr_producer_role(ring - MR_RING_DEAD_PRODUCER_2 + 1);
    if (ring >= MR_RING_INGRESS_2)
        return mr_producer_role(ring - MR_RING_INGRESS_2 + 1);
    return ring == MR_RING_INGRESS || ring == MR_RING_DEAD_PRODUCER ? MR_ROLE_PRODUCER
                                                                    : MR_ROLE_TRANSFORM;
}

enum mr_role mr_ring_reader(enum mr_ring_index ring)
{
    return mr_ring_is_ingress(ring) ? MR_ROLE_TRANSFORM : MR_ROLE_LOADER;
}

const char *mr_role_name(enum mr_role role)
{
    static const char *const names[] = {"producer",   "transform",  "loader",
                                        "producer-2", "producer-3", "producer-4"};
    _Static_assert(MR_COUNT_OF(names) == MR_ROLE_COUNT, "a name for each role");
    return (unsigned)role < MR_ROLE_COUNT ? names[role] : "unknown";
}

const char *mr_ring_index_name(enum mr_ring_index ring)
{
    static const char *const names[] = {
        "ingress",   "egress",    "dead-producer",   "dead-transform",  "ingress-2",
        "ingress-3", "ingress-4", "dead-producer-2", "dead-producer-3", "dead-producer-4"};
    _Static_assert(MR_COUNT_OF(names) == MR_RING_COUNT, "a name for each ring");
    return (unsigned)ring < MR_RING_COUNT ? names[ring] : "unknown";
}

void mr_pipeline_ring_path(const struct mr_pipeline *pipeline, enum mr_ring_index ring, char *out,
                           size_t out_bytes)
{
    snprintf(out, out_bytes, "%s/%s.ring", pipeline->directory, mr_ring_index_name(ring));
}

void mr_pipeline_stage_path(const struct mr_pipeline *pipeline, enum mr_role role, char *out,
                            size_t out_bytes)
{
    snprintf(out, out_bytes, "%s/%s.stage", pipeline->directory, mr_role_name(role));
}
