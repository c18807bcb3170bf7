// SPDX-License-Identifier: Apache-2.0
#include "core/formats/json_out.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/formats/utf8.h"

static void put(struct mr_json *json, const char *bytes, size_t length)
{
    if (json->length + length + 1 > json->room) {
        json->room = (json->length + length + 1) * 2;
        json->bytes = realloc(json->bytes, json->room);
        if (!json->bytes)
            abort();
    }
    memcpy(json->bytes + json->length, bytes, length);
    json->length += length;
    json->bytes[json->length] = 0;
}

static void put_newline(struct mr_json *json)
{
    static const char spaces[] = "                                ";
    if (json->indent == 0)
        return;
    put(json, "\n", 1);
    for (unsigned i = 0; i < json->depth; i++)
        put(json, spaces, json->indent < sizeof spaces ? json->indent : sizeof spaces - 1);
}

static void put_escaped(struct mr_json *json, unsigned char c)
{
    static const char letters[] = "btn\0fr"; // for 8 to 13
    char escape[8];
    if (c == '"' || c == '\\')
        put(json, escape, (size_t)snprintf(escape, sizeof escape, "\\%c", c));
    else if (c >= 8 && c <= 13 && letters[c - 8])
        put(json, escape, (size_t)snprintf(escape, sizeof escape, "\\%c", letters[c - 8]));
    else
        put(json, escape, (size_t)snprintf(escape, sizeof escape, "\\u%04x", c));
}

// Bytes that stand for themselves.
static size_t plain_length(const unsigned char *at, const unsigned char *end)
{
    const unsigned char *from = at;
    while (at < end && *at >= 0x20 && *at < 0x80 && *at != '"' && *at != '\\')
        at++;
    return (size_t)(at - from);
}

static void put_string(struct mr_json *json, const char *text)
{
    put(json, "\"", 1);
    const unsigned char *at = (const unsigned char *)text, *end = at + strlen(text);
    while (at < end) {
        size_t length = plain_length(at, end);
        if (length > 0) {
            put(json, (const char *)at, length);
            at += length;
            continue;
        }
        length = mr_utf8_length(at, end);
        if (length == 0)
            put(json, MR_UTF8_REPLACEMENT, MR_UTF8_REPLACEMENT_BYTES);
        else if (*at < 0x20 || *at == '"' || *at == '\\')
            put_escaped(json, *at);
        else
            put(json, (const char *)at, length);
        at += length ? length : 1;
    }
    put(json, "\"", 1);
}

static void put_key(struct mr_json *json, const char *key)
{
    if (json->depth > 0) {
        if (json->filled[json->depth - 1])
            put(json, ",", 1);
        json->filled[json->depth - 1] = true;
        put_newline(json);
    }
    if (!key)
        return;
    put_string(json, key);
    put(json, ": ", json->indent ? 2 : 1);
}

void mr_json_init(struct mr_json *json, unsigned indent)
{
    *json = (struct mr_json){.indent = indent};
}

void mr_json_open(struct mr_json *json, const char *key, char bracket)
{
    put_key(json, key);
    put(json, &bracket, 1);
    if (json->depth == MR_JSON_DEPTH_MAX)
        abort();
    json->closer[json->depth] = bracket == '{' ? '}' : ']';
    json->filled[json->depth] = false;
    json->depth++;
}

void mr_json_close(struct mr_json *json)
{
    json->depth--;
    if (json->filled[json->depth])
        put_newline(json);
    put(json, &json->closer[json->depth], 1);
}

void mr_json_text(struct mr_json *json, const char *key, const char *text)
{
    put_key(json, key);
    if (text)
        put_string(json, text);
    else
        put(json, "null", 4);
}

void mr_json_u64(struct mr_json *json, const char *key, uint64_t value)
{
    char text[32];
    put_key(json, key);
    put(json, text, (size_t)snprintf(text, sizeof text, "%llu", (unsigned long long)value));
}

void mr_json_i64(struct mr_json *json, const char *key, int64_t value)
{
    char text[32];
    put_key(json, key);
    put(json, text, (size_t)snprintf(text, sizeof text, "%lld", (long long)value));
}

void mr_json_real(struct mr_json *json, const char *key, double value)
{
    char text[40];
    if (!isfinite(value)) {
        mr_json_text(json, key, NULL);
        return;
    }
    put_key(json, key);
    put(json, text, (size_t)snprintf(text, sizeof text, "%.9g", value));
}

void mr_json_bool(struct mr_json *json, const char *key, bool value)
{
    put_key(json, key);
    put(json, value ? "true" : "false", value ? 4 : 5);
}

const char *mr_json_finish(struct mr_json *json)
{
    put(json, "\n", 1);
    return json->bytes;
}

void mr_json_free(struct mr_json *json)
{
    free(json->bytes);
    json->bytes = NULL;
}
