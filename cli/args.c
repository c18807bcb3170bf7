// SPDX-License-Identifier: Apache-2.0
#include "cli/args.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/config_tree.h"
#include "core/error.h"

#define NAME_LENGTH_MAX 40

const char *mr_nearest(const char *word, const char *const *names, unsigned count)
{
    const char *best = NULL;
    unsigned best_distance = 3; // further away it is no slip of the finger any more
    for (unsigned i = 0; i < count; i++) {
        unsigned distance = mr_edit_distance(word, names[i]);
        bool begins = strlen(word) >= 3 && strncmp(word, names[i], strlen(word)) == 0;
        if (begins)
            distance = 1;
        if (distance < best_distance && distance < strlen(names[i])) {
            best = names[i];
            best_distance = distance;
        }
    }
    return best;
}

static void print_option(const char *name, const char *value, const char *help)
{
    char left[96];
    snprintf(left, sizeof left, "--%s%s%s", name, value ? " " : "", value ? value : "");
    if (strlen(left) > 26)
        printf("  %s\n  %-26s  %s\n", left, "", help);
    else
        printf("  %-26s  %s\n", left, help);
}

#define HELP_COLUMNS 80

// Words into lines of at most HELP_COLUMNS, however the text was broken; an empty line stays one.
static void print_wrapped(const char *text)
{
    size_t column = 0;
    while (*text) {
        size_t length = strcspn(text, " \n");
        size_t between = strspn(text + length, " \n");
        if (column && column + 1 + length > HELP_COLUMNS) {
            putchar('\n');
            column = 0;
        }
        column += (size_t)printf("%s%.*s", column ? " " : "", (int)length, text);
        if (between >= 2 && text[length] == '\n' && text[length + 1] == '\n') {
            fputs("\n\n", stdout);
            column = 0;
        }
        text += length + between;
    }
    putchar('\n');
}

static void print_help(const struct mr_usage *usage)
{
    printf("usage: millrace %s%s%s%s\n\n", usage->command,
           usage->args && usage->args[0].name ? " [OPTION...]" : "", usage->words[0] ? " " : "",
           usage->words);
    print_wrapped(usage->about);
    printf("\noptions:\n");
    for (const struct mr_arg *arg = usage->args; arg && arg->name; arg++)
        print_option(arg->name, arg->value, arg->help);
    print_option("help", NULL, "this text");
}

static int complain(const struct mr_usage *usage, const char *what, const char *word,
                    const char *expected)
{
    fprintf(stderr, "millrace %s: %s \"%s\"%s%s; see `millrace %s --help`\n", usage->command, what,
            word, expected ? ", expected " : "", expected ? expected : "", usage->command);
    return MR_ERR_USAGE;
}

static int unknown_option(const struct mr_usage *usage, const char *name)
{
    const char *names[MR_ARG_LIST_MAX] = {"help"};
    unsigned count = 1;
    for (const struct mr_arg *arg = usage->args; arg && arg->name && count < MR_ARG_LIST_MAX; arg++)
        names[count++] = arg->name;
    const char *near = mr_nearest(name, names, count);
    char expected[64] = "";
    if (near)
        snprintf(expected, sizeof expected, "--%s?", near);
    return complain(usage, "unknown option", name, near ? expected : NULL);
}

static int take_number(const struct mr_usage *usage, const struct mr_arg *arg, const char *text)
{
    char *end;
    errno = 0;
    if (arg->kind == MR_ARG_REAL) {
        double real = strtod(text, &end);
        *(double *)arg->to = real;
    } else {
        unsigned long long whole = strtoull(text, &end, 10);
        *(uint64_t *)arg->to = whole;
        if (text[0] == '-' || text[0] == '+')
            end = (char *)text; // strtoull takes "-1" for a very large number
    }
    if (end == text || *end || errno == ERANGE)
        return complain(usage, arg->name, text,
                        arg->kind == MR_ARG_REAL ? "a number" : "a whole number, 0 or more");
    return MR_OK;
}

static int take_value(const struct mr_usage *usage, const struct mr_arg *arg, const char *text)
{
    if (arg->kind == MR_ARG_TEXT) {
        *(const char **)arg->to = text;
        return MR_OK;
    }
    if (arg->kind != MR_ARG_LIST)
        return take_number(usage, arg, text);
    struct mr_arg_list *list = arg->to;
    if (list->count == MR_ARG_LIST_MAX)
        return complain(usage, "too many of option", arg->name, NULL);
    list->items[list->count++] = text;
    return MR_OK;
}

// One option at argv[*at], which begins with "--"; steps over its value.
static int take_option(const struct mr_usage *usage, int argc, char **argv, int *at)
{
    const char *name = argv[*at] + 2;
    const char *equals = strchr(name, '=');
    size_t length = equals ? (size_t)(equals - name) : strlen(name);
    for (const struct mr_arg *arg = usage->args; arg && arg->name; arg++) {
        if (strlen(arg->name) != length || memcmp(arg->name, name, length) != 0)
            continue;
        if (arg->kind == MR_ARG_SWITCH) {
            *(bool *)arg->to = true;
            return equals ? complain(usage, "option takes no value", argv[*at], NULL) : MR_OK;
        }
        if (!equals && *at + 1 >= argc)
            return complain(usage, "option without its value", argv[*at], arg->value);
        return take_value(usage, arg, equals ? equals + 1 : argv[++*at]);
    }
    char cut[NAME_LENGTH_MAX];
    snprintf(cut, sizeof cut, "%.*s", (int)length, name);
    return unknown_option(usage, cut);
}

static bool asks_help(const char *word)
{
    return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
}

// What follows "--" is a word whatever it looks like.
static int take(const struct mr_usage *usage, int argc, char **argv, struct mr_arg_list *words)
{
    bool only_words = false;
    for (int i = 1; i < argc; i++) {
        const char *word = argv[i];
        int code = MR_OK;
        if (!only_words && strcmp(word, "--") == 0)
            only_words = true;
        else if (!only_words && strncmp(word, "--", 2) == 0)
            code = take_option(usage, argc, argv, &i);
        else if (!only_words && word[0] == '-' && word[1])
            code = unknown_option(usage, word + 1);
        else if (words->count == usage->words_max)
            code = complain(usage, "one argument too many:", word, usage->words);
        else
            words->items[words->count++] = word;
        if (code != MR_OK)
            return code;
    }
    return MR_OK;
}

bool mr_args_parse(const struct mr_usage *usage, int argc, char **argv, struct mr_arg_list *words,
                   int *code)
{
    words->count = 0;
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (asks_help(argv[i])) {
            print_help(usage);
            *code = MR_OK;
            return false;
        }
    *code = take(usage, argc, argv, words);
    if (*code == MR_OK && words->count < usage->words_min)
        *code = complain(usage, "missing argument, found only", words->count ? words->items[0] : "",
                         usage->words);
    return *code == MR_OK;
}
