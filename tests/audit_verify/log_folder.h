// A log in a folder of its own, written by the test writer and verified.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "audit/verify/verify.h"
#include "audit_verify/log_writer.h"

namespace tidegate::audit::verify {

class LogFolderTest : public ::testing::Test {
  protected:
    LogFolderTest() : folder_((std::filesystem::temp_directory_path() / "tidegate_verify_XXXXXX").string()) {
        EXPECT_NE(::mkdtemp(folder_.data()), nullptr);
    }
    ~LogFolderTest() override {
        std::error_code ignored;
        std::filesystem::remove_all(folder_, ignored);
    }

    /// 3 segments of 3 batches of 5 records: 45 leaves, the last 15 in a segment that is not sealed, signed at 4 sizes.
    TestLog signed_log() const {
        TestLog log = make_log(3, 5);
        for (const std::uint64_t size : {7, 20, 33, 45}) log.sign(key_, size);
        return log;
    }
    Report verify(std::vector<std::string> extra = {}) const {
        auto report = verify_log({folder_, parse_keys(key_.verifier()).value(), std::move(extra)});
        EXPECT_TRUE(report) << report.error().message;
        return report.value_or(Report());
    }
    Report verify(const TestLog& log, std::vector<std::string> extra = {}) const {
        log.write(folder_);
        return verify(std::move(extra));
    }
    static bool found(const Report& report, Kind kind) {
        return std::ranges::count(report.findings, kind, &Finding::kind) != 0;
    }
    std::string segment(std::uint64_t generation) const { return segment_path(folder_, generation); }
    void flip(const std::string& path, std::size_t byte, unsigned bit) const {
        std::string bytes = read_bytes(path);
        bytes.at(byte) = static_cast<char>(bytes.at(byte) ^ (1 << bit));
        write_bytes(path, bytes);
    }

    const TestKey key_{"log.example/audit", 'k'};
    std::string folder_;
};

}  // namespace tidegate::audit::verify
