// A small table of every type, a disk in memory, and the loads that the tests of this room share.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "settings/load.h"

namespace tidegate::settings {

class MemoryDisk final : public Disk {
  public:
    std::map<std::string, std::string> files;

    Result<std::string> read(const std::string& path, std::uint64_t bytes_max) const override {
        const auto found = files.find(path);
        if (found == files.end()) return fail(ErrorCode::kNotFound, "cannot open " + path);
        if (found->second.size() > bytes_max) return fail(ErrorCode::kTooLarge, path + " is too large");
        return found->second;
    }
    Result<void> write_atomic(const std::string& path, std::string_view bytes) override {
        files[path] = bytes;
        return {};
    }
    Result<void> make_directories(const std::string&) override { return {}; }
    bool exists(const std::string& path) const override { return files.contains(path); }
};

struct RoomSettings {
    std::string address;
    std::uint16_t port = 0;
    Duration idle_max{};
    std::uint64_t body_bytes_max = 0;
    bool metrics = false;
    double sample_rate = 0;
    std::int64_t offset = 0;
    std::string log_format;
    std::vector<std::string> origins;
    Secret key;
    Duration window{};
};

inline void declare(Table& t, RoomSettings& s) {
    using namespace std::chrono_literals;
    t.group("server", "The listener.");
    t.add("server.address", s.address, "127.0.0.1").doc("Address to listen on.").env_aliases({"APT_HOST"});
    t.add("server.port", s.port, 8000).range(0, 65535).doc("TCP port; 0 lets the kernel choose.").flag("port");
    t.add("server.idle_max_s", s.idle_max, 60s).range(1s, 1h).doc("Keep-alive without a request.");
    t.add("server.body_bytes_max", s.body_bytes_max, 10'000'000).range(1, 1ULL << 32U).bytes().doc("Largest body.");
    t.group("observe", "What is shown.");
    t.add("observe.metrics", s.metrics, true)
        .doc("Serve /metrics.")
        .flag("metrics")
        .env_aliases({"APT_ENABLE_PROMETHEUS"});
    t.add("observe.sample_rate", s.sample_rate, 0.5).range(0, 1).doc("Share of requests traced.");
    t.add("observe.offset", s.offset, -3).range(-10, 10).doc("A signed number.");
    t.add("observe.log_format", s.log_format, "json").choices({"json", "text"}).doc("Form of a log line.");
    t.add("observe.origins", s.origins, {"a", "b"}).doc("Allowed origins.").aliases({"cors_origins"});
    t.add("observe.key", s.key).doc("Key of the exporter.").env_aliases({"OTEL_KEY"});
    t.add("observe.window_ms", s.window, 250ms)
        .range(1ms, 10s)
        .doc("Averaging window.")
        .env_aliases({"WINDOW_SECONDS"});
}

class SettingsTest : public testing::Test {
  protected:
    SettingsTest() { declare(table_, room_); }

    Result<Resolved> load_yaml(std::string yaml) {
        disk_.files["tidegate.yaml"] = std::move(yaml);
        return load(table_, {.config_path = "tidegate.yaml", .environment = {}, .flags = {}}, disk_);
    }
    Result<Resolved> load_environment(std::vector<NameValue> environment) {
        return load(table_, {.config_path = {}, .environment = std::move(environment), .flags = {}}, disk_);
    }
    Result<Resolved> load_flags(std::vector<NameValue> flags) {
        return load(table_, {.config_path = {}, .environment = {}, .flags = std::move(flags)}, disk_);
    }

    Table table_;
    RoomSettings room_;
    MemoryDisk disk_;
};

inline std::string message_of(const Result<Resolved>& result) {
    return result ? "(no error)" : result.error().message;
}

}  // namespace tidegate::settings
