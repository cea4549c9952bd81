// Broker: a real Kafka broker, started by the test, killed and started again as it likes (tools/dev/kafka.sh).
//
// Threads     One thread of the test.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace tidegate::testing {

/// A child process with its output in a file; killed with the object.
class Child {
  public:
    static std::unique_ptr<Child> start(const std::vector<std::string>& command, const std::string& log_path);
    ~Child();
    Child(const Child&) = delete;
    Child& operator=(const Child&) = delete;
    bool is_running();
    /// -1 once it has ended and that was noticed.
    pid_t pid() const noexcept { return pid_; }
    void kill_now();
    /// Exit status after SIGTERM; -1: it did not end in `seconds` or was ended by a signal.
    int end(int seconds);

  private:
    explicit Child(pid_t pid) : pid_(pid) {}
    pid_t pid_;
};

class Broker {
  public:
    /// Why there is none; empty: it can be started. Fetches it the first time.
    static std::string unavailable();
    /// Null: it does not answer within 60 s.
    static std::unique_ptr<Broker> start(const std::string& data_folder, int partitions);
    /// SIGKILL, and the same again from the same data. False: it does not answer.
    bool kill_and_restart();
    void kill_now() { process_->kill_now(); }
    std::string address() const;

  private:
    Broker(std::string data, int partitions, std::uint16_t port)
        : data_(std::move(data)), partitions_(partitions), port_(port) {}
    bool launch();
    std::string data_;
    int partitions_;
    std::uint16_t port_;
    std::unique_ptr<Child> process_;
};

}  // namespace tidegate::testing
