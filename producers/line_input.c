// SPDX-License-Identifier: Apache-2.0
#include "producers/line_input.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define BUFFER_BYTES_FIRST 65536UL
#define LISTEN_BACKLOG 64

// ---- channels ----------------------------------------------------------------------------------

struct mr_channel *mr_channel_of_descriptor(int fd, const char *name, size_t capacity_max)
{
    struct mr_channel *channel = calloc(1, sizeof *channel);
    if (!channel)
        return NULL;
    channel->name = strdup(name);
    channel->fd = fd;
    channel->capacity_max = capacity_max;
    channel->line = 1;
    channel->live = true;
    return channel;
}

static bool is_gzip(int fd)
{
    unsigned char magic[2];
    return pread(fd, magic, sizeof magic, 0) == sizeof magic && magic[0] == 0x1f &&
           magic[1] == 0x8b;
}

int mr_channel_open_file(struct mr_channel **out, const char *path, size_t capacity_max,
                         struct mr_error *err)
{
    struct stat status;
    *out = NULL;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return mr_fail_errno(err, MR_ERR_INPUT, "%s: cannot open", path);
    if (fstat(fd, &status) < 0 || S_ISDIR(status.st_mode)) {
        close(fd);
        return mr_fail(err, MR_ERR_INPUT, "%s: found a directory, expected a file", path);
    }
    struct mr_channel *channel = mr_channel_of_descriptor(fd, path, capacity_max);
    if (channel && is_gzip(fd)) {
        channel->gz = gzdopen(fd, "rb");
        if (channel->gz)
            gzbuffer(channel->gz, MR_READ_BYTES);
    }
    if (!channel || (is_gzip(fd) && !channel->gz)) {
        mr_channel_close(channel);
        return mr_fail(err, MR_ERR_MEMORY, "%s: no memory to read it", path);
    }
    channel->inode = status.st_ino;
    channel->live = !S_ISREG(status.st_mode);
    *out = channel;
    return MR_OK;
}

void mr_channel_close(struct mr_channel *channel)
{
    if (!channel)
        return;
    if (channel->gz)
        gzclose(channel->gz);
    else if (channel->fd > STDIN_FILENO)
        close(channel->fd);
    free((char *)channel->name);
    free(channel->buffer);
    free(channel);
}

int mr_channel_seek(struct mr_channel *channel, uint64_t offset, struct mr_error *err)
{
    struct stat status;
    bool there;
    if (channel->gz)
        there = gzseek(channel->gz, (z_off_t)offset, SEEK_SET) == (z_off_t)offset;
    else
        there = fstat(channel->fd, &status) == 0 && (uint64_t)status.st_size >= offset &&
                lseek(channel->fd, (off_t)offset, SEEK_SET) == (off_t)offset;
    if (!there)
        return mr_fail(
            err, MR_ERR_INPUT,
            "%s: ends before byte %llu, where the last run stopped reading; expected the "
            "same file",
            channel->name, (unsigned long long)offset);
    channel->offset = offset;
    channel->begin = channel->end = 0;
    return MR_OK;
}

static void grow(struct mr_channel *channel)
{
    size_t bytes = channel->capacity ? channel->capacity * 2 : BUFFER_BYTES_FIRST;
    bytes = mr_min_u64(bytes, channel->capacity_max);
    char *buffer = bytes > channel->capacity ? realloc(channel->buffer, bytes) : NULL;
    if (!buffer)
        return;
    channel->buffer = buffer;
    channel->capacity = bytes;
}

// Room behind `end`: where less than a quarter is left, what is held moves to the front; where that
// is not enough, the buffer grows up to its limit.
static bool make_room(struct mr_channel *channel)
{
    size_t held = mr_channel_held(channel);
    if (channel->begin > 0 &&
        (held == 0 || channel->capacity - channel->end < channel->capacity / 4)) {
        memmove(channel->buffer, channel->buffer + channel->begin, held);
        channel->begin = 0;
        channel->end = held;
    }
    if (channel->capacity == 0 || channel->capacity - channel->end < channel->capacity / 4)
        grow(channel);
    return channel->end < channel->capacity;
}

static bool is_readable(int fd)
{
    struct pollfd readable = {.fd = fd, .events = POLLIN};
    return poll(&readable, 1, 0) > 0;
}

static ssize_t read_bytes(struct mr_channel *channel, char *at, size_t room)
{
    ssize_t got;
    if (channel->gz)
        return gzread(channel->gz, at, (unsigned)room);
    do
        got = read(channel->fd, at, room);
    while (got < 0 && errno == EINTR);
    return got;
}

static enum mr_read fail_read(struct mr_channel *channel, struct mr_error *err)
{
    int number = Z_ERRNO;
    unsigned long long at = channel->offset + mr_channel_held(channel);
    const char *problem = channel->gz ? gzerror(channel->gz, &number) : NULL;
    channel->final = channel->torn = true;
    if (number == Z_ERRNO)
        mr_fail_errno(err, MR_ERR_INPUT, "%s: cannot read on at byte %llu", channel->name, at);
    else
        mr_fail(err, MR_ERR_INPUT,
                "%s: compressed data damaged or cut behind unpacked byte %llu (%s)", channel->name,
                at, problem);
    return MR_READ_FAILED;
}

enum mr_read mr_channel_read(struct mr_channel *channel, struct mr_error *err)
{
    int gz_code = Z_OK;
    if (channel->final)
        return MR_READ_END;
    if ((channel->live && !is_readable(channel->fd)) || !make_room(channel))
        return MR_READ_NOTHING;
    size_t room = mr_min_u64(channel->capacity - channel->end, MR_READ_BYTES);
    ssize_t got = read_bytes(channel, channel->buffer + channel->end, room);
    if (got < 0 && !channel->gz && (errno == EAGAIN || errno == EWOULDBLOCK))
        return MR_READ_NOTHING;
    // A .gz that was cut reads as if it ended, and only then says so.
    if (got == 0 && channel->gz)
        gzerror(channel->gz, &gz_code);
    if (got < 0 || (gz_code != Z_OK && gz_code != Z_STREAM_END))
        return fail_read(channel, err);
    channel->end += (size_t)got;
    if (got > 0)
        return MR_READ_SOME;
    if (channel->followed)
        return MR_READ_NOTHING;
    channel->final = true;
    return MR_READ_END;
}

// ---- files -------------------------------------------------------------------------------------

static int add_path(struct mr_file_list *list, const char *path, struct mr_error *err)
{
    char **grown = realloc(list->paths, (list->count + 1) * sizeof *grown);
    if (!grown)
        return mr_fail(err, MR_ERR_MEMORY, "no memory for the list of files");
    list->paths = grown;
    list->paths[list->count++] = strdup(path);
    return MR_OK;
}

static int add_matches(struct mr_file_list *list, const char *pattern, struct mr_error *err)
{
    glob_t found;
    struct stat status;
    int code = MR_OK;
    unsigned before = list->count;
    if (glob(pattern, 0, NULL, &found) != 0)
        return mr_fail(err, MR_ERR_INPUT, "%s: no such file", pattern);
    for (size_t i = 0; i < found.gl_pathc && code == MR_OK; i++)
        if (stat(found.gl_pathv[i], &status) == 0 && !S_ISDIR(status.st_mode))
            code = add_path(list, found.gl_pathv[i], err);
    globfree(&found);
    if (code == MR_OK && list->count == before)
        return mr_fail(err, MR_ERR_INPUT, "%s: found no file there, expected at least one",
                       pattern);
    return code;
}

int mr_file_list_add(struct mr_file_list *list, const char *pattern, struct mr_error *err)
{
    struct stat status;
    char inside[4096];
    if (stat(pattern, &status) < 0)
        return strpbrk(pattern, "*?[")
                   ? add_matches(list, pattern, err)
                   : mr_fail_errno(err, MR_ERR_INPUT, "%s: cannot open", pattern);
    if (!S_ISDIR(status.st_mode))
        return access(pattern, R_OK) == 0
                   ? add_path(list, pattern, err)
                   : mr_fail_errno(err, MR_ERR_INPUT, "%s: cannot open", pattern);
    snprintf(inside, sizeof inside, "%s/*", pattern);
    return add_matches(list, inside, err);
}

void mr_file_list_free(struct mr_file_list *list)
{
    for (unsigned i = 0; i < list->count; i++)
        free(list->paths[i]);
    free(list->paths);
    *list = (struct mr_file_list){0};
}

// ---- listening ---------------------------------------------------------------------------------

// "host:port" into its parts.
static bool split_address(const char *address, char *host, size_t host_bytes, const char **port)
{
    const char *colon = strrchr(address, ':');
    size_t length = colon ? (size_t)(colon - address) : 0;
    *port = colon ? colon + 1 : address;
    if (length >= 2 && address[0] == '[' && address[length - 1] == ']') {
        address++;
        length -= 2;
    }
    if (length >= host_bytes)
        return false;
    snprintf(host, host_bytes, "%.*s", (int)length, address);
    if (length == 0)
        snprintf(host, host_bytes, "127.0.0.1");
    size_t digits = strspn(*port, "0123456789");
    return digits > 0 && digits <= 5 && (*port)[digits] == '\0' && atoi(*port) <= 65535;
}

static int fail_address(const char *address, struct mr_error *err)
{
    return mr_fail(err, MR_ERR_CONFIG, "found \"%s\", expected HOST:PORT or a port (0 to 65535)",
                   address);
}

int mr_listen_check(const char *address, struct mr_error *err)
{
    char host[256];
    const char *port;
    return split_address(address, host, sizeof host, &port) ? MR_OK : fail_address(address, err);
}

static void name_address(const struct sockaddr *socket_address, socklen_t length, char *out,
                         size_t out_bytes)
{
    char host[NI_MAXHOST], port[NI_MAXSERV];
    if (getnameinfo(socket_address, length, host, sizeof host, port, sizeof port,
                    NI_NUMERICHOST | NI_NUMERICSERV) != 0)
        snprintf(out, out_bytes, "?");
    else
        snprintf(out, out_bytes, strchr(host, ':') ? "[%.200s]:%.20s" : "%.200s:%.20s", host, port);
}

static int bind_to(const struct addrinfo *info, int *fd)
{
    int on = 1;
    *fd = socket(info->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (*fd < 0)
        return errno;
    setsockopt(*fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(*fd, info->ai_addr, info->ai_addrlen) == 0 && listen(*fd, LISTEN_BACKLOG) == 0)
        return 0;
    int number = errno;
    close(*fd);
    return number;
}

int mr_listen(const char *address, int *fd, char *bound, size_t bound_bytes, struct mr_error *err)
{
    char host[256];
    const char *port;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE}, *info;
    if (!split_address(address, host, sizeof host, &port))
        return fail_address(address, err);
    int problem = getaddrinfo(host, port, &hints, &info);
    if (problem != 0)
        return mr_fail(err, MR_ERR_CONFIG, "%s: %s", address, gai_strerror(problem));
    errno = bind_to(info, fd);
    freeaddrinfo(info);
    if (errno == EADDRINUSE)
        return mr_fail(err, MR_ERR_BUSY, "%s:%s: the port is in use by another program", host,
                       port);
    if (errno != 0)
        return mr_fail_errno(err, MR_ERR_INPUT, "%s:%s: cannot listen", host, port);
    struct sockaddr_storage actual;
    socklen_t length = sizeof actual;
    getsockname(*fd, (struct sockaddr *)&actual, &length);
    name_address((struct sockaddr *)&actual, length, bound, bound_bytes);
    return MR_OK;
}

struct mr_channel *mr_accept(int listener, size_t capacity_max)
{
    struct sockaddr_storage peer;
    socklen_t length = sizeof peer;
    char name[256];
    int fd = accept4(listener, (struct sockaddr *)&peer, &length, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0)
        return NULL;
    name_address((struct sockaddr *)&peer, length, name, sizeof name);
    struct mr_channel *channel = mr_channel_of_descriptor(fd, name, capacity_max);
    if (!channel)
        close(fd);
    return channel;
}
