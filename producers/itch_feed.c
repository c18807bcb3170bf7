// SPDX-License-Identifier: Apache-2.0
#include "producers/itch_feed.h"

#include <ctype.h>
#include <stdio.h>

static void name_type(uint8_t type, char out[16])
{
    if (isgraph(type))
        snprintf(out, 16, "'%c'", type);
    else
        snprintf(out, 16, "0x%02x", type);
}

static void reject(struct mr_source_run *run, struct mr_itch_feed *feed,
                   const struct mr_itch_arrival *arrival, enum mr_itch_fault fault)
{
    static const enum mr_reason reasons[] = {[MR_ITCH_UNKNOWN_TYPE] = MR_REASON_UNKNOWN_TYPE,
                                             [MR_ITCH_BAD_LENGTH] = MR_REASON_BAD_LENGTH,
                                             [MR_ITCH_BAD_VALUE] = MR_REASON_BAD_VALUE};
    char type[16] = "none", found[160];
    uint8_t letter = arrival->length ? arrival->bytes[0] : 0;
    if (arrival->length)
        name_type(letter, type);
    if (fault == MR_ITCH_UNKNOWN_TYPE)
        snprintf(found, sizeof found, "found message type %s (%zu bytes), expected one of %s", type,
                 arrival->length, mr_itch_type_letters);
    else if (fault == MR_ITCH_BAD_LENGTH)
        snprintf(found, sizeof found, "found %zu bytes of message type %s, expected %u",
                 arrival->length, type, mr_itch_types[letter].length);
    else
        snprintf(found, sizeof found, "found a value beyond its field's range in message type %s",
                 type);
    int64_t event_time_ns = arrival->length < MR_ITCH_HEADER_BYTES
                                ? arrival->ingest_time_ns
                                : feed->midnight_ns + mr_itch_time_ns(arrival->bytes);
    mr_stage_reject(run->stage, reasons[fault], arrival->sequence, event_time_ns, arrival->bytes,
                    arrival->length, "%s: %s %llu: %s", feed->path, arrival->offset_kind,
                    (unsigned long long)arrival->offset, found);
}

bool mr_itch_feed_take(struct mr_source_run *run, struct mr_itch_feed *feed,
                       const struct mr_itch_arrival *arrival)
{
    mr_source_take(run);
    enum mr_itch_fault fault = mr_itch_check(arrival->bytes, arrival->length);
    if (MR_UNLIKELY(fault != MR_ITCH_GOOD)) {
        reject(run, feed, arrival, fault);
        return !run->stage->halted;
    }
    const struct mr_itch_type *type = &mr_itch_types[arrival->bytes[0]];
    struct mr_record *record = mr_stage_claim(run->stage, MR_PORT_MAIN, type->record_bytes);
    if (MR_UNLIKELY(record == NULL)) {
        mr_itch_learn(arrival->bytes, &feed->symbols);
        mr_source_dropped(run);
        return !run->stage->halted;
    }
    mr_itch_decode(arrival->bytes, &feed->symbols, feed->midnight_ns, arrival->sequence, record);
    record->flags |= arrival->flags;
    if (arrival->ingest_time_ns != 0)
        record->ingest_time_ns = arrival->ingest_time_ns;
    mr_stage_emit(run->stage, MR_PORT_MAIN);
    mr_source_out(run);
    return true;
}
