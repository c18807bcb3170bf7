// SPDX-License-Identifier: Apache-2.0
// Random writes into the shared pages of a run while its stages, a reader, a tap and a looker work on them:
//
//     mischief [--writes N] [--seed S] [--round R] [--keep-going]
//     mischief --into DIRECTORY [--writes N] [--seed S]      writes, and no more, into the segments of a run
//
// Rounds of two kinds, each with its own seed, S + round. By turns: one process takes the parts of all, one
// after the other, restarts included, and writes wildly between any two of their steps: what a seed does it
// does again. At once: every part is a process, and this one writes meanwhile.
//
// Each part has to end well or with one of the documented codes, soon, whatever it finds. A signal, a report of
// a sanitizer, an undocumented code, a second without a step fails the round, and the command that repeats it
// is printed. The last line has the figures.
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/formats/json_out.h"
#include "core/pipeline/metrics.h"
#include "core/pipeline/rundir.h"
#include "ringbuf/tap.h"
#include "tests/support/counting_stage.h"
#include "tests/support/wild_writes.h"

#define CODES 16
#define HANG_NS 1000000000LL
#define TICK_NS 2000000LL
#define TICK_LATE_NS 20000000LL // this process itself was given no core: that time does not count
#define STALL_US 150000 // by turns nobody lets go of what fills a ring: then the stage is halted
#define AT_ONCE_NS 120000000LL // a round in which nothing is noticed
#define INTO_NS 1500000000LL
#define AT_ONCE_EVERY 16 // rounds
#define SANITIZER_EXIT 99
#define DEAF_EXIT 98
#define HALTS_MAX 20 // 50 ms apart
#define RECORDS_BY_TURNS 60

// What the sanitizers of this build are told; nobody's without them.
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "exitcode=99:detect_leaks=0:handle_sigbus=0:handle_abort=1:allocator_may_return_null=1";
}
const char *__ubsan_default_options(void);
const char *__ubsan_default_options(void)
{
    return "print_stacktrace=1";
}

// Shared by the processes of the test, and by no wild write.
struct tally {
    uint64_t steps;   // any progress
    uint64_t arrived; // records that came out at the end
    uint64_t writes;
    uint64_t last_write_ns;
    uint32_t stop;
    uint64_t ended_with[CODES]; // parts, by mr_code
    uint64_t bad_checksums;
    int64_t longest_error_ns; // from the last write to an error
};

static struct tally *tally;
static struct wild_writes wild;
static struct counting_run run;
static FILE *log_file;

// ---- the parts that only look, and the end of the stream -----------------------------------------

static uint64_t touched; // so that no reading is optimised away

static void touch_all(const void *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++)
        touched += ((const uint8_t *)bytes)[i];
}

static void check_sum(const struct mr_reader *reader, const struct mr_record *record,
                      uint32_t length)
{
    static uint8_t copy[MR_RING_CAPACITY_MIN];
    memcpy(copy, record, length);
    const struct mr_record *private = (const void *)copy;
    uint64_t position = reader->position - mr_record_stride(length);
    tally->bad_checksums += private->checksum != mr_record_checksum(copy, length, position);
}

// What the loader does, as far as the ring is concerned.
static int take_out(enum mr_ring_index index, bool forever, struct mr_error *err)
{
    char path[320];
    struct mr_ring ring;
    struct mr_reader reader;
    struct mr_schema_set schemas = {0};
    uint32_t length;
    mr_pipeline_ring_path(&run.pipeline, index, path, sizeof path);
    int code = forever ? mr_ring_await(&ring, path, MR_ATTACH_READ_WRITE, HANG_NS, &schemas, err)
                       : mr_ring_attach(&ring, path, MR_ATTACH_READ_WRITE, err);
    if (code != MR_OK)
        return code;
    mr_reader_open(&reader, &ring);
    do {
        const struct mr_record *record;
        for (unsigned i = 0; i < 64 && (record = mr_next(&reader, &length)); i++) {
            check_sum(&reader, record, length);
            tally->arrived++;
        }
        mr_reader_check(&reader);
        if (!reader.corrupt)
            mr_release(&reader, reader.position, NULL);
        tally->steps++;
    } while (forever && !reader.corrupt && !mr_load_relaxed_u32(&tally->stop));
    code = reader.corrupt ? mr_reader_explain(&reader, err) : MR_OK;
    mr_schema_set_clear(&schemas);
    mr_ring_detach(&ring);
    return code;
}

static int tap_ring(enum mr_ring_index index, unsigned rounds, struct mr_error *err)
{
    char path[320];
    struct mr_ring ring;
    struct mr_tap tap;
    struct mr_schema_set schemas = {0};
    mr_pipeline_ring_path(&run.pipeline, index, path, sizeof path);
    int code = mr_ring_attach(&ring, path, MR_ATTACH_READ_ONLY, err);
    if (code != MR_OK)
        return code;
    if (mr_ring_schemas(&ring, &schemas, err) == MR_OK)
        mr_schema_set_clear(&schemas);
    mr_tap_open(&tap, &ring, MR_TAP_OLDEST);
    for (unsigned i = 0; i < rounds; i++) {
        const struct mr_record *record = mr_tap_next(&tap);
        if (record)
            touch_all(record, record->length);
        tally->steps++;
    }
    touched += mr_tap_at_end(&tap);
    mr_tap_close(&tap);
    mr_ring_detach(&ring);
    return MR_OK;
}

static void print_report(const struct mr_report *report)
{
    char *text = NULL;
    size_t length = 0;
    struct mr_json json;
    FILE *out = open_memstream(&text, &length);
    mr_report_text(report, out);
    mr_metrics_write(report, out);
    for (unsigned hop = 0; hop < MR_REPORT_HOPS; hop++)
        mr_histogram_write_hgrm(mr_report_hop(report, hop), out, 1000);
    fclose(out);
    touch_all(text, length);
    free(text);
    mr_json_init(&json, 2);
    mr_report_json(report, &json);
    touch_all(json.bytes, strlen(mr_json_finish(&json)));
    mr_json_free(&json);
}

static int look(struct mr_error *err)
{
    struct mr_report *report = mr_report_new();
    struct mr_rundir_contents contents;
    int code = mr_report_read(report, &run.pipeline, err);
    if (code == MR_OK)
        print_report(report);
    mr_report_free(report);
    mr_rundir_look(&run.pipeline, &contents);
    touched += mr_stage_leftovers(&run.pipeline);
    tally->steps++;
    return code == MR_ERR_SHM ? MR_OK : code; // nothing there that could be read
}

// ---- by turns ------------------------------------------------------------------------------------

static uint64_t choice; // of what a round does; the writes have numbers of their own
static uint64_t odds;   // one wild write in so many points

static void write_wildly(unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        tally->writes += wild_writes_one(&wild);
    tally->last_write_ns = (uint64_t)mr_mono_ns();
}

static void at_point(void *unused)
{
    (void)unused;
    tally->steps++;
    if (random_below(&choice, 64) == 0)
        wild_writes_look(&wild);
    if (random_below(&choice, odds) == 0)
        write_wildly(1 + (unsigned)random_below(&choice, 3));
}

// Nobody reads while another part has its turn: a ring that is full, or seems to be, stays so. The stage
// is told to halt, as a supervisor would.
static void tell_halt(void)
{
    const uint32_t halt = MR_STOP_HALT;
    for (unsigned i = 0; i < WILD_SEGMENTS; i++) {
        const struct wild_segment *segment = &wild.segments[i];
        int fd = segment->kind == MR_SEGMENT_STAGE ? open(segment->path, O_WRONLY | O_CLOEXEC) : -1;
        if (fd < 0)
            continue;
        touched +=
            (uint64_t)pwrite(fd, &halt, sizeof halt,
                             MR_PAGE_BYTES + offsetof(struct mr_stage_layout, gauges.drain_asked));
        close(fd);
    }
}

static unsigned halts; // told to the part at hand

static void on_alarm(int number)
{
    (void)number;
    tell_halt(); // nothing but system calls
    if (++halts > HALTS_MAX)
        _exit(DEAF_EXIT);
}

static void set_timer(long after_us)
{
    struct itimerval timer = {.it_value = {0, after_us}, .it_interval = {0, after_us / 3}};
    setitimer(ITIMER_REAL, &timer, NULL);
}

enum part { PRODUCE, TRANSFORM, TAKE_OUT, TAP, LOOK, PARTS };

static int play(enum part part, struct mr_error *err)
{
    switch (part) {
    case PRODUCE:
        return counting_produce(&run, at_point, NULL, err);
    case TRANSFORM:
        return counting_transform(&run, at_point, NULL, err);
    case TAKE_OUT:
        return take_out(random_below(&choice, 2) ? MR_RING_EGRESS : MR_RING_INGRESS, false, err);
    case TAP:
        return tap_ring((enum mr_ring_index)random_below(&choice, MR_RING_DEAD_TRANSFORM + 1), 500,
                        err);
    default:
        return look(err);
    }
}

static void note_end(int code)
{
    int64_t since_ns = mr_mono_ns() - (int64_t)tally->last_write_ns;
    tally->ended_with[code % CODES]++;
    if (code != MR_OK && code != MR_ERR_STAGE && tally->last_write_ns != 0 &&
        since_ns > tally->longest_error_ns)
        tally->longest_error_ns = since_ns;
}

static void play_by_turns(uint64_t seed)
{
    static const enum part order[] = {PRODUCE, LOOK,      TRANSFORM, TAP,       TAKE_OUT, LOOK,
                                      PRODUCE, TRANSFORM, TAKE_OUT,  TRANSFORM, TAP,      TAKE_OUT};
    choice = seed ^ 0x5DEECE66DULL;
    odds = 1ULL << random_below(&choice, 12);
    wild_writes_open(&wild, run.pipeline.directory, seed);
    signal(SIGALRM, on_alarm);
    for (unsigned i = 0; i < MR_COUNT_OF(order); i++) {
        struct mr_error err = {0};
        run.total += RECORDS_BY_TURNS;
        halts = 0;
        set_timer(STALL_US);
        int code = play(order[i], &err);
        set_timer(0);
        note_end(code);
        if (code != MR_OK)
            fprintf(stderr, "part %u: %d: %s\n", order[i], code, err.text);
        wild_writes_look(&wild);
        if (random_below(&choice, 3) == 0)
            write_wildly(1u << random_below(&choice, 11));
    }
}

// ---- at once -------------------------------------------------------------------------------------

static void no_point(void *unused)
{
    (void)unused;
    tally->steps++;
}

static int play_forever(enum part part, struct mr_error *err)
{
    int code = MR_OK;
    switch (part) {
    case PRODUCE:
        return counting_produce(&run, no_point, NULL, err);
    case TRANSFORM:
        return counting_transform(&run, no_point, NULL, err);
    case TAKE_OUT:
        return take_out(MR_RING_EGRESS, true, err);
    case TAP:
        // A ring that is not there yet, or is refused, is tried again.
        while (!mr_load_relaxed_u32(&tally->stop))
            if (tap_ring(MR_RING_INGRESS, 5000, err) != MR_OK)
                usleep(1000);
        return MR_OK;
    default:
        while (code == MR_OK && !mr_load_relaxed_u32(&tally->stop))
            code = look(err);
        return code;
    }
}

static void become_child(void)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    dup2(fileno(log_file), STDERR_FILENO);
    dup2(fileno(log_file), STDOUT_FILENO);
    mr_segment_catch_faults();
}

static pid_t start(enum part part)
{
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    struct mr_error err = {0};
    become_child();
    int code = play_forever(part, &err);
    if (code != MR_OK)
        fprintf(stderr, "part %u: %d: %s\n", part, code, err.text);
    _exit(code);
}

// ---- judging -------------------------------------------------------------------------------------

static const char *problem_of(int status)
{
    static char text[80];
    if (WIFSIGNALED(status)) {
        snprintf(text, sizeof text, "was killed by signal %d", WTERMSIG(status));
        return text;
    }
    int code = WEXITSTATUS(status);
    if (code == SANITIZER_EXIT)
        return "was stopped by a sanitizer";
    if (code == DEAF_EXIT)
        return "did not end within a second of being told to";
    if (code == MR_ERR_INTERNAL || code > MR_ERR_LIMIT) {
        snprintf(text, sizeof text, "ended with the undocumented code %d", code);
        return text;
    }
    return NULL;
}

// Time that passes while this process is given its turns.
struct patience {
    int64_t last_ns, waited_ns;
    uint64_t seen;
};

static bool is_hanging(struct patience *patience, uint64_t progress)
{
    int64_t now_ns = mr_mono_ns(), passed_ns = now_ns - patience->last_ns;
    patience->last_ns = now_ns;
    if (patience->seen != progress)
        patience->waited_ns = 0;
    else if (passed_ns < TICK_LATE_NS)
        patience->waited_ns += passed_ns;
    patience->seen = progress;
    return patience->waited_ns > HANG_NS;
}

// A sanitizer says where it was, in the log.
static void end_hanging(pid_t pid)
{
    kill(pid, SIGABRT);
    mr_sleep_until_mono_ns(mr_mono_ns() + HANG_NS / 2);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

// NULL, or what went wrong.
static const char *round_by_turns(uint64_t seed)
{
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        become_child();
        play_by_turns(seed);
        _exit(MR_OK);
    }
    struct patience patience = {.last_ns = mr_mono_ns()};
    while (waitpid(pid, &status, WNOHANG) == 0) {
        if (is_hanging(&patience, mr_load_relaxed_u64(&tally->steps))) {
            end_hanging(pid);
            return "made no step for a second";
        }
        mr_sleep_until_mono_ns(mr_mono_ns() + TICK_NS / 4);
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) != MR_OK)
        note_end(WEXITSTATUS(status));
    return problem_of(status);
}

// Whether one of them has ended; *problem: and badly.
static bool reap(pid_t *pids, unsigned *left, const char **problem)
{
    int status;
    bool ended = false;
    for (unsigned i = 0; i < PARTS; i++) {
        if (pids[i] == 0 || waitpid(pids[i], &status, WNOHANG) != pids[i])
            continue;
        ended = true;
        pids[i] = 0;
        --*left;
        note_end(WIFEXITED(status) ? WEXITSTATUS(status) : 0);
        if (!*problem)
            *problem = problem_of(status);
    }
    return ended;
}

// Those that are left are told to stop; a partner of theirs has ended, and they wait for it.
static void end_all(pid_t *pids, unsigned left, const char **problem)
{
    struct patience patience = {.last_ns = mr_mono_ns()};
    mr_store_relaxed_u32(&tally->stop, 1);
    while (left > 0 && !is_hanging(&patience, left)) {
        wild_writes_look(&wild);
        tell_halt();
        mr_sleep_until_mono_ns(mr_mono_ns() + TICK_NS);
        reap(pids, &left, problem);
    }
    for (unsigned i = 0; i < PARTS; i++) {
        if (pids[i] == 0)
            continue;
        end_hanging(pids[i]);
        if (!*problem)
            *problem = "did not end within a second of being told to";
    }
}

// Writes until one of them ends, or for a while after the last write.
static const char *round_at_once(uint64_t seed)
{
    pid_t pids[PARTS];
    unsigned left = PARTS;
    const char *problem = NULL;
    choice = seed ^ 0x5DEECE66DULL;
    uint64_t budget = 1ULL << random_below(&choice, 16), burst = 1 + random_below(&choice, 64);
    run.total = UINT64_MAX;
    for (unsigned part = 0; part < PARTS; part++)
        pids[part] = start((enum part)part);
    wild_writes_open(&wild, run.pipeline.directory, seed);
    struct patience patience = {.last_ns = mr_mono_ns()};
    int64_t until_ns = 0;
    while (!reap(pids, &left, &problem) && (until_ns == 0 || mr_mono_ns() < until_ns)) {
        wild_writes_look(&wild);
        bool flows = mr_load_relaxed_u64(&tally->arrived) > 200;
        for (uint64_t i = 0; flows && i < burst && budget > 0; i++, budget--)
            write_wildly(1);
        if (flows && budget == 0 && until_ns == 0)
            until_ns = mr_mono_ns() + AT_ONCE_NS;
        if (is_hanging(&patience, mr_load_relaxed_u64(&tally->arrived))) {
            problem = "let no record arrive for a second";
            break;
        }
        mr_sleep_until_mono_ns(mr_mono_ns() + TICK_NS / 8);
    }
    end_all(pids, left, &problem);
    return problem;
}

// ---- rounds --------------------------------------------------------------------------------------

static void show_log(void)
{
    char line[400];
    rewind(log_file);
    while (fgets(line, sizeof line, log_file))
        fputs(line, stdout);
}

static bool play_round(uint64_t seed, uint64_t round)
{
    rewind(log_file);
    if (ftruncate(fileno(log_file), 0) != 0)
        return false;
    tally->stop = 0;
    tally->arrived = 0;
    tally->last_write_ns = 0;
    counting_run_open(&run, 0, 1 + (unsigned)(round % 7));
    const char *problem = round % AT_ONCE_EVERY == AT_ONCE_EVERY - 1 ? round_at_once(seed + round)
                                                                     : round_by_turns(seed + round);
    wild_writes_close(&wild);
    wild = (struct wild_writes){0};
    counting_run_close(&run);
    if (!problem)
        return true;
    show_log();
    printf("round %" PRIu64 " %s; again: mischief --seed %" PRIu64 " --round %" PRIu64 "\n", round,
           problem, seed, round);
    return false;
}

static uint64_t errors_in_all(void)
{
    uint64_t errors = 0;
    for (unsigned code = MR_OK + 1; code < CODES; code++)
        errors += code == MR_ERR_STAGE ? 0 : tally->ended_with[code];
    return errors;
}

static void show_figures(uint64_t rounds, uint64_t failures, uint64_t seed)
{
    printf("mischief: %" PRIu64 " random writes in %" PRIu64 " rounds, seed %" PRIu64
           "; errors: %" PRIu64 " (corrupt %" PRIu64 ", shm %" PRIu64 ", others %" PRIu64
           "), bad checksums %" PRIu64 ", halted %" PRIu64
           "; longest time to an error %.0f ms; %" PRIu64 " crashes, out of bounds or hangs\n",
           tally->writes, rounds, seed, errors_in_all(), tally->ended_with[MR_ERR_CORRUPT],
           tally->ended_with[MR_ERR_SHM],
           errors_in_all() - tally->ended_with[MR_ERR_CORRUPT] - tally->ended_with[MR_ERR_SHM],
           tally->bad_checksums, tally->ended_with[MR_ERR_STAGE],
           (double)tally->longest_error_ns / 1e6, failures);
}

// Into a run of other processes, for a second or two.
static int write_into(const char *directory, uint64_t seed, uint64_t writes)
{
    wild_writes_open(&wild, directory, seed);
    for (int64_t until_ns = mr_mono_ns() + INTO_NS;
         mr_mono_ns() < until_ns && wild.writes < writes;) {
        wild_writes_look(&wild);
        for (uint64_t i = 0; i < 1 + writes / 1000; i++)
            wild_writes_one(&wild);
        mr_sleep_until_mono_ns(mr_mono_ns() + TICK_NS / 4);
    }
    printf("mischief: %" PRIu64 " random writes into %s, seed %" PRIu64 "\n", wild.writes,
           directory, seed);
    wild_writes_close(&wild);
    return wild.writes > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"writes", required_argument, NULL, 'w'}, {"seed", required_argument, NULL, 's'},
        {"round", required_argument, NULL, 'r'},  {"keep-going", no_argument, NULL, 'k'},
        {"into", required_argument, NULL, 'i'},   {0}};
    uint64_t writes = 100000, seed = 1, only = UINT64_MAX, failures = 0, round = 0;
    const char *into = NULL;
    bool keep_going = false;
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (option == 'w')
            writes = strtoull(optarg, NULL, 10);
        else if (option == 's')
            seed = strtoull(optarg, NULL, 10);
        else if (option == 'r')
            only = strtoull(optarg, NULL, 10);
        else if (option == 'k')
            keep_going = true;
        else if (option == 'i')
            into = optarg;
        else
            return EXIT_FAILURE;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    mr_clock_setup();
    if (into)
        return write_into(into, seed, writes);
    tally = mmap(NULL, sizeof *tally, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    log_file = tmpfile();
    if (tally == MAP_FAILED || !log_file)
        return EXIT_FAILURE;
    if (only != UINT64_MAX) {
        bool good = play_round(seed, only);
        show_log();
        return good ? EXIT_SUCCESS : EXIT_FAILURE;
    }
    while (tally->writes < writes && (failures == 0 || keep_going))
        failures += !play_round(seed, round++);
    show_figures(round, failures, seed);
    return failures == 0 && errors_in_all() > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
