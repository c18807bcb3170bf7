// SPDX-License-Identifier: Apache-2.0
// cli/pair_loops.h for C++.
#ifndef MR_BENCH_PEERS_LOOPS_HPP
#define MR_BENCH_PEERS_LOOPS_HPP

#include <cstddef>
#include <cstdint>
#include <cstdio>

#include "bench/peers/peers.h"

#define _Static_assert static_assert
extern "C" {
#include "cli/pair_loops.h"
}
#undef _Static_assert

// A record as a type, for queues that are templates.
template <uint32_t Bytes> struct Record {
    alignas(8) unsigned char bytes[Bytes];
};

#endif
