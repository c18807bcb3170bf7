// SPDX-License-Identifier: Apache-2.0
#include "cli/after_cut.h"

#include "core/pipeline/session.h"
#include "core/pipeline/stream_path.h"

enum fate { GOES_ON, BEHIND, ANEW, TWICE, PART };

static enum fate fate_of(const struct mr_plan *plan)
{
    char journal[MR_STREAM_PATH_BYTES];
    bool gone = mr_source_again(plan->source, plan->source_options) == MR_AGAIN_NEVER;
    if (mr_session_directory(plan->pipeline, journal, sizeof journal))
        return gone ? BEHIND : GOES_ON;
    if (!mr_pipeline_appends(plan->pipeline))
        return gone ? PART : ANEW;
    return gone ? PART : TWICE;
}

const char *mr_after_cut_word(const struct mr_plan *plan)
{
    static const char *const words[] = {"goes_on", "behind", "anew", "twice", "part"};
    return words[fate_of(plan)];
}

const char *mr_after_cut_sentence(const struct mr_plan *plan)
{
    static const char *const sentences[] = {
        "the next run makes the stream again, compares, and goes on at the journal's end: each "
        "record once",
        "the source cannot be read again: the next run goes on behind the journal's end, after a "
        "gap that "
        "is flagged",
        "the next run makes the file anew from the source's beginning",
        "the next run appends the source's records from its beginning, once more",
        "the source cannot be read again: what it gave and no file had kept is lost",
    };
    return sentences[fate_of(plan)];
}
