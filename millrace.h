// SPDX-License-Identifier: Apache-2.0
// Millrace for C programs: be the producer, the transform or the consumer of a ring, tap a ring
// that others use, or read a journal. Link with `pkg-config --cflags --libs millrace`.
//
//   ringbuf/writer.h   claim, commit, publish       examples/producer.c
//   ringbuf/reader.h   peek, release                examples/consumer.c
//   both               one ring in, one ring out    examples/transform.c
//   ringbuf/tap.h      look on without being seen
//   core/schema.h      what the records are made of; core/market.h: the built-in market-data
//   records core/journal.h     the same records on disk
//
// Call mr_clock_setup() once at start.
#ifndef MILLRACE_H
#define MILLRACE_H

#include "core/clock.h"
#include "core/error.h"
#include "core/journal.h"
#include "core/market.h"
#include "core/record.h"
#include "core/schema.h"
#include "ringbuf/reader.h"
#include "ringbuf/ring.h"
#include "ringbuf/tap.h"
#include "ringbuf/wait.h"
#include "ringbuf/writer.h"

#endif
