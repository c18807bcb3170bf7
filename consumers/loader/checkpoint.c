// SPDX-License-Identifier: Apache-2.0
#include "consumers/loader/checkpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "core/clock.h"
#include "core/disk.h"
#include "core/file_lock.h"

enum { TAG_WRITE, TAG_SYNC };

static void on_done(void *self, uint64_t tag, int64_t result)
{
    struct mr_checkpoint *checkpoint = self;
    checkpoint->doing = MR_CHECKPOINT_IDLE;
    if (result < 0) {
        errno = (int)-result;
        mr_fail_errno(&checkpoint->failure, MR_ERR_OUTPUT,
                      "%s/" MR_SESSION_FILE ": cannot %s the checkpoint",
                      checkpoint->options.directory, tag == TAG_SYNC ? "sync" : "write");
    } else if (tag == TAG_SYNC) {
        *checkpoint->session = checkpoint->next;
    } else { // the write's own place is free now
        mr_io_sync(checkpoint->io, &checkpoint->client, checkpoint->fd, TAG_SYNC);
        checkpoint->doing = MR_CHECKPOINT_SYNCING;
    }
}

int mr_checkpoint_open(struct mr_checkpoint *checkpoint, const struct mr_stage *loader,
                       struct mr_io *io, struct mr_session *session,
                       const struct mr_checkpoint_options *options, struct mr_error *err)
{
    char path[512];
    *checkpoint =
        (struct mr_checkpoint){.options = *options, .io = io, .session = session, .fd = -1};
    checkpoint->client = (struct mr_io_client){on_done, checkpoint};
    if (options->interval_ns == 0 || !mr_notes_are_wanted(loader->pipeline) ||
        session->again == MR_AGAIN_NEVER)
        return MR_OK;
    snprintf(path, sizeof path, "%s/" MR_SESSION_FILE, options->directory);
    checkpoint->fd = mr_disk->open(path, O_WRONLY);
    if (checkpoint->fd < 0)
        return errno == ENOENT ? MR_OK // of a run that was all but finished
                               : mr_fail_errno(err, MR_ERR_OUTPUT, "%s: cannot open", path);
    // Whoever takes up the session after this process passes the lock, which waits for the last writes.
    int code = mr_file_lock(checkpoint->fd, path, err);
    if (code != MR_OK)
        return code;
    if (mr_stage_attach_page(loader->pipeline, MR_ROLE_TRANSFORM, MR_ATTACH_READ_ONLY,
                             &checkpoint->upstream, &checkpoint->upstream_page, NULL) != MR_OK)
        checkpoint->upstream_page = NULL;
    checkpoint->due_ns = mr_mono_ns() + options->interval_ns;
    return MR_OK;
}

static bool is_durable(const struct mr_stage_note *note, const struct mr_stage *loader)
{
    return loader->now.in_pos[MR_PORT_MAIN] >= note->transform.out_pos[MR_PORT_MAIN] &&
           loader->now.in_pos[MR_PORT_DEAD] >= note->producer.out_pos[MR_PORT_DEAD] &&
           loader->now.in_pos[MR_PORT_DEAD_2] >= note->transform.out_pos[MR_PORT_DEAD];
}

// The loader's slot as it will have been at that moment: everything that was emitted is written.
static void fill_loader(const struct mr_checkpoint *checkpoint, struct mr_stage_slot *slot)
{
    const struct mr_stage_note *note = &checkpoint->note;
    memset(slot, 0, sizeof *slot);
    slot->in_pos[MR_PORT_MAIN] = note->transform.out_pos[MR_PORT_MAIN];
    slot->in_pos[MR_PORT_DEAD] = note->producer.out_pos[MR_PORT_DEAD];
    slot->in_pos[MR_PORT_DEAD_2] = note->transform.out_pos[MR_PORT_DEAD];
    slot->counts[MR_COUNT_IN] = note->transform.counts[MR_COUNT_EMITTED];
    slot->counts[MR_COUNT_OUT] = note->transform.counts[MR_COUNT_EMITTED];
    memcpy(slot->in_by_schema, note->transform.out_by_schema, sizeof slot->in_by_schema);
    for (unsigned i = 0; i < 2; i++)
        slot->plugin[checkpoint->options.letter_counters[i]] = note->letters[i];
}

static void begin(struct mr_checkpoint *checkpoint)
{
    struct mr_session *next = &checkpoint->next;
    *next = *checkpoint->session;
    next->has_checkpoint = 1;
    next->checkpoint[MR_ROLE_PRODUCER] = checkpoint->note.producer;
    next->checkpoint[MR_ROLE_TRANSFORM] = checkpoint->note.transform;
    fill_loader(checkpoint, &next->checkpoint[MR_ROLE_LOADER]);
    mr_session_seal(next, checkpoint->session->epoch + 1);
    if (mr_io_write(checkpoint->io, &checkpoint->client, checkpoint->fd, next, sizeof *next,
                    (int64_t)(next->epoch % 2 * MR_SESSION_SLOT_BYTES), TAG_WRITE))
        checkpoint->doing = MR_CHECKPOINT_WRITING;
}

int mr_checkpoint_poll(struct mr_checkpoint *checkpoint, const struct mr_stage *loader,
                       struct mr_error *err)
{
    if (!checkpoint->upstream_page)
        return MR_OK;
    if (checkpoint->failure.code != MR_OK) {
        *err = checkpoint->failure;
        return err->code;
    }
    if (!checkpoint->has_note)
        checkpoint->has_note =
            mr_note_take(checkpoint->upstream_page, &checkpoint->note_seen, &checkpoint->note);
    if (!checkpoint->has_note || checkpoint->doing != MR_CHECKPOINT_IDLE ||
        !is_durable(&checkpoint->note, loader))
        return MR_OK;
    int64_t now_ns = mr_mono_ns();
    if (now_ns < checkpoint->due_ns) {
        checkpoint->has_note = false; // a newer one will have come by then
        return MR_OK;
    }
    checkpoint->has_note = false;
    checkpoint->due_ns = now_ns + checkpoint->options.interval_ns;
    begin(checkpoint);
    return MR_OK;
}

void mr_checkpoint_close(struct mr_checkpoint *checkpoint)
{
    if (checkpoint->upstream_page)
        mr_segment_detach(&checkpoint->upstream);
    if (checkpoint->fd > 0)
        mr_disk->close(checkpoint->fd);
    checkpoint->upstream_page = NULL;
    checkpoint->fd = -1;
}
