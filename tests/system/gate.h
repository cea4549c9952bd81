// The gate in front of a scripted upstream, as the system tests start it.
#pragma once

#include <atomic>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "support/upstream.h"
#include "system/client.h"

namespace tidegate::testing {

/// A folder with the settings as YAML, and the servers that read them. Two servers want two data folders.
class GateFixture : public ::testing::Test {
  protected:
    using Process = std::unique_ptr<ServerProcess>;

    /// Settings with the upstream `app` (and `more_upstream`, lines of its own), `routes`, and `more` groups.
    std::string settings(const std::string& routes, const std::string& more = {},
                         const std::string& more_upstream = {}) const {
        std::string text = "upstreams:\n  app:\n    targets: [{url: \"" + upstream_.url() + "\"}]\n" + more_upstream;
        return text + "routes:\n" + routes + more;
    }
    Process start(const std::string& yaml, std::vector<std::string> arguments = {}) const {
        return start_in(folder_.path(), yaml, std::move(arguments));
    }
    static Process start_in(const std::string& folder, const std::string& yaml,
                            std::vector<std::string> arguments = {}) {
        const std::string path = folder + "/tidegate.yaml";
        std::ofstream(path) << yaml;
        arguments.push_back("--config=" + path);
        return ServerProcess::start(folder, arguments);
    }
    /// The value of a metric by its whole name with labels, or of all series whose line starts so, summed; 0 when absent.
    static double metric(std::uint16_t port, const std::string& name, const std::string& with = {}) {
        const std::string text = get(port, "/metrics").body;
        double sum = 0;
        for (std::size_t at = 0; at < text.size();) {
            const std::size_t end = std::min(text.find('\n', at), text.size());
            const std::string line = text.substr(at, end - at);
            at = end + 1;
            if (!line.starts_with(name) || line.find(with) == std::string::npos) continue;
            sum += parse_double(line.substr(line.rfind(' ') + 1)).value_or(0);
        }
        return sum;
    }
    /// A time zone where it is about noon: no daily cap begins anew while the test runs.
    static std::string zone_far_from_midnight() {
        const int ahead = 12 - static_cast<int>(SystemClock().unix_ms() / 3'600'000 % 24);
        // Named the other way round: Etc/GMT-5 is five hours ahead of Greenwich.
        return std::string("Etc/GMT") + (ahead >= 0 ? "-" : "+") + std::to_string(std::abs(ahead));
    }
    static json::Document health(std::uint16_t port) { return parse_json(get(port, "/health").body); }
    /// Asks until `done(answer)`; the last answer. At most 60 s.
    template <class Ask, class Done>
    static auto ask_until(const Ask& ask, const Done& done) {
        const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
        auto answer = ask();
        while (!done(answer) && std::chrono::steady_clock::now() < deadline) {
            rest(std::chrono::milliseconds(10));
            answer = ask();
        }
        return answer;
    }

    TemporaryFolder folder_;
    Upstream upstream_;
};

}  // namespace tidegate::testing
