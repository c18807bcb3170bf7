// SPDX-License-Identifier: Apache-2.0
#include "tests/support/samples.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char *sample_path(const char *name, char *out, size_t out_bytes)
{
    const char *root = getenv("MILLRACE_SAMPLES");
    snprintf(out, out_bytes, "%s/%s", root ? root : "../shared/data", name);
    if (access(out, R_OK) == 0)
        return out;
    fprintf(stderr, "%s: not there; set MILLRACE_SAMPLES to the directory of the sample data\n",
            out);
    return NULL;
}

uint8_t *sample_load(const char *name, size_t *bytes)
{
    char path[512];
    FILE *file = sample_path(name, path, sizeof path) ? fopen(path, "rb") : NULL;
    if (!file)
        return NULL;
    fseek(file, 0, SEEK_END);
    size_t length = (size_t)ftell(file);
    rewind(file);
    uint8_t *content = malloc(length + 1);
    *bytes = content ? fread(content, 1, length, file) : 0;
    fclose(file);
    return content;
}

size_t bytes_of_hex(const char *hex, uint8_t *out, size_t out_bytes)
{
    size_t count = 0;
    unsigned byte;
    for (const char *at = hex; *at && count < out_bytes;) {
        if (*at == ' ') {
            at++;
            continue;
        }
        if (sscanf(at, "%2x", &byte) != 1)
            break;
        out[count++] = (uint8_t)byte;
        at += 2;
    }
    return count;
}
