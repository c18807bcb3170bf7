// SPDX-License-Identifier: Apache-2.0
// A tap looks at a ring in passing. It maps the ring read-only, owns no cursor in it, and so cannot
// slow or harm the trio however slow it is; a tap that falls behind by more than the ring loses
// records, and says how many bytes it lost.
//
// It copies a record out, then checks the writer's horizon: bytes below horizon - capacity may have
// been overwritten meanwhile, so such a copy is thrown away and the tap starts again at the newest
// record.
//
//     struct mr_tap tap;
//     mr_tap_open(&tap, &ring, MR_TAP_NEWEST);
//     for (;;) {
//         const struct mr_record *record = mr_tap_next(&tap);   // valid until the next call
//         if (record) ...; else if (mr_tap_at_end(&tap)) break; else sleep a little;
//     }
//     mr_tap_close(&tap);
#ifndef MR_RINGBUF_TAP_H
#define MR_RINGBUF_TAP_H

#include "ringbuf/ring.h"

enum mr_tap_start { MR_TAP_NEWEST, MR_TAP_OLDEST };

struct mr_tap {
    const struct mr_ring *ring;
    uint64_t position;
    uint64_t lost_bytes; // skipped because the writer came round
    uint64_t overruns;   // how often
    uint8_t *copy;       // owned; one record
    size_t copy_bytes;
};

void mr_tap_open(struct mr_tap *tap, const struct mr_ring *ring, enum mr_tap_start start);
const struct mr_record *mr_tap_next(struct mr_tap *tap);
bool mr_tap_at_end(const struct mr_tap *tap);
void mr_tap_close(struct mr_tap *tap);

#endif
