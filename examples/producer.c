// SPDX-License-Identifier: Apache-2.0
// A program that is only a producer: it makes a ring, says what its records look like, and sends
// some.
//
//     producer RING COUNT          e.g.  producer /dev/shm/readings 1000000
//
// Read this one first, then consumer.c, then transform.c. Build with
//     cc producer.c $(pkg-config --cflags --libs millrace)
#include <millrace.h>
#include <stdio.h>
#include <stdlib.h>

#define BATCH 64 // records that become visible at once

// 1. A schema: what a record is made of. It travels in the ring's header, so that whoever attaches
// can
//    read the records without this program's source. Types: see core/schema.h.
static struct mr_schema *reading_schema(struct mr_error *err)
{
    struct mr_schema *schema = mr_schema_new("reading", MR_SCHEMA_ID_DECLARED);
    if (mr_schema_add(schema, "sensor", "char[8]", false, err) != MR_OK ||
        mr_schema_add(schema, "celsius", "decimal(2)", false, err) != MR_OK)
        return NULL;
    mr_schema_seal(schema); // lays the fields out; from here on it does not change
    return schema;
}

// 2. Fields are addressed by handles looked up once, not by name for each record.
struct reading {
    const struct mr_schema *schema;
    const struct mr_field *sensor, *celsius;
};

// 3. Sending: claim room in the ring, fill it in place, commit. Nothing is copied and nobody sees
// the
//    record yet. False where the ring is full.
static bool send(struct mr_writer *writer, const struct reading *reading, uint64_t number)
{
    struct mr_record *record = mr_claim(writer, reading->schema->record_bytes);
    if (!record)
        return false;
    mr_record_begin(reading->schema, record); // envelope and zeroes
    record->sequence = number;
    record->event_time_ns = record->ingest_time_ns = mr_wall_ns();
    mr_field_set_text(reading->schema, reading->sensor, record, "boiler", 6);
    mr_field_set_i64(reading->schema, reading->celsius, record, (int64_t)(6000 + number % 2500));
    mr_commit(writer);
    return true;
}

static void send_all(struct mr_ring *ring, const struct reading *reading, uint64_t count)
{
    struct mr_writer writer;
    struct mr_wait wait;
    mr_writer_open(&writer, ring);
    mr_wait_setup(&wait, MR_WAIT_AUTO, 3); // three processes want a core: see ringbuf/wait.h
    uint64_t origin = mr_tick();           // when the oldest record of this batch was held
    for (uint64_t number = 1; number <= count;) {
        if (send(&writer, reading, number)) {
            mr_wait_reset(&wait);
            if (number++ % BATCH != 0)
                continue;
            mr_publish(&writer, origin); // 4. The whole batch becomes visible with one store.
            origin = mr_tick();
        } else { // full: publish what is there, then wait for the reader
            mr_publish(&writer, origin);
            mr_wait_for_space(&wait, &writer, reading->schema->record_bytes, 100000000);
            origin = mr_tick();
        }
    }
    mr_publish(&writer, origin);
    mr_writer_close(&writer); // 5. End of stream: the reader will know that nothing follows.
}

int main(int argc, char **argv)
{
    struct mr_error err;
    struct mr_ring ring;
    struct mr_ring_options options = {.capacity = 1 << 20, .full_policy = MR_FULL_BLOCK};
    struct mr_schema_set schemas = {0};
    if (argc != 3) {
        fprintf(stderr, "usage: producer RING COUNT\n");
        return MR_ERR_USAGE;
    }
    mr_clock_setup(); // once, before the first mr_tick()
    struct mr_schema *schema = reading_schema(&err);
    if (!schema || mr_schema_set_add(&schemas, schema, &err) != MR_OK ||
        mr_ring_create(&ring, argv[1], "readings", &options, &err) != MR_OK ||
        mr_ring_describe(&ring, &schemas, &err) != MR_OK) {
        fprintf(stderr, "producer: %s\n", err.text); // says what was found and what was expected
        mr_schema_set_clear(&schemas);
        return err.code;
    }
    struct reading reading = {schema, mr_schema_field(schema, "sensor"),
                              mr_schema_field(schema, "celsius")};
    uint64_t count = strtoull(argv[2], NULL, 10);
    send_all(&ring, &reading, count);
    printf("producer: sent %llu records\n", (unsigned long long)count);
    mr_ring_detach(&ring); // the ring stays: its reader may still be reading
    mr_schema_set_clear(&schemas);
    return MR_OK;
}
