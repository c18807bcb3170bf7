// SPDX-License-Identifier: Apache-2.0
// The pipeline file as stages see it: defaults, declared schemas, and what is refused.
#include "core/pipeline/pipeline.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/scratch.h"

static struct scratch scratch;
static char path[128];
static struct mr_pipeline pipeline;
static struct mr_error err;

static void open_fixture(void)
{
    unsetenv("MILLRACE_SHM");
    scratch_open(&scratch);
    scratch_path(&scratch, "itch-demo.yaml", path, sizeof path);
}
static void close_fixture(void)
{
    mr_pipeline_free(&pipeline);
    scratch_close(&scratch);
}
TestSuite(pipeline, .init = open_fixture, .fini = close_fixture);

#define ENDS "source: {type: mock}\nsink: {type: csv}\n"

static int load_with(const char *text, const char *const *sets, unsigned set_count)
{
    mr_pipeline_free(&pipeline);
    FILE *file = fopen(path, "w");
    cr_assert_not_null(file);
    fputs(text, file);
    fclose(file);
    return mr_pipeline_load(&pipeline, path, sets, set_count, &err);
}

static void load(const char *text)
{
    cr_assert_eq(load_with(text, NULL, 0), MR_OK, "%s", err.text);
}

// `problem` is what follows the file's path.
static void refuse(const char *text, const char *problem)
{
    cr_expect_eq(load_with(text, NULL, 0), MR_ERR_CONFIG, "%s", text);
    cr_assert_eq(strncmp(err.text, path, strlen(path)), 0, "%s", err.text);
    cr_expect_str_eq(err.text + strlen(path), problem);
}

Test(pipeline, defaults)
{
    char expected[256], found[256];
    load(ENDS);
    cr_expect_str_eq(pipeline.name, "itch-demo");
    snprintf(expected, sizeof expected, "/dev/shm/millrace-%u/itch-demo", (unsigned)getuid());
    cr_expect_str_eq(pipeline.directory, expected);
    cr_expect_str_eq(pipeline.file, path);
    cr_expect_eq(pipeline.rings[MR_RING_INGRESS].capacity, 16 << 20);
    cr_expect_not(pipeline.rings[MR_RING_INGRESS].checksummed);
    cr_expect(pipeline.rings[MR_RING_EGRESS].checksummed);
    cr_expect(pipeline.rings[MR_RING_DEAD_PRODUCER].checksummed);
    cr_expect(pipeline.rings[MR_RING_DEAD_TRANSFORM].checksummed);
    cr_expect_eq(pipeline.rings[MR_RING_DEAD_TRANSFORM].capacity, 4 << 20);
    cr_expect_eq(pipeline.rings[MR_RING_EGRESS].full_policy, MR_FULL_BLOCK);
    cr_expect_eq(pipeline.rings[MR_RING_EGRESS].start_pos, 0);
    cr_expect_eq(pipeline.wait[MR_ROLE_LOADER], MR_WAIT_AUTO);
    cr_expect_eq(pipeline.placement.kind, MR_PLACEMENT_NONE);
    cr_expect_eq(pipeline.memory.huge_pages, MR_HUGE_PAGES_OFF);
    cr_expect_not(pipeline.memory.prefault);
    cr_expect_not(pipeline.memory.lock);
    cr_expect_eq(pipeline.realtime, 0);
    cr_expect_eq(pipeline.batch_bytes_max, 16384);
    cr_expect_eq(pipeline.metrics_port, 0);
    cr_expect_eq(pipeline.supervise.restart, MR_RESTART_ON_FAILURE);
    cr_expect_eq(pipeline.supervise.backoff_ns, 100000000);
    cr_expect_eq(pipeline.supervise.backoff_max_ns, 5000000000);
    cr_expect_eq(pipeline.supervise.limit, 5);
    cr_expect_eq(pipeline.supervise.within_ns, 60000000000);
    cr_expect_null(pipeline.dead_letter_path);
    cr_expect_null(pipeline.transform_node);
    cr_expect_eq(pipeline.declared.count, 0);
    mr_pipeline_ring_path(&pipeline, MR_RING_DEAD_PRODUCER, found, sizeof found);
    strcat(expected, "/dead-producer.ring");
    cr_expect_str_eq(found, expected);
    mr_pipeline_stage_path(&pipeline, MR_ROLE_LOADER, found, sizeof found);
    cr_expect_str_eq(strrchr(found, '/'), "/loader.stage");
}

Test(pipeline, every_key_is_read)
{
    load("name: run.1\nsource: {type: mock}\nsink: {type: csv}\ntransform: [{drop: a}]\n"
         "ring: {size: 1MiB, full: drop_newest}\ningress: {full: block}\negress: {size: 2MiB}\n"
         "dead_letter: {path: dead, size: 64KiB, full: drop_newest}\nwait: park\nbatch: 4KiB\n"
         "metrics: {port: 9464}\nshm: /tmp/x\n");
    cr_expect_str_eq(pipeline.name, "run.1");
    cr_expect_eq(pipeline.rings[MR_RING_INGRESS].capacity, 1 << 20);
    cr_expect_eq(pipeline.rings[MR_RING_INGRESS].full_policy, MR_FULL_BLOCK);
    cr_expect_eq(pipeline.rings[MR_RING_EGRESS].capacity, 2 << 20);
    cr_expect_eq(pipeline.rings[MR_RING_EGRESS].full_policy, MR_FULL_DROP_NEWEST);
    cr_expect_eq(pipeline.rings[MR_RING_DEAD_TRANSFORM].capacity, 65536);
    cr_expect_eq(pipeline.rings[MR_RING_DEAD_PRODUCER].full_policy, MR_FULL_DROP_NEWEST);
    cr_expect(pipeline.rings[MR_RING_DEAD_PRODUCER].checksummed);
    cr_expect_str_eq(pipeline.dead_letter_path, "dead");
    cr_expect_eq(pipeline.wait[MR_ROLE_LOADER], MR_WAIT_PARK);
    cr_expect_eq(pipeline.batch_bytes_max, 4096);
    cr_expect_eq(pipeline.metrics_port, 9464);
    cr_expect_eq(strncmp(pipeline.directory, "/tmp/x/millrace-", 16), 0);
    cr_expect_eq(pipeline.transform_node->child_count, 1);
}

Test(pipeline, the_environment_names_the_shared_memory_root)
{
    setenv("MILLRACE_SHM", "/run/other", 1);
    load(ENDS);
    cr_expect_eq(strncmp(pipeline.directory, "/run/other/millrace-", 20), 0);
    load(ENDS "shm: /tmp/x\n");
    cr_expect_eq(strncmp(pipeline.directory, "/tmp/x/", 7), 0);
}

Test(pipeline, overrides_reach_every_key)
{
    const char *const sets[] = {"source.rate=5", "ring.size=128KiB", "name=other",
                                "transform=[{drop: a}]"};
    cr_assert_eq(load_with(ENDS, sets, MR_COUNT_OF(sets)), MR_OK, "%s", err.text);
    cr_expect_str_eq(mr_config_child(pipeline.source_node, "rate")->text, "5");
    cr_expect_eq(pipeline.rings[MR_RING_EGRESS].capacity, 131072);
    cr_expect_str_eq(pipeline.name, "other");
    const char *const bad[] = {"ring.size=100000"};
    cr_expect_eq(load_with(ENDS, bad, 1), MR_ERR_CONFIG);
    cr_expect_str_eq(err.text,
                     "--set: ring.size: found 100000, expected a power of two: the nearest are "
                     "64KiB and 128KiB");
}

Test(pipeline, wrong_files_are_refused)
{
    refuse(ENDS "souce: 1\n", ":3: souce: unknown key, did you mean source?");
    refuse("sink: {type: csv}\n",
           ":1: key source is missing: where records come from, {type: ...} or a list of such");
    refuse("source: {type: mock}\n", ":1: key sink is missing: where records go, {type: ...}");
    refuse("source: mock\nsink: {type: csv}\n", ":1: source: expected keys and values with a type");
    refuse("source: {type: mock}\nsink: {path: x}\n",
           ":2: sink: expected keys and values with a type");
    refuse(ENDS "transform: {drop: a}\n", ":3: transform: expected a list of operators");
    refuse(ENDS "wait: sleep\n", ":3: wait: found \"sleep\", expected spin, yield, park or auto");
    refuse(ENDS "metrics: {port: 65536}\n",
           ":3: metrics.port: found 65536, expected a port from 0 to 65535");
    refuse(ENDS "metrics: {prt: 1}\n", ":3: metrics.prt: unknown key, did you mean port?");
    refuse(ENDS "name: a/b\n",
           ":3: name: found the name \"a/b\", expected at most 31 of A-Z a-z 0-9 _ . -, no "
           "point in front");
    refuse(ENDS "name: ..\n",
           ":3: name: found the name \"..\", expected at most 31 of A-Z a-z 0-9 _ . -, no "
           "point in front");
    refuse(ENDS "dead_letter: {file: x}\n",
           ":3: dead_letter.file: unknown key, expected size, full or path");
}

Test(pipeline, impossible_sizes_are_refused)
{
    refuse(ENDS "ring: {size: 10MB}\n",
           ":3: ring.size: found 10MB, expected a power of two: the nearest are 8MiB and 16MiB");
    refuse(ENDS "egress: {size: 4KiB}\n",
           ":3: egress.size: found 4KiB, expected a power of two from 64KiB to 64GiB");
    refuse(ENDS "ingress: {size: 1TiB}\n",
           ":3: ingress.size: found 1TiB, expected a power of two from 64KiB to 64GiB");
    refuse(ENDS "ring: {size: big}\n",
           ":3: ring.size: found \"big\", expected a size such as 65536, 64KiB or 16MiB");
    refuse(ENDS "ring: {size: 64KiB}\nbatch: 32KiB\n",
           ":4: batch: found a batch of 32768 bytes, expected 1KiB to a quarter of the smaller "
           "ring, 16KiB");
    refuse(ENDS "batch: 0\n", ":3: batch: found a batch of 0 bytes, expected 1KiB to a quarter of "
                              "the smaller ring, 4MiB");
}

Test(pipeline, records_longer_than_a_ring_takes_are_refused)
{
    refuse(
        ENDS "ring: {size: 64KiB}\nschemas:\n- {name: s, fields: [{name: a, type: char(16384)}]}\n",
        ":5: schemas[0]: records of schema s take 16420 bytes, expected at most a quarter of the "
        "ingress ring, 16KiB");
}

Test(pipeline, directories_that_do_not_fit_are_refused)
{
    char text[512] = ENDS "shm: /";
    memset(text + strlen(text), 'x', 240);
    cr_expect_eq(load_with(text, NULL, 0), MR_ERR_CONFIG);
    cr_expect_not_null(strstr(err.text, "is longer than 208 bytes"), "%s", err.text);
}

// ---- declared schemas ----------------------------------------------------------------------

#define SCHEMAS ENDS "schemas:\n  - name: trade\n"

Test(pipeline, schemas_are_declared)
{
    load(SCHEMAS "    time: at\n"
                 "    fields:\n"
                 "      - {name: at, type: timestamp, from: data.T}\n"
                 "      - {name: symbol, type: char(12), unit: ticker}\n"
                 "      - {name: price, type: \"decimal(2)\", nullable: yes}\n"
                 "      - {name: size, type: i64, missing: null}\n"
                 "      - {name: note, type: char(8), missing: \"null\"}\n"
                 "  - {name: other, fields: [{name: x, type: u8}]}\n");
    cr_assert_eq(pipeline.declared.count, 2);
    const struct mr_schema *trade = pipeline.declared.schemas[0];
    cr_expect_eq(trade->id, 100);
    cr_expect_str_eq(trade->name, "trade");
    cr_expect_eq(trade->field_count, 5);
    cr_expect_str_eq(mr_schema_field(trade, "symbol")->unit, "ticker");
    cr_expect_eq(mr_schema_field(trade, "symbol")->null_bit, -1);
    cr_expect_eq(mr_schema_field(trade, "price")->null_bit, 0);
    cr_expect_eq(mr_schema_field(trade, "size")->null_bit, 1);
    cr_expect_eq(mr_schema_field(trade, "note")->null_bit, -1);
    cr_expect_eq(trade->record_bytes, trade->fields[4].offset + 8);
    cr_expect_eq(pipeline.declared.schemas[1]->id, 101);
    cr_expect_not_null(pipeline.schemas_node);
}

Test(pipeline, wrong_schemas_are_refused)
{
    refuse(ENDS "schemas: {}\n",
           ":3: schemas: expected a list of schemas, each with name and fields");
    refuse(ENDS "schemas: [x]\n", ":3: schemas[0]: expected keys and values with a name");
    refuse(ENDS "schemas: [{fields: []}]\n", ":3: schemas[0]: key name is missing");
    refuse(ENDS "schemas: [{name: a b, fields: []}]\n",
           ":3: schemas[0].name: found \"a b\", expected at most 31 of A-Z a-z 0-9 _ . -");
    refuse(SCHEMAS, ":4: schemas[0]: key fields is missing");
    refuse(SCHEMAS "    fields: []\n",
           ":5: schemas[0].fields: expected a list of fields, each with name and type");
    refuse(SCHEMAS "    fields:\n      - {name: a}\n",
           ":6: schemas[0].fields[0]: key type is missing");
    refuse(SCHEMAS "    fields:\n      - {name: a, type: u8}\n      - {name: a, type: u8}\n",
           ":7: schemas[0].fields[1]: schema trade has a field a already");
    refuse(SCHEMAS "    fields:\n      - {name: a, type: u8, nullable: maybe}\n",
           ":6: schemas[0].fields[0].nullable: found \"maybe\", expected true or false");
    refuse(SCHEMAS "    fields:\n      - {name: a, type: u8, unit: abcdefghijklmnop}\n",
           ":6: schemas[0].fields[0].unit: found \"abcdefghijklmnop\", expected at most 15 bytes");
    refuse(SCHEMAS "    fields: [{name: a, type: u9}]\n",
           ":5: schemas[0].fields[0]: field a: found type \"u9\", expected u8 u16 u32 u64 i8 i16 "
           "i32 i64 f32 "
           "f64 decimal(0-18) decimal_u32(0-18) timestamp bool char[1-65535] enum(label,label...) "
           "or bytes");
    refuse(SCHEMAS "    time: tine\n    fields: [{name: time, type: timestamp}]\n",
           ":5: schemas[0].time: schema trade has no field tine, did you mean time?");
    refuse(SCHEMAS "    time: a\n    fields: [{name: a, type: i64}]\n",
           ":5: schemas[0].time: field a is not of type timestamp");
    refuse(SCHEMAS
           "    fields: [{name: a, type: u8}]\n  - {name: trade, fields: [{name: a, type: u8}]}\n",
           ":6: schemas[1]: there is a schema trade already");
}

Test(pipeline, names_stand_for_indexes)
{
    cr_expect_str_eq(mr_role_name(MR_ROLE_PRODUCER), "producer");
    cr_expect_str_eq(mr_role_name(MR_ROLE_COUNT), "unknown");
    cr_expect_str_eq(mr_ring_index_name(MR_RING_DEAD_TRANSFORM), "dead-transform");
    cr_expect_str_eq(mr_ring_index_name(MR_RING_COUNT), "unknown");
}

Test(pipeline, how_stages_wait_is_one_word_or_three)
{
    load(ENDS "wait: [spin, park, yield]\n");
    cr_expect_eq(pipeline.wait[MR_ROLE_PRODUCER], MR_WAIT_SPIN);
    cr_expect_eq(pipeline.wait[MR_ROLE_TRANSFORM], MR_WAIT_PARK);
    cr_expect_eq(pipeline.wait[MR_ROLE_LOADER], MR_WAIT_YIELD);
    refuse(ENDS "wait: fast\n", ":3: wait: found \"fast\", expected spin, yield, park or auto");
    refuse(ENDS "wait: [spin, spin]\n",
           ":3: wait: found a list of 2, expected three: producer's, transform's, loader's");
    refuse(ENDS "wait: [spin, spin, sleep]\n",
           ":3: wait[2]: found \"sleep\", expected spin, yield, park or auto");
    refuse(ENDS "wait: {producer: spin}\n",
           ":3: wait: found keys and values, expected spin, yield, park, auto or a list of three");
}

Test(pipeline, placement_is_none_auto_or_three_cores)
{
    load(ENDS "placement: auto\n");
    cr_expect_eq(pipeline.placement.kind, MR_PLACEMENT_AUTO);
    load(ENDS "placement: none\n");
    cr_expect_eq(pipeline.placement.kind, MR_PLACEMENT_NONE);
    load(ENDS "placement: [3, 0, 3]\n");
    cr_expect_eq(pipeline.placement.kind, MR_PLACEMENT_LIST);
    cr_expect_eq(pipeline.placement.core[MR_ROLE_PRODUCER], 3);
    cr_expect_eq(pipeline.placement.core[MR_ROLE_TRANSFORM], 0);
    refuse(ENDS "placement: somewhere\n",
           ":3: placement: found \"somewhere\", expected none, auto or a list of three cores");
    refuse(ENDS "placement: [0, 1]\n",
           ":3: placement: found a list of 2, expected three: producer's, transform's, loader's");
    refuse(ENDS "placement: [0, -1, 0]\n",
           ":3: placement[1]: found -1, expected a core from 0 to 1023");
}

Test(pipeline, how_memory_is_held)
{
    load(ENDS "huge_pages: advise\nprefault: true\nlock_memory: yes\n");
    cr_expect_eq(pipeline.memory.huge_pages, MR_HUGE_PAGES_ADVISE);
    cr_expect(pipeline.memory.prefault);
    cr_expect(pipeline.memory.lock);
    refuse(ENDS "huge_pages: 1GiB\n", ":3: huge_pages: found \"1GiB\", expected off or advise");
}

Test(pipeline, realtime_is_for_stages_that_sleep)
{
    load(ENDS "realtime: 10\n");
    cr_expect_eq(pipeline.realtime, 10);
    load(ENDS "realtime: 10\nwait: [park, auto, park]\n");
    cr_expect_eq(pipeline.realtime, 10);
    refuse(ENDS "realtime: 100\n",
           ":3: realtime: found 100, expected a priority from 1 to 99, or 0: none");
    refuse(ENDS "realtime: 10\nwait: [auto, spin, auto]\n",
           ":3: realtime: found 10 beside wait: spin of the transform, which would keep everything "
           "else from its core: expected wait: auto or park");
}

Test(pipeline, supervise)
{
    load(ENDS "supervise: {restart: never, backoff: 0, limit: 100, within: 1ms}\n");
    cr_expect_eq(pipeline.supervise.restart, MR_RESTART_NEVER);
    cr_expect_eq(pipeline.supervise.backoff_ns, 0);
    cr_expect_eq(pipeline.supervise.limit, 100);
    cr_expect_eq(pipeline.supervise.within_ns, 1000000);
    refuse(ENDS "supervise: {restart: always}\n",
           ":3: supervise.restart: found \"always\", expected never or on_failure");
    refuse(ENDS "supervise: {limit: 0}\n", ":3: supervise.limit: found 0, expected 1 to 100 "
                                           "restarts; `restart: never` is for none");
    refuse(ENDS "supervise: {limit: 101}\n", ":3: supervise.limit: found 101, expected 1 to 100 "
                                             "restarts; `restart: never` is for none");
    refuse(ENDS "supervise:\n  limit: 3\n  within: 0\n",
           ":5: supervise.within: found 0, expected a time in which restarts are counted");
    refuse(ENDS "supervise: {backoff: 10s}\n",
           ":3: supervise.backoff: found a backoff of 10.000 s and a backoff_max of 5.000 s, "
           "expected the second to be no shorter");
    refuse(ENDS "supervise: {backoff_max: 1ms}\n",
           ":3: supervise.backoff_max: found a backoff of 0.100 s and a backoff_max of 0.001 s, "
           "expected the second to be no shorter");
}

// ---- several sources

#define SINK "sink: {type: csv}\n"

static void expect_roles(unsigned sources)
{
    cr_expect_eq(mr_pipeline_sources(&pipeline), sources);
    cr_expect_eq(pipeline.placement.source_count, sources);
    for (unsigned i = 0; i < MR_PRODUCERS_MAX; i++) {
        cr_expect_eq(mr_pipeline_has_role(&pipeline, mr_producer_role(i)), i < sources);
        cr_expect_eq(mr_pipeline_has_ring(&pipeline, mr_ingress_ring(i)), i < sources);
        cr_expect_eq(mr_pipeline_has_ring(&pipeline, mr_dead_producer_ring(i)), i < sources);
    }
    cr_expect(mr_pipeline_has_role(&pipeline, MR_ROLE_TRANSFORM));
    cr_expect(mr_pipeline_has_role(&pipeline, MR_ROLE_LOADER));
    cr_expect(mr_pipeline_has_ring(&pipeline, MR_RING_EGRESS));
    cr_expect(mr_pipeline_has_ring(&pipeline, MR_RING_DEAD_TRANSFORM));
}

Test(pipeline, a_source_or_a_list_of_up_to_four)
{
    load("source: {type: mock}\n" SINK);
    expect_roles(1);
    cr_expect_eq(pipeline.source_nodes[0], pipeline.source_node);
    load("source: [{type: mock}]\n" SINK);
    expect_roles(1);
    load("source:\n  - {type: mock}\n  - {type: lines}\n" SINK);
    expect_roles(2);
    load("source: [{type: mock}, {type: mock}, {type: mock}, {type: mock}]\n" SINK);
    expect_roles(4);
    refuse("source: []\n" SINK, ":1: source: found a list of 0 sources, expected 1 to 4");
    refuse("source: [{type: a}, {type: a}, {type: a}, {type: a}, {type: a}]\n" SINK,
           ":1: source: found a list of 5 sources, expected 1 to 4");
}

Test(pipeline, what_is_wrong_with_one_of_several_sources_is_named)
{
    refuse("source:\n  - {type: mock}\n  - mock\n" SINK,
           ":3: source[1]: expected keys and values with a type");
    refuse("source:\n  - {count: 1}\n  - {type: mock}\n" SINK,
           ":2: source[0]: expected keys and values with a type");
    refuse("source:\n  - {type: mock}\n  - {type: [a]}\n" SINK,
           ":3: source[1].type: found a list, expected a text");
}

Test(pipeline, each_producer_sees_its_own_source)
{
    load("source: [{type: mock}, {type: lines}]\n" SINK);
    for (unsigned i = 0; i < 2; i++) {
        const struct mr_pipeline own = mr_pipeline_of_source(&pipeline, i);
        cr_expect_eq(own.source_node, pipeline.source_nodes[i]);
        cr_expect_eq(own.source_count, 2);
    }
    cr_expect_str_eq(mr_config_child(pipeline.source_nodes[1], "type")->text, "lines");
    cr_expect_eq(mr_pipeline_of_source(&pipeline, 2).source_node, pipeline.source_node);
}

Test(pipeline, the_rings_of_further_sources_are_like_the_first_ones)
{
    load("source: [{type: mock}, {type: mock}]\n" SINK
         "ring: {size: 1MiB}\ningress: {size: 2MiB, full: drop_newest}\n"
         "dead_letter: {size: 64KiB}\n");
    for (unsigned i = 1; i < MR_PRODUCERS_MAX; i++) {
        const struct mr_ring_options *ring = &pipeline.rings[mr_ingress_ring(i)];
        cr_expect_eq(ring->capacity, 2 << 20);
        cr_expect_eq(ring->full_policy, MR_FULL_DROP_NEWEST);
        ring = &pipeline.rings[mr_dead_producer_ring(i)];
        cr_expect_eq(ring->capacity, 65536);
        cr_expect(ring->checksummed);
    }
}

Test(pipeline, who_is_at_the_ends_of_a_ring)
{
    for (unsigned i = 0; i < MR_PRODUCERS_MAX; i++) {
        enum mr_role role = mr_producer_role(i);
        cr_expect(mr_role_is_producer(role));
        cr_expect_eq(mr_role_source(role), i);
        cr_expect_eq(mr_ring_writer(mr_ingress_ring(i)), role);
        cr_expect_eq(mr_ring_reader(mr_ingress_ring(i)), MR_ROLE_TRANSFORM);
        cr_expect(mr_ring_is_ingress(mr_ingress_ring(i)));
        cr_expect_not(mr_ring_is_dead_producer(mr_ingress_ring(i)));
        cr_expect_eq(mr_ring_writer(mr_dead_producer_ring(i)), role);
        cr_expect_eq(mr_ring_reader(mr_dead_producer_ring(i)), MR_ROLE_LOADER);
        cr_expect_not(mr_ring_is_ingress(mr_dead_producer_ring(i)));
        cr_expect(mr_ring_is_dead_producer(mr_dead_producer_ring(i)));
    }
    for (enum mr_ring_index ring = MR_RING_EGRESS; ring <= MR_RING_DEAD_TRANSFORM;
         ring += MR_RING_DEAD_TRANSFORM - MR_RING_EGRESS) {
        cr_expect_eq(mr_ring_writer(ring), MR_ROLE_TRANSFORM);
        cr_expect_eq(mr_ring_reader(ring), MR_ROLE_LOADER);
        cr_expect_not(mr_ring_is_ingress(ring) || mr_ring_is_dead_producer(ring));
    }
    cr_expect_not(mr_role_is_producer(MR_ROLE_TRANSFORM) || mr_role_is_producer(MR_ROLE_LOADER));
    cr_expect_str_eq(mr_role_name(mr_producer_role(3)), "producer-4");
    cr_expect_str_eq(mr_ring_index_name(mr_ingress_ring(1)), "ingress-2");
    cr_expect_str_eq(mr_ring_index_name(mr_dead_producer_ring(2)), "dead-producer-3");
}

Test(pipeline, what_is_said_of_the_producer_is_said_of_each)
{
    load("source: [{type: mock}, {type: mock}]\n" SINK "wait: [park, spin, yield]\n"
         "placement: [3, 5, 7]\n");
    for (unsigned i = 0; i < MR_PRODUCERS_MAX; i++) {
        cr_expect_eq(pipeline.wait[mr_producer_role(i)], MR_WAIT_PARK);
        cr_expect_eq(pipeline.placement.core[mr_producer_role(i)], 3);
    }
    cr_expect_eq(pipeline.wait[MR_ROLE_TRANSFORM], MR_WAIT_SPIN);
    cr_expect_eq(pipeline.placement.core[MR_ROLE_LOADER], 7);
    load("source: [{type: mock}, {type: mock}]\n" SINK "wait: yield\n");
    cr_expect_eq(pipeline.wait[MR_ROLE_PRODUCER_2], MR_WAIT_YIELD);
    refuse("source: [{type: mock}, {type: mock}]\n" SINK "wait: [park, park, park, park]\n",
           ":3: wait: found a list of 4, expected three: producer's, transform's, loader's");
}
