// A process of its own that appends to a log in PostgreSQL and says what was acknowledged, to be killed.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>

namespace tidegate::testing {

/// What `test_audit_postgres --write URL FIRST` does: appends request-FIRST, request-FIRST+1, ... and writes a line with each number
/// that was acknowledged to its standard output, until it is killed or the log refuses.
int write_until_killed(const std::string& url, std::uint64_t first);

/// The process, as the test sees it.
class WriterProcess {
  public:
    /// False: it could not be started.
    bool start(const std::string& url, std::uint64_t first);
    ~WriterProcess() { kill(); }
    /// The next acknowledged number; nothing (and 0) when the process is gone.
    bool next(std::uint64_t& number);
    /// SIGKILL; what it had said before can still be read.
    void kill();

  private:
    pid_t pid_ = -1;
    int output_ = -1;
    std::string unread_;
};

}  // namespace tidegate::testing
