// SPDX-License-Identifier: Apache-2.0
// A program that is only a consumer: it attaches a ring that somebody else made, prints the first
// records whatever they are made of, and at the end how many there were and how old they were when
// it had them.
//
//     consumer RING [SHOW]         e.g.  consumer /dev/shm/readings 3
//
// It may be started before the producer: it waits for the ring.
#include <millrace.h>
#include <stdio.h>
#include <stdlib.h>

#define RING_WAIT_NS 10000000000 // how long to wait for a ring that is not there yet
#define WAIT_NS 100000000        // longest sleep while the ring is empty

// 1. Any record can be printed from its schema.
static void print_record(const struct mr_schema_set *schemas, const struct mr_record *record)
{
    const struct mr_schema *schema = mr_schema_set_by_id(schemas, record->schema_id);
    if (!schema)
        return;
    printf("%s %llu:", schema->name, (unsigned long long)record->sequence);
    for (unsigned i = 0; i < schema->field_count; i++) {
        char value[256];
        mr_field_print(schema, &schema->fields[i], record, value, sizeof value);
        printf(" %s=%s", schema->fields[i].name, value);
    }
    printf("\n");
}

// 2. The loop: look at what is there, use it where it lies, release it, wait when there is nothing.
static int consume(struct mr_ring *ring, const struct mr_schema_set *schemas, uint64_t show,
                   struct mr_reader_timing *timing, uint64_t *count)
{
    struct mr_reader reader, *readers[] = {&reader};
    struct mr_wait wait;
    struct mr_error err;
    const struct mr_record *record;
    uint32_t length;
    mr_reader_open(&reader, ring);
    mr_wait_setup(&wait, MR_WAIT_AUTO, 3);
    while (!mr_reader_at_end(&reader)) {
        uint64_t before = *count;
        while ((record = mr_next(&reader, &length)) != NULL)
            if ((*count)++ < show)
                print_record(schemas, record);
        if (reader.corrupt) { // 3. Shared memory is not trusted: a damaged ring is an error.
            mr_reader_explain(&reader, &err);
            fprintf(stderr, "consumer: %s\n", err.text);
            return err.code;
        }
        // 4. From here on the writer may overwrite them. The ring's timing lane tells how long each
        //    publish had been waiting, and how old its oldest record was.
        mr_release(&reader, reader.position, timing);
        if (*count != before)
            mr_wait_reset(&wait);
        else
            mr_wait_for_data(&wait, readers, 1, WAIT_NS);
    }
    return MR_OK;
}

int main(int argc, char **argv)
{
    static struct mr_histogram hop_ns, age_ns; // 18 KiB each: not for the stack
    struct mr_reader_timing timing = {&hop_ns, &age_ns};
    struct mr_schema_set schemas = {0};
    struct mr_error err;
    struct mr_ring ring;
    uint64_t count = 0;
    if (argc < 2 || argc > 3) {
        fprintf(stderr, "usage: consumer RING [SHOW]\n");
        return MR_ERR_USAGE;
    }
    mr_clock_setup();
    // 5. Attach, and read the schemas that the ring carries.
    if (mr_ring_await(&ring, argv[1], MR_ATTACH_READ_WRITE, RING_WAIT_NS, &schemas, &err) !=
        MR_OK) {
        fprintf(stderr, "consumer: %s\n", err.text);
        return err.code;
    }
    int code =
        consume(&ring, &schemas, argc > 2 ? strtoull(argv[2], NULL, 10) : 0, &timing, &count);
    printf("consumer: received %llu records\n", (unsigned long long)count);
    printf("consumer: from publish to release p50 %llu ns, p99 %llu ns, max %llu ns\n",
           (unsigned long long)mr_histogram_percentile(&hop_ns, 50),
           (unsigned long long)mr_histogram_percentile(&hop_ns, 99),
           (unsigned long long)hop_ns.max_ns);
    mr_ring_detach(&ring);
    mr_segment_unlink(argv[1], &err); // read to its end: nobody needs it any more
    mr_schema_set_clear(&schemas);
    return code;
}
