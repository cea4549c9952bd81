#include "audit_postgres/writer_process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <utility>

#include "audit/postgres/postgres_decision_log.h"
#include "base/strings.h"

namespace tidegate::testing {

int write_until_killed(const std::string& url, std::uint64_t first) {
    const SystemClock clock;
    SystemRandom random;
    audit::postgres::PostgresLogOptions options;
    options.url = url;
    auto log = audit::postgres::PostgresDecisionLog::open(options, clock, random);
    if (!log) return 1;
    std::atomic<bool> refused{false};
    std::atomic<std::uint64_t> waiting{0};
    for (std::uint64_t n = first; !refused.load(); ++n) {
        audit::Decision decision;
        decision.id = make_uuid7(clock, random);
        decision.request_id = "request-" + std::to_string(n);
        decision.service = "test";
        decision.operation = "count";
        while (waiting.load() >= 200 && !refused.load()) waiting.wait(waiting.load());
        ++waiting;
        (*log)->append(std::move(decision), [&, n](const Result<void>& done) {
            const std::string line = std::to_string(n) + "\n";
            if (!done || ::write(STDOUT_FILENO, line.data(), line.size()) < 0) refused.store(true);
            --waiting;
            waiting.notify_one();
        });
    }
    return 2;
}

bool WriterProcess::start(const std::string& url, std::uint64_t first) {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) return false;
    std::array<std::string, 4> words{"/proc/self/exe", "--write", url, std::to_string(first)};
    std::array<char*, 5> argv{words[0].data(), words[1].data(), words[2].data(), words[3].data(), nullptr};
    pid_ = ::fork();
    if (pid_ == 0) {
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        ::dup2(ends[1], STDOUT_FILENO);
        ::execv(argv[0], argv.data());
        ::_exit(127);
    }
    ::close(ends[1]);
    output_ = ends[0];
    return pid_ > 0;
}

bool WriterProcess::next(std::uint64_t& number) {
    number = 0;
    std::size_t end = 0;
    while ((end = unread_.find('\n')) == std::string::npos) {
        std::array<char, 4096> bytes{};
        const ssize_t got = ::read(output_, bytes.data(), bytes.size());
        if (got <= 0) return false;
        unread_.append(bytes.data(), static_cast<std::size_t>(got));
    }
    number = parse_u64(std::string_view(unread_).substr(0, end)).value_or(0);
    unread_.erase(0, end + 1);
    return true;
}

void WriterProcess::kill() {
    if (pid_ > 0) {
        ::kill(pid_, SIGKILL);
        ::waitpid(pid_, nullptr, 0);
        pid_ = -1;
    } else if (output_ >= 0) {
        ::close(output_);
        output_ = -1;
    }
}

}  // namespace tidegate::testing
