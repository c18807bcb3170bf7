// SPDX-License-Identifier: Apache-2.0
// The short way from a value's text to its field: one function a field, chosen by type and format
// when the map is opened. It takes what is written as programs write it, without a default, a
// translation or white space to think of, into a record that is blank there. False, with nothing
// written, leaves the value to the long way (core/schema.h, field_map.c), which knows every spelling
// and says what is wrong: so the short way decides nothing but speed.
#ifndef MR_PRODUCERS_FIELD_READ_H
#define MR_PRODUCERS_FIELD_READ_H

#include "producers/field_map.h"

// Sets mapped->read, and what it needs to know beforehand. Called when all else of `mapped` stands.
void mr_field_reader_prepare(struct mr_mapped_field *mapped);

#endif
