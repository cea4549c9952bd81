#include "audit/verify/source.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace tidegate::audit::verify {
namespace {

constexpr std::size_t kWindow = std::size_t{4} * 1024 * 1024;

std::unexpected<Error> disk_error(const std::string& what) {
    const int error = errno;
    return fail(error == ENOENT ? ErrorCode::kNotFound : ErrorCode::kUnavailable, what + ": " + std::strerror(error));
}

}  // namespace

Result<std::unique_ptr<FileSource>> FileSource::open(const std::string& path) {
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    struct stat state{};
    if (fd < 0 || ::fstat(fd, &state) != 0 || !S_ISREG(state.st_mode)) {
        const auto error = disk_error("a file of the log cannot be opened");
        if (fd >= 0) ::close(fd);
        return error;
    }
    ::posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    return std::unique_ptr<FileSource>(new FileSource(fd, static_cast<std::uint64_t>(state.st_size)));
}

FileSource::~FileSource() {
    ::close(fd_);
}

Result<std::size_t> FileSource::read(std::uint64_t offset, std::span<std::uint8_t> out) const {
    std::size_t done = 0;
    while (done < out.size()) {
        const ssize_t n = ::pread(fd_, out.data() + done, out.size() - done, static_cast<off_t>(offset + done));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return disk_error("a file of the log cannot be read");
        if (n == 0) break;
        done += static_cast<std::size_t>(n);
    }
    return done;
}

Result<std::size_t> MemorySource::read(std::uint64_t offset, std::span<std::uint8_t> out) const {
    if (offset >= bytes_.size()) return std::size_t{0};
    const std::size_t n = std::min<std::uint64_t>(out.size(), bytes_.size() - offset);
    std::memcpy(out.data(), bytes_.data() + offset, n);
    return n;
}

Result<Bytes> Window::view(std::uint64_t offset, std::size_t size) {
    const std::uint64_t end = source_.size();
    if (offset >= end) return Bytes{};
    size = std::min<std::uint64_t>(size, end - offset);
    if (offset < begin_ || offset + size > begin_ + filled_) {
        // To the end of the source at most: a fuzzer's sources are small.
        const std::size_t wanted = std::min<std::uint64_t>(std::max(size, kWindow), end - offset);
        if (buffer_.size() < wanted) buffer_.resize(wanted);
        filled_ = 0;
        TG_TRY(filled_, source_.read(offset, std::span(buffer_).first(wanted)));
        begin_ = offset;
        size = std::min(size, filled_);
    }
    return Bytes(buffer_).subspan(offset - begin_, size);
}

}  // namespace tidegate::audit::verify
