// SPDX-License-Identifier: Apache-2.0
// `millrace top`: running pipelines on a full screen.
#include "cli/cli.h"
#include "cli/progress.h"
#include "cli/runs.h"

#include <locale.h>
#include <ncurses.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/clock.h"

#define REFRESH_MS 500

struct top {
    const char *shm;
    const struct mr_pipeline *only; // NULL: all that are running
    struct mr_runs runs;
    struct mr_report *report;
    struct {
        char name[MR_NAME_BYTES];
        struct mr_rate rate;
    } rates[MR_RUNS_MAX]; // of the runs seen so far
    unsigned rate_count;
    int scroll; // lines
};

static struct mr_rate *rate_of(struct top *top, const char *name)
{
    static struct mr_rate spare; // more runs than can be told apart
    for (unsigned i = 0; i < top->rate_count; i++)
        if (strcmp(top->rates[i].name, name) == 0)
            return &top->rates[i].rate;
    if (top->rate_count == MR_RUNS_MAX)
        return &spare;
    memcpy(top->rates[top->rate_count].name, name, MR_NAME_BYTES);
    return &top->rates[top->rate_count++].rate;
}

static void write_run(struct top *top, const struct mr_pipeline *run, FILE *out)
{
    struct mr_report *report = top->report;
    if (mr_report_read(report, run, NULL) != MR_OK) {
        fprintf(out, "%s  not running\n\n", run->name);
        return;
    }
    struct mr_rate *rate = rate_of(top, run->name);
    mr_rate_update(rate, report->read_mono_ns, mr_report_produced(report, MR_COUNT_IN));
    mr_progress_block(report, rate, out);
    fprintf(out, "  balance   %s\n\n", report->balance ? "exact" : report->imbalance);
}

static void write_screen(struct top *top, FILE *out)
{
    if (top->only) {
        write_run(top, top->only, out);
        return;
    }
    mr_runs_list(&top->runs, top->shm, true);
    if (top->runs.count == 0)
        fprintf(out, "no pipeline is running\n");
    for (unsigned i = 0; i < top->runs.count; i++)
        write_run(top, &top->runs.items[i], out);
}

static void draw(struct top *top)
{
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);
    if (!out)
        return;
    write_screen(top, out);
    fclose(out);
    erase();
    attron(A_REVERSE);
    mvprintw(0, 0, "%-*s", COLS, "millrace top   q quit   up/down scroll");
    attroff(A_REVERSE);
    int row = 1 - top->scroll;
    char *rest = text;
    for (char *line; (line = strsep(&rest, "\n")) != NULL; row++)
        if (row >= 1 && row < LINES) {
            bool title = line[0] && line[0] != ' ';
            attrset(title ? A_BOLD : A_NORMAL);
            mvaddnstr(row, 0, line, COLS);
        }
    attrset(A_NORMAL);
    refresh();
    free(text);
}

static void turn(struct top *top)
{
    for (;;) {
        draw(top);
        switch (getch()) {
        case 'q':
        case 27: // escape
            return;
        case KEY_DOWN:
            top->scroll++;
            break;
        case KEY_UP:
            top->scroll -= top->scroll > 0;
            break;
        default:
            break;
        }
    }
}

int mr_cli_top(int argc, char **argv)
{
    struct mr_arg_list sets = {0}, words;
    struct mr_pipeline only;
    const char *shm = NULL, *user = NULL;
    const struct mr_arg table[] = {MR_ARG_SETS(&sets), MR_ARG_SHM(&shm), MR_ARG_USER(&user), {0}};
    const struct mr_usage usage = {
        .command = "top",
        .words = "[NAME|PIPELINE]",
        .about = "Shows running pipelines on a full screen: rates, how full the rings are, who "
                 "waits for whom, latencies. q quits.",
        .args = table,
        .words_max = 1};
    int code;
    if (!mr_args_parse(&usage, argc, argv, &words, &code))
        return code;
    if ((code = mr_runs_of_user("top", user)) != MR_OK)
        return code;
    if (words.count && (code = mr_runs_find(&only, "top", shm, words.items[0], &sets)) != MR_OK)
        return code;
    if (!isatty(STDOUT_FILENO) || !isatty(STDIN_FILENO)) {
        fprintf(stderr, "millrace top: needs a terminal; `millrace stat` prints once\n");
        return MR_ERR_USAGE;
    }
    mr_clock_setup();
    struct top *top = calloc(1, sizeof *top);
    if (!top)
        abort();
    top->shm = shm;
    top->only = words.count ? &only : NULL;
    top->report = mr_report_new();
    setlocale(LC_ALL, "");
    initscr();
    noecho();
    keypad(stdscr, TRUE);
    curs_set(0);
    timeout(REFRESH_MS);
    turn(top);
    endwin();
    mr_report_free(top->report);
    free(top);
    return MR_OK;
}
