// SPDX-License-Identifier: Apache-2.0
// iceoryx, with its daemon iox-roudi running beside (this file starts it, and stops it at the end). A record is a
// sample: loaned, filled in place, published, taken, looked at in place, released. A batch is one sample of all
// its records. The reader polls; a full queue blocks the writer instead of dropping, so that nothing is lost.
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <iceoryx_hoofs/log/logmanager.hpp>
#include <iceoryx_posh/popo/untyped_publisher.hpp>
#include <iceoryx_posh/popo/untyped_subscriber.hpp>
#include <iceoryx_posh/runtime/posh_runtime.hpp>

#include "bench/peers/loops.hpp"

namespace
{

// Its names are copied whole, whatever their length.
constexpr size_t NAME_BYTES = 101;
constexpr int CONNECT_STEPS_MAX = 5000; // of a millisecond

struct Daemon {
    pid_t pid = 0, owner = 0;
    ~Daemon()
    {
        if (pid > 0 && owner == getpid()) {
            kill(pid, SIGTERM);
            waitpid(pid, nullptr, 0);
        }
    }
} daemon_process;

struct Ends {
    char run[NAME_BYTES]; // names this measurement's topics
    iox::popo::UntypedPublisher *out;
    iox::popo::UntypedSubscriber *in;
};

inline bool send(void *out, uint32_t bytes, uint64_t sequence, unsigned count, mr_pair_side *side)
{
    auto *publisher = static_cast<iox::popo::UntypedPublisher *>(out);
    for (;;) {
        auto loan = publisher->loan(count * bytes, 8);
        if (loan.has_error()) { // all chunks are on their way
            if (!mr_pair_wait_for_space(side))
                return false;
            continue;
        }
        auto *records = static_cast<unsigned char *>(loan.value());
        for (unsigned i = 0; i < count; i++)
            mr_pair_fill(records + size_t(i) * bytes, bytes, sequence + i);
        publisher->publish(records);
        return true;
    }
}

inline unsigned receive(void *in, uint32_t bytes, uint64_t sequence, unsigned, mr_pair_side *side)
{
    auto *subscriber = static_cast<iox::popo::UntypedSubscriber *>(in);
    auto sample = subscriber->take();
    if (sample.has_error())
        return 0;
    auto *records = static_cast<const unsigned char *>(sample.value());
    unsigned count = iox::mepoo::ChunkHeader::fromUserPayload(records)->userPayloadSize() / bytes;
    unsigned good = 0;
    while (good < count && mr_pair_is_good(records + size_t(good) * bytes, bytes, sequence + good))
        good++;
    if (good < count)
        mr_pair_refuse(side, records + size_t(good) * bytes, bytes, sequence + good);
    subscriber->release(records);
    return good;
}

inline void idle(void *)
{
}

#define LOOPS(bytes) MR_PAIR_LOOPS(bytes, iceoryx, send, receive, idle)
LOOPS(8)
MR_PAIR_EACH_SIZE(LOOPS)
#define ROW(bytes) MR_PAIR_LOOPS_ROW(bytes, iceoryx)
const mr_pair_loops loops[] = {ROW(8) MR_PAIR_EACH_SIZE(ROW)};

// Waits until the daemon says that it is ready.
int await_daemon(int said, mr_error *err)
{
    char text[4096];
    size_t bytes = 0;
    for (ssize_t more; bytes < sizeof text - 1 &&
                       (more = read(said, text + bytes, sizeof text - 1 - bytes)) > 0;) {
        text[bytes += size_t(more)] = 0;
        if (strstr(text, "ready for clients"))
            return MR_OK;
    }
    text[bytes] = 0;
    return mr_fail(err, MR_ERR_STAGE, "iox-roudi did not start: %.300s", text);
}

int start_daemon(mr_error *err)
{
    int said[2];
    if (daemon_process.pid > 0)
        return MR_OK;
    if (pipe(said) < 0)
        return mr_fail_errno(err, MR_ERR_STAGE, "cannot start iox-roudi");
    daemon_process.owner = getpid();
    daemon_process.pid = fork();
    if (daemon_process.pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGTERM);
        dup2(said[1], 1);
        dup2(said[1], 2);
        execlp("iox-roudi", "iox-roudi", static_cast<char *>(nullptr));
        _exit(127);
    }
    close(said[1]);
    return await_daemon(said[0], err); // the pipe stays open: it goes on talking
}

int open(void **state, uint32_t, mr_error *err)
{
    static unsigned number;
    int code = start_daemon(err);
    if (code != MR_OK)
        return code;
    auto *ends = static_cast<Ends *>(calloc(1, sizeof(Ends)));
    if (!ends)
        return mr_fail(err, MR_ERR_MEMORY, "no memory for two ends");
    snprintf(ends->run, sizeof ends->run, "run-%d-%u", int(getpid()), number++);
    *state = ends;
    return MR_OK;
}

int join(void *state, int side, void **out, void **in, mr_error *err)
{
    auto *ends = static_cast<Ends *>(state);
    using iox::capro::IdString_t;
    const IdString_t run(iox::cxx::TruncateToCapacity, ends->run), there("there"), back("back");
    char name[NAME_BYTES];
    snprintf(name, sizeof name, "millrace-%.80s-%d", ends->run, side);
    iox::log::LogManager::GetLogManager().SetDefaultLogLevel(
        iox::log::LogLevel::kError, iox::log::LogLevelOutput::kHideLogLevel);
    iox::runtime::PoshRuntime::initRuntime(iox::RuntimeName_t(iox::cxx::TruncateToCapacity, name));
    iox::popo::PublisherOptions writes;
    writes.subscriberTooSlowPolicy = iox::popo::ConsumerTooSlowPolicy::WAIT_FOR_CONSUMER;
    iox::popo::SubscriberOptions reads;
    reads.queueFullPolicy = iox::popo::QueueFullPolicy::BLOCK_PRODUCER;
    ends->out =
        new iox::popo::UntypedPublisher({"millrace", run, side == 0 ? there : back}, writes);
    ends->in = new iox::popo::UntypedSubscriber({"millrace", run, side == 0 ? back : there}, reads);
    for (int i = 0; !ends->out->hasSubscribers() ||
                    ends->in->getSubscriptionState() != iox::SubscribeState::SUBSCRIBED;
         i++) {
        if (i == CONNECT_STEPS_MAX)
            return mr_fail(err, MR_ERR_STAGE, "publisher and subscriber did not find each other");
        usleep(1000);
    }
    *out = ends->out;
    *in = ends->in;
    return MR_OK;
}

void leave(void *state, int)
{
    auto *ends = static_cast<Ends *>(state);
    delete ends->out;
    delete ends->in;
}

} // namespace

const mr_pair_transport mr_peer_iceoryx = {
    "iceoryx", "samples loaned, filled and read in place, polled; a batch is one sample",
    open,      join,
    leave,     free,
    loops,     MR_COUNT_OF(loops),
};
