// SPDX-License-Identifier: Apache-2.0
#include "tests/support/itch_loop.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/formats/bytes.h"
#include "core/formats/itch.h"

#define SYMBOL_AT 1 // the stock locate, behind the type
#define ORDER_REF_AT 11
#define NEW_ORDER_REF_AT 19 // U
#define BETWEEN_COPIES_NS 1000000

struct session {
    uint8_t *bytes;
    size_t length;
    uint64_t messages;
    int64_t span_ns; // from the first message to behind the last
};

static int count(struct session *session, const char *path, struct mr_error *err)
{
    int64_t first_ns = -1, last_ns = 0;
    size_t at = 0;
    while (at + 2 <= session->length &&
           at + 2 + mr_get_be16(session->bytes + at) <= session->length) {
        const uint8_t *message = session->bytes + at + 2;
        size_t length = mr_get_be16(session->bytes + at);
        if (mr_itch_check(message, length) != MR_ITCH_GOOD)
            return mr_fail(err, MR_ERR_INPUT, "%s: byte %zu: expected an ITCH message", path, at);
        last_ns = mr_itch_time_ns(message);
        first_ns = first_ns < 0 ? last_ns : first_ns;
        session->messages++;
        at += 2 + length;
    }
    if (at != session->length || at == 0)
        return mr_fail(err, MR_ERR_INPUT, "%s: byte %zu: expected whole messages", path, at);
    session->span_ns = last_ns - first_ns + BETWEEN_COPIES_NS;
    return MR_OK;
}

static int load(struct session *session, const char *path, struct mr_error *err)
{
    FILE *in = fopen(path, "re");
    if (!in)
        return mr_fail_errno(err, MR_ERR_INPUT, "%s: cannot open", path);
    fseek(in, 0, SEEK_END);
    session->length = (size_t)ftell(in);
    rewind(in);
    session->bytes = malloc(session->length + 1);
    bool whole = session->bytes && fread(session->bytes, 1, session->length, in) == session->length;
    fclose(in);
    return whole ? count(session, path, err) : mr_fail(err, MR_ERR_INPUT, "%s: cannot read", path);
}

static void shift(uint8_t *at, uint64_t copy)
{
    mr_put_be64(at, mr_get_be64(at) + (copy << 40));
}

static void rewrite(const struct session *session, uint8_t *bytes, uint64_t copy)
{
    memcpy(bytes, session->bytes, session->length);
    for (size_t at = 0; at < session->length; at += 2 + mr_get_be16(bytes + at)) {
        uint8_t *message = bytes + at + 2;
        mr_put_be48(message + 5,
                    (uint64_t)mr_itch_time_ns(message) + copy * (uint64_t)session->span_ns);
        if (strchr("AFECXDU", message[0]))
            shift(message + ORDER_REF_AT, copy);
        if (message[0] == 'U')
            shift(message + NEW_ORDER_REF_AT, copy);
    }
}

// Each message into the file of its symbol. False: one of them could not be written.
static bool deal(const struct session *session, const uint8_t *bytes, FILE *const *out,
                 unsigned count)
{
    bool good = true;
    for (size_t at = 0; at < session->length; at += 2 + mr_get_be16(bytes + at)) {
        size_t length = 2 + (size_t)mr_get_be16(bytes + at);
        uint16_t symbol = mr_get_be16(bytes + at + 2 + SYMBOL_AT);
        good &= fwrite(bytes + at, 1, length, out[symbol % count]) == length;
    }
    return good;
}

static int write_copies(const struct session *session, FILE *const *out, unsigned count,
                        uint64_t messages, struct mr_error *err)
{
    uint8_t *bytes = malloc(session->length);
    bool good = bytes != NULL;
    for (uint64_t copy = 0; good && copy * session->messages < messages; copy++) {
        rewrite(session, bytes, copy);
        good = deal(session, bytes, out, count);
    }
    free(bytes);
    return good ? MR_OK : mr_fail_errno(err, MR_ERR_OUTPUT, "cannot write the messages");
}

int itch_loop(const char *sample, char *const *paths, unsigned count, uint64_t messages,
              struct mr_error *err)
{
    struct session session = {0};
    FILE *out[ITCH_LOOP_FILES_MAX] = {NULL};
    int code = load(&session, sample, err);
    for (unsigned i = 0; i < count && code == MR_OK; i++)
        if (!(out[i] = fopen(paths[i], "we")))
            code = mr_fail_errno(err, MR_ERR_OUTPUT, "%s: cannot create", paths[i]);
    if (code == MR_OK)
        code = write_copies(&session, out, count, messages, err);
    for (unsigned i = 0; i < count; i++)
        if (out[i] && fclose(out[i]) != 0 && code == MR_OK)
            code = mr_fail_errno(err, MR_ERR_OUTPUT, "%s: cannot write", paths[i]);
    free(session.bytes);
    return code;
}
