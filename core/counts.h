// SPDX-License-Identifier: Apache-2.0
// What a stage counts. Every record that a stage takes in has exactly one fate, so that at every
// commit, at every stage,
//
//     in = out + filtered + duplicate + late + rejected + dropped + in_flight.
//
// `out` counts taken-in records that left the stage as one record or more; `emitted` counts the
// records written downstream, which differs where an operator makes records of its own (order book,
// bars). So the next stage's `in` (and what is still in the ring) equals this one's `emitted`. The
// counts are part of the committed slot (core/pipeline/stage.h): they cannot disagree with the
// cursors.
#ifndef MR_CORE_COUNTS_H
#define MR_CORE_COUNTS_H

#include "core/base.h"

enum mr_count {
    MR_COUNT_IN,
    MR_COUNT_OUT,
    MR_COUNT_FILTERED, // wanted by nobody: a predicate said no, or an operator took it into its
                       // state
    MR_COUNT_DUPLICATE,
    MR_COUNT_LATE,
    MR_COUNT_REJECTED, // to the dead-letter journal, with its reason (below)
    MR_COUNT_DROPPED,  // ring full under drop_newest
    MR_COUNT_EMITTED,  // records written downstream
    MR_COUNT_KINDS
};

// Why a record was rejected. Order stands in dead letters and metrics: append only.
enum mr_reason {
    MR_REASON_SYNTAX,        // does not parse
    MR_REASON_MISSING_FIELD, // a required field is absent
    MR_REASON_BAD_VALUE,     // a value that its type cannot hold, or not of its type
    MR_REASON_TOO_LONG,      // longer than a record, a field or the declared limit
    MR_REASON_BAD_LENGTH,    // a message whose length is not its type's
    MR_REASON_UNKNOWN_TYPE,  // a message type the protocol does not have
    MR_REASON_TRUNCATED,     // the input ends inside it
    MR_REASON_EXPRESSION,    // an expression or script raised an error on it
    MR_REASON_LIMIT,         // a declared limit was reached
    MR_REASON_KINDS
};

const char *mr_count_name(unsigned count);   // "in", "out", ...
const char *mr_reason_name(unsigned reason); // "syntax", "missing_field", ...

#endif
