// SPDX-License-Identifier: Apache-2.0
// Lines from TCP connections, any number at the same time. Every whole line that was read is a
// record (or a dead letter) before the poll returns.
#include <string.h>
#include <sys/epoll.h>

#include "core/clock.h"
#include "core/log.h"
#include "producers/lines_private.h"

#define EVENTS_MAX 16

static void watch(struct mr_lines *lines, int fd, uint32_t index)
{
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = index};
    epoll_ctl(lines->epoll, EPOLL_CTL_ADD, fd, &event);
}

// While every place is taken, connections wait in the kernel.
static void watch_listener(struct mr_lines *lines)
{
    bool room = lines->open_count < (uint64_t)lines->options.connections_max;
    if (room == lines->listening)
        return;
    if (room)
        watch(lines, lines->listener, UINT32_MAX);
    else
        epoll_ctl(lines->epoll, EPOLL_CTL_DEL, lines->listener, NULL);
    lines->listening = room;
}

static bool accept_connection(struct mr_source_run *run, struct mr_lines *lines)
{
    uint32_t place = 0;
    struct mr_channel *channel;
    if (lines->open_count == (uint64_t)lines->options.connections_max)
        return false;
    channel = mr_accept(lines->listener, mr_line_reader_capacity(&lines->reader));
    if (!channel)
        return false;
    while (lines->cursors[place].channel)
        place++;
    if (mr_line_cursor_open(&lines->cursors[place], &lines->reader, channel, NULL) != MR_OK) {
        mr_line_cursor_close(&lines->cursors[place]);
        return false;
    }
    lines->open_count++;
    watch(lines, channel->fd, place);
    mr_source_count(run, MR_LINES_CONNECTIONS, 1);
    return true;
}

static void close_connection(struct mr_lines *lines, struct mr_line_cursor *cursor)
{
    mr_line_cursor_close(cursor); // closing takes it out of the epoll set
    lines->open_count--;
}

// Every whole line that is held, committing in between where there are many: nothing that was
// received may stay in memory only.
static enum mr_line_taken take_all(struct mr_source_run *run, struct mr_lines *lines,
                                   struct mr_line_cursor *cursor)
{
    enum mr_line_taken taken;
    while ((taken = mr_line_reader_take(&lines->reader, cursor, run, UINT64_MAX)) ==
           MR_TAKEN_BATCH) {
        mr_lines_set_mark(run, lines);
        mr_source_commit(run);
    }
    return taken;
}

// False where the stage was halted.
static bool read_connection(struct mr_source_run *run, struct mr_lines *lines,
                            struct mr_line_cursor *cursor)
{
    struct mr_error problem = {0};
    enum mr_read got = mr_channel_read(cursor->channel, &problem);
    lines->reader.now_wall_ns = mr_wall_ns();
    enum mr_line_taken taken = take_all(run, lines, cursor);
    if (taken == MR_TAKEN_HALTED)
        return false;
    if (taken == MR_TAKEN_FAILED)
        mr_warn("%s; the connection is closed", run->err.text);
    else if (got == MR_READ_FAILED)
        mr_warn("%s", problem.text);
    if (taken == MR_TAKEN_FAILED || cursor->channel->final)
        close_connection(lines, cursor);
    run->err.code = MR_OK;
    return true;
}

enum mr_poll mr_lines_poll_connections(struct mr_source_run *run)
{
    struct mr_lines *lines = run->self;
    struct epoll_event events[EVENTS_MAX];
    watch_listener(lines);
    int count = epoll_wait(lines->epoll, events, EVENTS_MAX, 0);
    for (int i = 0; i < count; i++) {
        if (events[i].data.u32 == UINT32_MAX)
            while (accept_connection(run, lines))
                ;
        else if (!read_connection(run, lines, &lines->cursors[events[i].data.u32]))
            break;
    }
    mr_lines_set_mark(run, lines);
    return count > 0 ? MR_POLL_MORE : mr_lines_idle(run, lines->epoll, 0);
}

int mr_lines_open_listener(struct mr_source_run *run, struct mr_lines *lines, struct mr_error *err)
{
    struct mr_lines_mark mark;
    char bound[256];
    memcpy(&mark, run->mark, sizeof mark);
    int code = mr_listen(lines->options.listen, &lines->listener, bound, sizeof bound, err);
    if (code != MR_OK)
        return code;
    lines->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (lines->epoll < 0)
        return mr_fail_errno(err, MR_ERR_INPUT, "%s: cannot wait for connections", bound);
    mr_info("listening on %s", bound);
    lines->reader.numbers_run_on = true;
    lines->reader.received = run->resumed ? mark.received : 0;
    return MR_OK;
}
