// SPDX-License-Identifier: Apache-2.0
// Best quotes and trades of a session, counted and folded into one number in their order.
#ifndef MR_CLI_BENCH_ITCH_DIGEST_H
#define MR_CLI_BENCH_ITCH_DIGEST_H

#include "core/base.h"

struct mr_itch_digest {
    uint64_t quotes, trades;
    uint64_t value;
};

struct mr_itch_best { // of one side; all 0: empty
    uint32_t price, orders;
    uint64_t shares;
};

static inline void mr_itch_fold(struct mr_itch_digest *digest, uint64_t word)
{
    uint64_t mixed = (digest->value ^ word) * 0x9E3779B97F4A7C15ULL;
    digest->value = mixed ^ mixed >> 29;
}

// `sequence`: of the message that changed it.
static inline void mr_itch_fold_quote(struct mr_itch_digest *digest, uint64_t sequence,
                                      uint16_t locate, const struct mr_itch_best *bid,
                                      const struct mr_itch_best *ask)
{
    digest->quotes++;
    mr_itch_fold(digest, sequence << 16 | locate);
    mr_itch_fold(digest, (uint64_t)bid->price << 32 | ask->price);
    mr_itch_fold(digest, bid->shares);
    mr_itch_fold(digest, ask->shares);
    mr_itch_fold(digest, (uint64_t)bid->orders << 32 | ask->orders);
}

static inline void mr_itch_fold_trade(struct mr_itch_digest *digest, uint64_t sequence,
                                      uint16_t locate, uint32_t price, uint64_t shares)
{
    digest->trades++;
    mr_itch_fold(digest, sequence << 16 | locate);
    mr_itch_fold(digest, shares << 32 ^ price);
}

#endif
