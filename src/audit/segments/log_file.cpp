#include "audit/segments/log_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <system_error>
#include <utility>

#include "audit/segments/batch.h"
#include "base/file.h"
#include "store/file_lock.h"

namespace tidegate::audit::segments {
namespace {

std::unexpected<Error> io_error(std::string_view what) {
    const ErrorCode code = errno == ENOENT ? ErrorCode::kNotFound : ErrorCode::kUnavailable;
    return fail(code, "the record's disk: cannot " + std::string(what) + ": " + std::generic_category().message(errno));
}

class Descriptor {
  public:
    explicit Descriptor(int fd = -1) : fd_(fd) {}
    Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    Descriptor& operator=(Descriptor&& other) noexcept {
        std::swap(fd_, other.fd_);
        return *this;
    }
    ~Descriptor() {
        if (fd_ >= 0) ::close(fd_);
    }
    int get() const noexcept { return fd_; }
    explicit operator bool() const noexcept { return fd_ >= 0; }

  private:
    int fd_;
};

// 0, or the errno.
int write_at(int fd, std::uint64_t offset, Bytes bytes) {
    while (!bytes.empty()) {
        const ssize_t done = ::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset));
        if (done < 0 && errno == EINTR) continue;
        if (done <= 0) return done < 0 ? errno : EIO;
        bytes = bytes.subspan(static_cast<std::size_t>(done));
        offset += static_cast<std::uint64_t>(done);
    }
    return 0;
}

Result<void> written(int error) {
    if (error == 0) return {};
    errno = error;
    return io_error("write");
}

class SystemLogFile final : public LogFile {
  public:
    SystemLogFile(std::string path, Descriptor writer, Descriptor reader, bool direct, Survives survives)
        : path_(std::move(path)),
          writer_(std::move(writer)),
          reader_(std::move(reader)),
          direct_(direct),
          survives_(survives) {}

    Result<void> write(std::uint64_t offset, Bytes bytes) override {
        const int error = write_at(writer_.get(), offset, bytes);
        if (!direct_ || error != EINVAL) return written(error);
        // Some file systems open for direct writes and refuse them only here.
        direct_ = false;
        writer_ = Descriptor(::open(path_.c_str(), O_WRONLY | O_CLOEXEC));
        if (!writer_) return io_error("open");
        return written(write_at(writer_.get(), offset, bytes));
    }

    Result<void> sync() override {
        // O_DSYNC: each write was durable when it returned.
        if (direct_ || survives_ == Survives::kProcess || ::fdatasync(writer_.get()) == 0) return {};
        return io_error("sync");
    }

    Result<std::size_t> read(std::uint64_t offset, std::span<std::uint8_t> out) const override {
        std::size_t have = 0;
        while (have < out.size()) {
            const ssize_t got =
                ::pread(reader_.get(), out.data() + have, out.size() - have, static_cast<off_t>(offset + have));
            if (got < 0 && errno == EINTR) continue;
            if (got < 0) return io_error("read");
            if (got == 0) break;
            have += static_cast<std::size_t>(got);
        }
        return have;
    }

    Result<std::uint64_t> size() const override {
        struct stat info{};
        if (::fstat(reader_.get(), &info) != 0) return io_error("look at a file");
        return static_cast<std::uint64_t>(info.st_size);
    }

  private:
    const std::string path_;
    Descriptor writer_;
    Descriptor reader_;
    bool direct_;
    const Survives survives_;
};

Result<void> fill(int fd, std::uint64_t bytes, Preparation preparation) {
    if (preparation == Preparation::kReserve) {
        const int refused = ::posix_fallocate(fd, 0, static_cast<off_t>(bytes));
        errno = refused;
        if (refused != 0) return io_error("reserve space");
    } else {
        // Direct where that goes: zeroes that pass through the page cache push others out of it.
        const int flags = ::fcntl(fd, F_GETFL);
        bool direct = ::fcntl(fd, F_SETFL, flags | O_DIRECT) == 0;
        Batch zeroes(1024 * 1024);
        std::ranges::fill(zeroes.bytes(), std::uint8_t{0});
        for (std::uint64_t at = 0; at < bytes; at += zeroes.capacity_bytes) {
            const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(zeroes.capacity_bytes, bytes - at));
            int error = write_at(fd, at, zeroes.bytes().first(size));
            if (error == EINVAL && direct && ::fcntl(fd, F_SETFL, flags) == 0) {
                direct = false;
                error = write_at(fd, at, zeroes.bytes().first(size));
            }
            TG_CHECK(written(error));
        }
    }
    if (::fsync(fd) != 0) return io_error("sync");
    return {};
}

}  // namespace

struct SystemLogFolder::Lock {
    store::FileLock lock;
};

SystemLogFolder::SystemLogFolder(std::string path, bool direct, Survives survives)
    : path_(std::move(path)), direct_(direct && survives == Survives::kPowerLoss), survives_(survives) {}
SystemLogFolder::~SystemLogFolder() = default;

Result<void> SystemLogFolder::take() {
    TG_CHECK(SystemDisk().make_directories(path_));
    auto lock = store::FileLock::take(at("lock"));
    if (!lock) {
        Error error = std::move(lock).error();
        if (error.code == ErrorCode::kConflict) error.message += ": one server at a time writes a record";
        return std::unexpected(std::move(error));
    }
    lock_ = std::make_unique<Lock>(*std::move(lock));
    return sync_folder();
}

Result<std::vector<std::string>> SystemLogFolder::list() const {
    std::vector<std::string> names;
    std::error_code error;
    for (std::filesystem::directory_iterator i(path_, error), end; !error && i != end; i.increment(error)) {
        names.push_back(i->path().filename().string());
    }
    if (error) return fail(ErrorCode::kUnavailable, "the record's disk: cannot list the folder: " + error.message());
    return names;
}

Result<std::unique_ptr<LogFile>> SystemLogFolder::open_write(const std::string& name) {
    const std::string path = at(name);
    Descriptor writer;
    bool direct = direct_;
    if (direct) {
        writer = Descriptor(::open(path.c_str(), O_WRONLY | O_DIRECT | O_DSYNC | O_CLOEXEC));
        if (!writer && errno != EINVAL) return io_error("open " + name);
    }
    if (!writer) {
        direct = false;
        writer = Descriptor(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
        if (!writer) return io_error("open " + name);
    }
    Descriptor reader(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!reader) return io_error("open " + name);
    return std::make_unique<SystemLogFile>(path, std::move(writer), std::move(reader), direct, survives_);
}

Result<std::unique_ptr<LogFile>> SystemLogFolder::open_read(const std::string& name) const {
    const std::string path = at(name);
    Descriptor reader(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!reader) return io_error("open " + name);
    return std::make_unique<SystemLogFile>(path, Descriptor(), std::move(reader), false, survives_);
}

Result<void> SystemLogFolder::prepare(const std::string& name, std::uint64_t bytes, Preparation preparation) {
    const std::string sibling = at(name) + ".new";
    Result<void> filled;
    {
        const Descriptor file(::open(sibling.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640));
        if (!file) return io_error("create " + name);
        filled = fill(file.get(), bytes, preparation);
    }
    // What could not be filled gives its space back.
    if (!filled) ::unlink(sibling.c_str());
    TG_CHECK(std::move(filled));
    if (::rename(sibling.c_str(), at(name).c_str()) != 0) return io_error("name " + name);
    return sync_folder();
}

Result<void> SystemLogFolder::rename(const std::string& from, const std::string& to) {
    if (::rename(at(from).c_str(), at(to).c_str()) != 0) return io_error("rename " + from);
    return sync_folder();
}

Result<void> SystemLogFolder::remove(const std::string& name) {
    if (::unlink(at(name).c_str()) != 0 && errno != ENOENT) return io_error("remove " + name);
    return sync_folder();
}

Result<void> SystemLogFolder::write_whole(const std::string& name, std::string_view bytes) {
    return SystemDisk().write_atomic(at(name), bytes);
}

Result<void> SystemLogFolder::sync_folder() const {
    const Descriptor folder(::open(path_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!folder || ::fsync(folder.get()) != 0) return io_error("sync the folder");
    return {};
}

Result<std::string> read_whole(const LogFolder& folder, const std::string& name, std::uint64_t bytes_max) {
    TG_TRY(const auto file, folder.open_read(name));
    TG_TRY(const std::uint64_t size, file->size());
    if (size > bytes_max) return fail(ErrorCode::kTooLarge, name + " is too large");
    std::string bytes(static_cast<std::size_t>(size), '\0');
    TG_TRY(const std::size_t got, file->read(0, {reinterpret_cast<std::uint8_t*>(bytes.data()), bytes.size()}));
    bytes.resize(got);
    return bytes;
}

}  // namespace tidegate::audit::segments
