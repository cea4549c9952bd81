// ServerProcess: the real binary on a free loopback port, for system tests.
//
// Life        start() waits until the server listens; the destructor kills it. The data folder is the test's.
// Threads     One thread of the test.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <sys/types.h>

namespace tidegate::testing {

/// The binary under test: TIDEGATE_BINARY, which ctest sets.
std::string binary_path();

/// A folder that goes away with the object.
class TemporaryFolder {
  public:
    TemporaryFolder();
    ~TemporaryFolder();
    TemporaryFolder(const TemporaryFolder&) = delete;
    TemporaryFolder& operator=(const TemporaryFolder&) = delete;
    const std::string& path() const noexcept { return path_; }

  private:
    std::string path_;
};

class ServerProcess {
  public:
    /// Runs `tidegate serve --port 0 --data-dir DIR ARGUMENTS...`; null (and a failed expectation) when it
    /// does not listen within 60 s. Standard error goes to DIR/server.log.
    static std::unique_ptr<ServerProcess> start(const std::string& data_dir,
                                                const std::vector<std::string>& arguments = {});
    ~ServerProcess();
    ServerProcess(const ServerProcess&) = delete;
    ServerProcess& operator=(const ServerProcess&) = delete;

    std::uint16_t port() const noexcept { return port_; }
    pid_t pid() const noexcept { return pid_; }
    /// SIGKILL, then reaps.
    void kill_now();
    /// Sends a signal, waits up to `seconds`, gives the exit status as waitpid() does; -1 when it did not
    /// end.
    int stop(int signal, int seconds);
    /// All the server has logged.
    std::string log() const;
    /// Resident memory in bytes, from /proc.
    std::uint64_t resident_bytes() const;

  private:
    ServerProcess(pid_t pid, std::string log_path) : pid_(pid), log_path_(std::move(log_path)) {}
    bool wait_until_listening();
    pid_t pid_;
    std::string log_path_;
    std::uint16_t port_ = 0;
};

struct RunResult {
    int status = -1;  // Exit status; -1 when it was ended by a signal.
    std::string out;
    std::string error;
};
/// Runs a program found by PATH with `arguments`; at most 240 s, a script that fetches 60 s. Its environment is the test's.
RunResult run_program(const std::string& program, const std::vector<std::string>& arguments);

/// Runs the binary with `arguments`, `input` on its standard input, and extra environment `NAME=value`; at
/// most 240 s, an evaluation 400 s.
RunResult run_binary(const std::vector<std::string>& arguments, const std::string& input = {},
                     const std::vector<std::string>& environment = {});

}  // namespace tidegate::testing
