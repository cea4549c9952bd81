#include "base/file.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <thread>

namespace tidegate {
namespace {

class SystemDiskTest : public testing::Test {
  protected:
    SystemDiskTest() {
        std::filesystem::remove_all(folder_);
        std::filesystem::create_directories(folder_);
    }
    ~SystemDiskTest() override { std::filesystem::remove_all(folder_); }

    std::string path(const std::string& name) const { return (folder_ / name).string(); }

    const std::filesystem::path folder_ =
        std::filesystem::temp_directory_path() / ("tidegate-file-" + std::to_string(::getpid()) + "-" +
                                                  testing::UnitTest::GetInstance()->current_test_info()->name());
    SystemDisk disk_;
};

TEST_F(SystemDiskTest, WhatWasWrittenIsRead) {
    const std::string bytes(
        "a\0\n\xff"
        "b",
        5);
    ASSERT_TRUE(disk_.write_atomic(path("x"), bytes));
    EXPECT_EQ(disk_.read(path("x"), 5), bytes);
    ASSERT_TRUE(disk_.write_atomic(path("x"), ""));
    EXPECT_EQ(disk_.read(path("x"), 5), "");
}

TEST_F(SystemDiskTest, ALargerFileThanAllowedIsRefused) {
    ASSERT_TRUE(disk_.write_atomic(path("x"), "123456"));
    EXPECT_EQ(disk_.read(path("x"), 5).error().code, ErrorCode::kTooLarge);
    EXPECT_TRUE(disk_.read(path("x"), 6));
    // No size is known beforehand; the limit holds all the same.
    EXPECT_EQ(disk_.read("/dev/zero", 1000).error().code, ErrorCode::kTooLarge);
}

TEST_F(SystemDiskTest, WhatIsNotThereOrNoFileSaysSo) {
    EXPECT_EQ(disk_.read(path("none"), 5).error().code, ErrorCode::kNotFound);
    EXPECT_EQ(disk_.read(path("."), 5).error().code, ErrorCode::kUnavailable);
    EXPECT_FALSE(disk_.exists(path("none")));
    EXPECT_TRUE(disk_.exists(path(".")));
}

TEST_F(SystemDiskTest, AWriteThatFailsLeavesTheOldFile) {
    ASSERT_TRUE(disk_.write_atomic(path("x"), "old"));
    std::filesystem::create_directories(path("x.new"));  // The sibling cannot be made.
    EXPECT_FALSE(disk_.write_atomic(path("x"), "new"));
    EXPECT_EQ(disk_.read(path("x"), 5), "old");
    EXPECT_FALSE(disk_.write_atomic(path("none/x"), "new"));
}

TEST_F(SystemDiskTest, NoSiblingStaysBehind) {
    ASSERT_TRUE(disk_.write_atomic(path("x"), "new"));
    EXPECT_FALSE(disk_.exists(path("x.new")));
}

TEST_F(SystemDiskTest, AReaderSeesTheOldFileOrTheNewOne) {
    const std::string first(100'000, 'a');
    const std::string second(50'000, 'b');
    ASSERT_TRUE(disk_.write_atomic(path("x"), first));
    std::atomic<bool> done = false;
    std::thread writer([&] {
        SystemDisk disk;
        for (int i = 0; i < 20; ++i) (void)disk.write_atomic(path("x"), i % 2 == 0 ? second : first);
        done = true;
    });
    int torn = 0;
    int reads = 0;
    while (!done || reads == 0) {
        const auto bytes = disk_.read(path("x"), 200'000);
        torn += bytes && (*bytes == first || *bytes == second) ? 0 : 1;
        ++reads;
    }
    writer.join();
    EXPECT_EQ(torn, 0);
}

TEST_F(SystemDiskTest, FoldersAreMadeWithTheirParents) {
    ASSERT_TRUE(disk_.make_directories(path("a/b/c")));
    ASSERT_TRUE(disk_.make_directories(path("a/b/c")));
    EXPECT_TRUE(disk_.exists(path("a/b/c")));
    ASSERT_TRUE(disk_.write_atomic(path("file"), "x"));
    EXPECT_FALSE(disk_.make_directories(path("file/a")));
}

}  // namespace
}  // namespace tidegate
