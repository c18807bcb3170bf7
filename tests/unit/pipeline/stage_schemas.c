// SPDX-License-Identifier: Apache-2.0
// Stages tell each other what will come and that they are ready: also where the other one never comes, comes again
// with other schemas, or has ended already.
#include <criterion/criterion.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "core/pipeline/stage_private.h"
#include "tests/support/counting_stage.h"

static struct counting_run run;
static struct mr_stage producer, transform, loader;
static struct mr_error err;

static void open_as(struct mr_stage *stage, enum mr_role role)
{
    cr_assert_eq(mr_stage_open(stage, &run.pipeline, role, &err), MR_OK, "%s", err.text);
}

static void set_up(void)
{
    counting_run_open(&run, 0, 1);
    open_as(&producer, MR_ROLE_PRODUCER);
    open_as(&transform, MR_ROLE_TRANSFORM);
}
static void tear_down(void)
{
    counting_run_close(&run);
}
TestSuite(stage_schemas, .init = set_up, .fini = tear_down, .timeout = 60);

static void add_schema(struct mr_stage *stage, const char *field)
{
    struct mr_schema *schema = mr_schema_new("number", MR_SCHEMA_ID_DECLARED);
    cr_assert_eq(mr_schema_add(schema, field, "u64", false, &err), MR_OK);
    mr_schema_seal(schema);
    cr_assert_eq(mr_schema_set_add(&stage->out_schemas, schema, &err), MR_OK);
}

static void *describe_later(void *unused)
{
    (void)unused;
    usleep(30000);
    mr_stage_describe(&producer, NULL);
    return NULL;
}

Test(stage_schemas, they_are_waited_for)
{
    pthread_t thread;
    add_schema(&producer, "price");
    pthread_create(&thread, NULL, describe_later, NULL);
    cr_expect_eq(mr_stage_await_schemas(&transform, &err), MR_OK, "%s", err.text);
    pthread_join(thread, NULL);
    cr_assert_eq(transform.in_schemas.count, 1);
    cr_expect_eq(transform.in_schema_index[MR_SCHEMA_ID_DECLARED], 0);
    cr_expect_str_eq(transform.shared->in_schema_name[0], "number");
    cr_assert_not_null(mr_stage_claim(&producer, MR_PORT_MAIN, 64));
    mr_claimed(&producer.writers[MR_PORT_MAIN])->schema_id = MR_SCHEMA_ID_DECLARED;
    mr_stage_emit(&producer, MR_PORT_MAIN);
    cr_expect_eq(producer.now.out_by_schema[0], 1);
}

Test(stage_schemas, none_come_where_a_stop_was_asked_for)
{
    mr_store_release_u32(&transform.shared->gauges.drain_asked, MR_STOP_HALT);
    cr_expect_eq(mr_stage_await_schemas(&transform, &err), MR_OK);
    cr_expect_eq(transform.in_schemas.count, 0);
}

Test(stage_schemas, none_come_where_the_stage_before_has_ended)
{
    cr_assert_eq(mr_stage_close(&producer, MR_OK, NULL), MR_OK);
    cr_expect_eq(mr_stage_await_schemas(&transform, &err), MR_OK);
    cr_expect_eq(transform.in_schemas.count, 0);
}

Test(stage_schemas, a_damaged_table_is_refused)
{
    struct mr_ring *ring = transform.readers[MR_PORT_MAIN].ring;
    memset(ring->schema_table, 0xFF, 64);
    mr_store_release_u32(&ring->news->schemas_ready, 1);
    cr_expect_eq(mr_stage_await_schemas(&transform, &err), MR_ERR_CORRUPT);
    cr_expect_not_null(strstr(err.text, "schema table"), "%s", err.text);
}

Test(stage_schemas, the_same_again_are_fine_and_others_are_another_runs)
{
    add_schema(&producer, "price");
    cr_assert_eq(mr_stage_describe(&producer, &err), MR_OK, "%s", err.text);
    cr_expect_eq(mr_stage_describe(&producer, &err), MR_OK, "%s", err.text);
    mr_schema_set_clear(&producer.out_schemas);
    add_schema(&producer, "size");
    cr_expect_eq(mr_stage_describe(&producer, &err), MR_ERR_SHM);
    cr_expect_not_null(strstr(err.text, "with other schemas"), "%s", err.text);
    cr_expect_not(producer.described);
}

Test(stage_schemas, a_dead_ring_of_others_is_refused)
{
    add_schema(&producer, "price");
    cr_assert_eq(mr_ring_describe(producer.writers[MR_PORT_DEAD].ring, &producer.out_schemas, &err),
                 MR_OK);
    cr_expect_eq(mr_stage_describe(&producer, &err), MR_ERR_SHM);
    cr_expect_eq(producer.writers[MR_PORT_MAIN].ring->news->schemas_ready, 0);
}

// ---- of several producers

static struct mr_stage second;

static void open_two(const char *first_field, const char *second_field)
{
    mr_stage_detach(&producer), mr_stage_detach(&transform);
    counting_run_close(&run);
    counting_run_open(&run, 0, 1);
    run.pipeline.source_count = 2;
    open_as(&producer, MR_ROLE_PRODUCER);
    open_as(&second, MR_ROLE_PRODUCER_2);
    open_as(&transform, MR_ROLE_TRANSFORM);
    add_schema(&producer, first_field);
    cr_assert_eq(mr_stage_describe(&producer, &err), MR_OK, "%s", err.text);
    if (second_field)
        add_schema(&second, second_field);
}

Test(stage_schemas, those_of_all_producers_together)
{
    open_two("price", NULL);
    struct mr_schema *schema = mr_schema_new("text", MR_SCHEMA_ID_DECLARED + 1);
    cr_assert_eq(mr_schema_add(schema, "text", "bytes", false, &err), MR_OK);
    mr_schema_seal(schema);
    cr_assert_eq(mr_schema_set_add(&second.out_schemas, schema, &err), MR_OK);
    cr_assert_eq(mr_stage_describe(&second, &err), MR_OK, "%s", err.text);
    cr_expect_eq(mr_stage_await_schemas(&transform, &err), MR_OK, "%s", err.text);
    cr_assert_eq(transform.in_schemas.count, 2);
    cr_expect_eq(transform.in_schema_index[MR_SCHEMA_ID_DECLARED + 1], 1);
    cr_expect_str_eq(transform.shared->in_schema_name[1], "text");
}

Test(stage_schemas, the_same_of_two_producers_are_one)
{
    open_two("price", "price");
    cr_assert_eq(mr_stage_describe(&second, &err), MR_OK, "%s", err.text);
    cr_expect_eq(mr_stage_await_schemas(&transform, &err), MR_OK, "%s", err.text);
    cr_expect_eq(transform.in_schemas.count, 1);
}

Test(stage_schemas, other_schemas_of_one_name_are_refused_with_the_ring)
{
    open_two("price", "size");
    cr_assert_eq(mr_stage_describe(&second, &err), MR_OK, "%s", err.text);
    cr_expect_eq(mr_stage_await_schemas(&transform, &err), MR_ERR_CONFIG);
    cr_expect(strstr(err.text, "ingress-2.ring") && strstr(err.text, "schema number (id"), "%s",
              err.text);
}

// What would be made of the others' could not be gone on with.
Test(stage_schemas, there_are_none_where_a_producer_ended_without_any)
{
    open_two("price", NULL);
    cr_assert_eq(mr_stage_close(&second, MR_OK, NULL), MR_OK);
    cr_expect_eq(mr_stage_await_schemas(&transform, &err), MR_OK, "%s", err.text);
    cr_expect_eq(transform.in_schemas.count, 0);
    cr_expect_eq(transform.shared->in_schema_count, 0);
}

// ---- who is ready

static void *run_later(void *unused)
{
    (void)unused;
    usleep(30000);
    mr_stage_set_phase(&transform, MR_PHASE_RUNNING);
    usleep(30000);
    open_as(&loader, MR_ROLE_LOADER);
    mr_stage_set_phase(&loader, MR_PHASE_RUNNING);
    return NULL;
}

Test(stage_schemas, those_behind_are_waited_for)
{
    pthread_t thread;
    pthread_create(&thread, NULL, run_later, NULL);
    mr_stage_await_downstream(&producer);
    cr_expect_eq(loader.phase, MR_PHASE_RUNNING);
    pthread_join(thread, NULL);
    mr_stage_set_phase(&transform, MR_PHASE_DRAINING);
    mr_stage_close(&loader, MR_OK, NULL);
    mr_stage_await_downstream(&producer); // one drains, the other is through
}

Test(stage_schemas, a_stop_ends_the_wait_for_those_that_died)
{
    mr_stage_set_phase(&transform, MR_PHASE_RUNNING);
    mr_stage_detach(&transform);
    mr_store_release_u32(&producer.shared->gauges.drain_asked, MR_STOP_DRAIN);
    int64_t start_ns = mr_mono_ns();
    mr_stage_await_downstream(&producer);
    cr_expect_lt(mr_mono_ns() - start_ns, 10000000000);
}
