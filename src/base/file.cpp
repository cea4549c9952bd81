#include "base/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <system_error>

namespace tidegate {
namespace {

Error io_error(std::string_view what) {
    return {errno == ENOENT ? ErrorCode::kNotFound : ErrorCode::kUnavailable,
            std::string(what) + ": " + std::generic_category().message(errno)};
}

class Descriptor {
  public:
    explicit Descriptor(int fd) : fd_(fd) {}
    ~Descriptor() {
        if (fd_ >= 0) ::close(fd_);
    }
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    int get() const { return fd_; }

  private:
    int fd_;
};

Result<void> write_all(int fd, std::string_view bytes) {
    while (!bytes.empty()) {
        const ssize_t written = ::write(fd, bytes.data(), bytes.size());
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) return std::unexpected(io_error("cannot write"));
        bytes.remove_prefix(static_cast<std::size_t>(written));
    }
    return {};
}

}  // namespace

Result<std::string> SystemDisk::read(const std::string& path, std::uint64_t bytes_max) const {
    const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (file.get() < 0) return std::unexpected(io_error("cannot open " + path));
    std::string bytes;
    struct stat info{};
    if (::fstat(file.get(), &info) == 0 && S_ISREG(info.st_mode)) {
        if (static_cast<std::uint64_t>(info.st_size) > bytes_max)
            return fail(ErrorCode::kTooLarge, path + " is too large");
        bytes.reserve(static_cast<std::size_t>(info.st_size));
    }
    char buffer[65536];
    for (;;) {
        const ssize_t got = ::read(file.get(), buffer, sizeof buffer);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return std::unexpected(io_error("cannot read " + path));
        if (got == 0) return bytes;
        bytes.append(buffer, static_cast<std::size_t>(got));
        if (bytes.size() > bytes_max) return fail(ErrorCode::kTooLarge, path + " is too large");
    }
}

Result<void> SystemDisk::write_atomic(const std::string& path, std::string_view bytes) {
    const std::string sibling = path + ".new";
    {
        const Descriptor file(::open(sibling.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640));
        if (file.get() < 0) return std::unexpected(io_error("cannot create " + sibling));
        TG_CHECK(write_all(file.get(), bytes));
        if (::fsync(file.get()) != 0) return std::unexpected(io_error("cannot sync " + sibling));
    }
    if (::rename(sibling.c_str(), path.c_str()) != 0) return std::unexpected(io_error("cannot rename to " + path));
    const std::string parent = std::filesystem::path(path).parent_path().string();
    const Descriptor directory(::open(parent.empty() ? "." : parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (directory.get() < 0 || ::fsync(directory.get()) != 0)
        return std::unexpected(io_error("cannot sync the folder of " + path));
    return {};
}

Result<void> SystemDisk::make_directories(const std::string& path) {
    std::error_code error;
    std::filesystem::create_directories(path, error);
    if (error) return fail(ErrorCode::kUnavailable, "cannot make folder " + path + ": " + error.message());
    return {};
}

bool SystemDisk::exists(const std::string& path) const {
    std::error_code error;
    return std::filesystem::exists(path, error);
}

}  // namespace tidegate
