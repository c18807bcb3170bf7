// SPDX-License-Identifier: Apache-2.0
// Which addresses of this process are which segment: for the one line that is said when a page of one is
// gone. Used by core/segment.c alone.
#ifndef MR_CORE_SEGMENT_FAULT_H
#define MR_CORE_SEGMENT_FAULT_H

#include "core/segment.h"

void mr_segment_remember(const struct mr_segment *segment);
void mr_segment_forget(const struct mr_segment *segment);

#endif
