// SPDX-License-Identifier: Apache-2.0
// The ring's peers, one file each, in the harness that Millrace's own ring is measured with (cli/pair.h):
// the same two processes, cores, records, checks and loops. Each is used as its documentation says is best;
// what that is, its file says.
//
// Queues that are meant for threads are placed in memory that both processes share. All of them get
// MR_PAIR_CHANNEL_BYTES of room for records.
#ifndef MR_BENCH_PEERS_H
#define MR_BENCH_PEERS_H

#include "cli/pair.h"

#ifdef __cplusplus
extern "C" {
#endif

extern const struct mr_pair_transport mr_peer_ck_ring;
extern const struct mr_pair_transport mr_peer_rte_ring;           // elements copied in and out
extern const struct mr_pair_transport mr_peer_rte_ring_zero_copy; // elements in place
extern const struct mr_pair_transport mr_peer_boost_spsc;
extern const struct mr_pair_transport mr_peer_moodycamel;
extern const struct mr_pair_transport mr_peer_unix_socket;
extern const struct mr_pair_transport mr_peer_pipe;
extern const struct mr_pair_transport mr_peer_zeromq;
extern const struct mr_pair_transport mr_peer_iceoryx;

#ifdef __cplusplus
}
#endif
#endif
