// ServerTalk: a command's way to ask a running server over HTTP: one answer, or its event stream.
//
// Threads     One. Everything happens within the calls.
// When it fails  kUnavailable: no answer, or one that is no success; the message says what the server said.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "app/commands.h"
#include "base/result.h"
#include "http/client/client.h"
#include "http/client/client_counters.h"
#include "runtime/event_loop.h"
#include "runtime/worker_pool.h"

namespace tidegate::app {

/// `--name VALUE` and single words of a command line.
struct PerfWords {
    std::vector<std::pair<std::string, std::string>> options;
    std::vector<std::string> flags;
    /// Empty: it was not given.
    std::string one(std::string_view name) const;
    bool has(std::string_view flag) const;
    /// kInvalidArgument names what is not known, or lacks its value.
    static Result<PerfWords> read(const std::vector<std::string>& words, std::size_t from,
                                  const std::vector<std::string_view>& options,
                                  const std::vector<std::string_view>& flags);
};

class ServerTalk {
  public:
    /// --server URL and --key KEY; without a URL the server of the settings, on this machine.
    static Result<std::unique_ptr<ServerTalk>> open(const Invocation& invocation, const PerfWords& words);

    /// The body of an answer 2xx.
    Result<std::string> ask(std::string_view method, std::string_view target);
    /// Calls event(name, data) for each event, and tick() some ten times a second; ends when one of them says false (no error), or
    /// when the stream ends (kUnavailable).
    Result<void> listen(std::string_view target, const std::function<bool(std::string_view, std::string_view)>& event,
                        const std::function<bool()>& tick);
    const http::Origin& origin() const noexcept { return origin_; }

  private:
    ServerTalk() = default;
    http::ClientRequest request(std::string_view method, std::string_view target) const;

    SystemClock clock_;
    http::Origin origin_;
    std::string key_;
    std::unique_ptr<runtime::EventLoop> loop_;
    std::unique_ptr<runtime::WorkerPool> names_;
    http::ClientCounters counters_;
    std::unique_ptr<http::Client> client_;
};

/// Columns as wide as they need to be; numbers to the right.
std::string text_table(const std::vector<std::string>& head, const std::vector<std::vector<std::string>>& rows);
/// `[#####-----] 50 %`, 30 wide; `done` in 0..1.
std::string progress_bar(double done);

}  // namespace tidegate::app
