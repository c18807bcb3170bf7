// SPDX-License-Identifier: Apache-2.0
#include "cli/after_cut.h"

#include "core/pipeline/session.h"
#include "core/pipeline/stream_path.h"

enum fate { GOES_ON, BEHIND, ANEW, TWICE, PART, REFUSED };

static enum fate fate_of(const struct mr_plan *plan)
{
    char journal[MR_STREAM_PATH_BYTES];
    enum mr_again again[MR_PRODUCERS_MAX];
    for (unsigned i = 0; i < plan->source_count; i++)
        again[i] = mr_source_again(plan->sources[i], plan->source_options[i]);
    enum mr_again all = mr_session_again(plan->pipeline, again);
    bool gone = all == MR_AGAIN_NEVER, some_gone = false;
    for (unsigned i = 0; i < plan->source_count; i++)
        some_gone |= again[i] == MR_AGAIN_NEVER;
    if (mr_session_directory(plan->pipeline, journal, sizeof journal))
        return gone ? BEHIND : all == MR_AGAIN_MIXED ? REFUSED : GOES_ON;
    if (!mr_pipeline_appends(plan->pipeline))
        return some_gone ? PART : ANEW;
    return some_gone ? PART : TWICE;
}

const char *mr_after_cut_word(const struct mr_plan *plan)
{
    static const char *const words[] = {"goes_on", "behind", "anew", "twice", "part", "refused"};
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
        "the next run is refused: in which order the records of several sources were taken is not "
        "known any more; `millrace clean` gives the run up, and the journal keeps what it has",
    };
    return sentences[fate_of(plan)];
}
