// SPDX-License-Identifier: Apache-2.0
// `millrace help`: the overview, a command's --help, and the options of every plugin from its own
// table.
#include "cli/cli.h"

#include <stdio.h>
#include <string.h>

#include "consumers/loader/sink.h"
#include "consumers/transform/operator.h"
#include "producers/source.h"

void mr_cli_overview(void)
{
    printf("millrace %s: brings a feed to its analytics, in three processes and two rings\n\n"
           "usage: millrace COMMAND ...\n\ncommands:\n",
           MR_VERSION);
    for (const struct mr_command *command = mr_commands; command->name; command++)
        printf("  %-11s%s\n", command->name, command->about);
    printf("\n`millrace help COMMAND` explains a command; `millrace help source|operator|sink "
           "[NAME]`\n"
           "explains what a pipeline file can hold.\n");
}

static const char *type_text(const struct mr_option *option)
{
    switch (option->type) {
    case MR_OPTION_STRING:
        return "text";
    case MR_OPTION_INT:
        return "integer";
    case MR_OPTION_SIZE:
        return "size";
    case MR_OPTION_DURATION:
        return "duration";
    case MR_OPTION_REAL:
        return "number";
    case MR_OPTION_BOOL:
        return "true|false";
    case MR_OPTION_ENUM:
        return option->labels;
    case MR_OPTION_NODE:
        return "structure";
    }
    return "";
}

static const char *fallback_text(const struct mr_option *option)
{
    if (option->fallback == MR_OPTION_REQUIRED)
        return "required";
    return option->fallback ? option->fallback : "-";
}

static void widen(int *width, const char *text)
{
    if ((int)strlen(text) > *width)
        *width = (int)strlen(text);
}

static void print_options(const struct mr_option *table)
{
    int name = 6, type = 4, fallback = 7;
    for (const struct mr_option *option = table; option->name; option++) {
        widen(&name, option->name);
        widen(&type, type_text(option));
        widen(&fallback, fallback_text(option));
    }
    printf("\n  %-*s  %-*s  %-*s  %s\n", name, "option", type, "type", fallback, "default",
           "meaning");
    for (const struct mr_option *option = table; option->name; option++)
        printf("  %-*s  %-*s  %-*s  %s\n", name, option->name, type, type_text(option), fallback,
               fallback_text(option), option->help ? option->help : "");
}

static int print_plugin(const char *kind, const char *name, const char *about, const char *help,
                        const struct mr_option *table, const char *const *counters)
{
    printf("%s %s: %s\n", kind, name, about);
    if (help)
        printf("\n%s", help);
    if (table && table->name)
        print_options(table);
    if (counters && counters[0])
        printf("\n  counts:");
    for (unsigned i = 0; counters && counters[i]; i++)
        printf(" %s", counters[i]);
    if (counters && counters[0])
        printf("\n");
    return MR_OK;
}

// The plugins of one kind, as one list whatever their contract.
struct plugin {
    const char *name, *about, *help; // help: NULL where the options say it all
    const struct mr_option *options;
    const char *const *counters;
};
#define PLUGINS_MAX 64

static unsigned plugins_of(const char *kind, struct plugin *out)
{
    unsigned count = 0;
    for (unsigned i = 0; strcmp(kind, "source") == 0 && mr_sources[i] && count < PLUGINS_MAX; i++)
        out[count++] = (struct plugin){mr_sources[i]->name, mr_sources[i]->about, NULL,
                                       mr_sources[i]->options, mr_sources[i]->counters};
    for (unsigned i = 0; strcmp(kind, "operator") == 0 && mr_operators[i] && count < PLUGINS_MAX;
         i++)
        out[count++] =
            (struct plugin){mr_operators[i]->name, mr_operators[i]->about, mr_operators[i]->help,
                            mr_operators[i]->options, mr_operators[i]->counters};
    for (unsigned i = 0; strcmp(kind, "sink") == 0 && mr_sinks[i] && count < PLUGINS_MAX; i++)
        out[count++] = (struct plugin){mr_sinks[i]->name, mr_sinks[i]->about, NULL,
                                       mr_sinks[i]->options, mr_sinks[i]->counters};
    return count;
}

static int help_plugin(const char *kind, const char *name)
{
    struct plugin plugins[PLUGINS_MAX];
    const char *names[PLUGINS_MAX];
    unsigned count = plugins_of(kind, plugins);
    for (unsigned i = 0; i < count; i++) {
        names[i] = plugins[i].name;
        if (!name)
            printf("  %-14s %s\n", plugins[i].name, plugins[i].about);
        else if (strcmp(name, plugins[i].name) == 0)
            return print_plugin(kind, name, plugins[i].about, plugins[i].help, plugins[i].options,
                                plugins[i].counters);
    }
    if (!name)
        return MR_OK;
    const char *near = mr_nearest(name, names, count);
    fprintf(stderr, "millrace help: no %s \"%s\"%s%s%s; `millrace help %s` lists them\n", kind,
            name, near ? ", did you mean \"" : "", near ? near : "", near ? "\"?" : "", kind);
    return MR_ERR_USAGE;
}

static int help_command(const char *name)
{
    char help[] = "--help";
    const char *names[64];
    unsigned count = 0;
    for (const struct mr_command *command = mr_commands; command->name; command++) {
        names[count++] = command->name;
        if (strcmp(command->name, name) == 0) {
            char *argv[] = {(char *)command->name, help, NULL};
            return command->main(2, argv);
        }
    }
    const char *near = mr_nearest(name, names, count);
    fprintf(stderr, "millrace help: no command \"%s\"%s%s%s; `millrace help` lists them\n", name,
            near ? ", did you mean \"" : "", near ? near : "", near ? "\"?" : "");
    return MR_ERR_USAGE;
}

int mr_cli_help(int argc, char **argv)
{
    const struct mr_usage usage = {
        .command = "help",
        .words = "[COMMAND | source [NAME] | operator [NAME] | sink [NAME]]",
        .about = "Explains a command, or lists and explains the plugins that a pipeline file "
                 "names, with their options, types and defaults.",
        .words_max = 2};
    struct mr_arg_list words;
    int code;
    if (!mr_args_parse(&usage, argc, argv, &words, &code))
        return code;
    if (words.count == 0) {
        mr_cli_overview();
        return MR_OK;
    }
    const char *first = words.items[0];
    if (strcmp(first, "source") == 0 || strcmp(first, "operator") == 0 ||
        strcmp(first, "sink") == 0)
        return help_plugin(first, words.count > 1 ? words.items[1] : NULL);
    return help_command(first);
}
