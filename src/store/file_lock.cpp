#include "store/file_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <system_error>

#include "base/strings.h"

namespace tidegate::store {
namespace {

std::string holder_of(int descriptor) {
    std::array<char, 20> text{};
    const ssize_t got = ::pread(descriptor, text.data(), text.size(), 0);
    const std::string_view number = trim({text.data(), got > 0 ? static_cast<std::size_t>(got) : 0});
    return parse_i64(number) ? "process " + std::string(number) : "another process";
}

}  // namespace

Result<FileLock> FileLock::take(const std::string& path) {
    FileLock lock(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0640));
    const auto because = [](int error) { return ": " + std::generic_category().message(error); };
    if (lock.descriptor_ < 0) return fail(ErrorCode::kUnavailable, "cannot open " + path + because(errno));
    if (::flock(lock.descriptor_, LOCK_EX | LOCK_NB) != 0) {
        const int error = errno;
        if (error == EWOULDBLOCK)
            return fail(ErrorCode::kConflict, path + " is held by " + holder_of(lock.descriptor_));
        return fail(ErrorCode::kUnavailable, "cannot lock " + path + because(error));
    }
    // For the message only: a number that cannot be written (disk full) takes nothing from the lock.
    const std::string number = std::to_string(::getpid()) + "\n";
    if (::ftruncate(lock.descriptor_, 0) == 0) {
        [[maybe_unused]] const ssize_t written = ::pwrite(lock.descriptor_, number.data(), number.size(), 0);
    }
    return lock;
}

FileLock::~FileLock() {
    if (descriptor_ >= 0) ::close(descriptor_);
}

}  // namespace tidegate::store
