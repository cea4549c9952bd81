// One holder at a time, and none after the holder is gone.
#include "store/file_lock.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "store/temporary_folder.h"

namespace tidegate::store {
namespace {

TEST(FileLock, HasOneHolderAtATime) {
    const TemporaryFolder folder;
    const std::string path = folder.file("x.lock");
    {
        const auto first = FileLock::take(path);
        ASSERT_TRUE(first) << first.error().message;
        const auto second = FileLock::take(path);
        ASSERT_FALSE(second);
        EXPECT_EQ(second.error().code, ErrorCode::kConflict);
        EXPECT_NE(second.error().message.find("process " + std::to_string(::getpid())), std::string::npos)
            << second.error().message;
    }
    EXPECT_TRUE(FileLock::take(path));
}

TEST(FileLock, EndsWithAProcessThatIsKilled) {
    const TemporaryFolder folder;
    const std::string path = folder.file("x.lock");
    const pid_t child = ::fork();
    if (child == 0) {
        const auto held = FileLock::take(path);
        ::kill(::getpid(), SIGKILL);
        ::_exit(held ? 0 : 1);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    EXPECT_TRUE(WIFSIGNALED(status));
    EXPECT_TRUE(FileLock::take(path));
}

TEST(FileLock, SaysWhatCannotBeOpened) {
    const auto lock = FileLock::take("/nowhere/at/all.lock");
    ASSERT_FALSE(lock);
    EXPECT_EQ(lock.error().code, ErrorCode::kUnavailable);
    EXPECT_NE(lock.error().message.find("/nowhere/at/all.lock"), std::string::npos);
}

}  // namespace
}  // namespace tidegate::store
