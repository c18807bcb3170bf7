// SPDX-License-Identifier: Apache-2.0
// Waking the side that sleeps on a ring (ringbuf/wait.h puts it to sleep). Called after every publish and
// every release; where nobody sleeps it costs a fence and a look at a line that nobody writes.
#ifndef MR_RINGBUF_BELL_H
#define MR_RINGBUF_BELL_H

#include "ringbuf/ring.h"

void mr_ring_wake_reader(struct mr_ring *ring);
void mr_ring_wake_writer(struct mr_ring *ring);

#endif
