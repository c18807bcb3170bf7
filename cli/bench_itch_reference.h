// SPDX-License-Identifier: Apache-2.0
// A second order book, to check the real one against: orders in an array by reference, price levels in
// sorted arrays, no care for speed. It shares no code with consumers/transform, nor with the decoder: it
// reads the messages.
#ifndef MR_CLI_BENCH_ITCH_REFERENCE_H
#define MR_CLI_BENCH_ITCH_REFERENCE_H

#include "cli/bench_itch.h"
#include "core/error.h"

// Fills feed->by_type, expected and orders_live from its bytes. MR_ERR_CORRUPT where a message refers to
// an order that is not there.
int mr_itch_reference(struct mr_itch_feed *feed, struct mr_error *err);

#endif
