// What the tests of this room share: a clock by hand, a folder, settings with their defaults, keys and tokens made on the spot.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/file.h"
#include "pipeline/identity/identity.h"
#include "pipeline/identity/key_store.h"
#include "settings/load.h"
#include "store/temporary_folder.h"

namespace tidegate::pipeline::testing {

class MemoryDisk final : public Disk {
  public:
    std::map<std::string, std::string> files;
    Result<std::string> read(const std::string& path, std::uint64_t) const override {
        const auto found = files.find(path);
        if (found == files.end()) return fail(ErrorCode::kNotFound, "cannot open " + path);
        return found->second;
    }
    Result<void> write_atomic(const std::string&, std::string_view) override { return {}; }
    Result<void> make_directories(const std::string&) override { return {}; }
    bool exists(const std::string& path) const override { return files.contains(path); }
};

/// The settings as a server without a file has them, with `flags` on top.
inline void load(IdentitySettings& settings, std::vector<settings::NameValue> flags = {}) {
    settings::Table table;
    declare(table, settings);
    const auto resolved =
        settings::load(table, {.config_path = {}, .environment = {}, .flags = std::move(flags)}, SystemDisk());
    ASSERT_TRUE(resolved) << resolved.error().message;
}

/// For SetUp(): everything that an Identity stands on.
class IdentityFixture : public ::testing::Test {
  protected:
    void open(std::vector<settings::NameValue> flags = {}, bool loopback_only = true) {
        load(settings, std::move(flags));
        auto opened = Identity::open(settings, folder.file("tidegate.db"), loopback_only, clock, random, disk);
        ASSERT_TRUE(opened) << opened.error().message;
        identity = *std::move(opened);
    }
    NewKey make_key(KeySpec spec = {.name = "a key", .scopes = {"*"}}) {
        auto made = identity->keys().create(spec);
        EXPECT_TRUE(made) << made.error().message;
        return *std::move(made);
    }
    UnixMillis now() const { return clock.unix_ms(); }

    store::TemporaryFolder folder;
    ManualClock clock;
    SystemRandom random;
    MemoryDisk disk;
    IdentitySettings settings;
    std::unique_ptr<Identity> identity;
};

}  // namespace tidegate::pipeline::testing
