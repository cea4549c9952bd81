#include "model/folder.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/core.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <memory>
#include <system_error>

#include "base/strings.h"

namespace tidegate::model {
namespace {

// More than any model's folder holds; a folder of a million files must not hold up the poll.
constexpr std::size_t kStateFilesMax = 1000;
// A file that is replaced each time while it is read is somebody's test or attack.
constexpr int kReadAttempts = 5;

std::atomic<bool> openat2_forbidden{false};

/// Closes at its end.
class Descriptor {
  public:
    explicit Descriptor(int number) : number_(number) {}
    ~Descriptor() {
        if (number_ >= 0) ::close(number_);
    }
    Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    Descriptor& operator=(Descriptor&&) = delete;
    int get() const noexcept { return number_; }
    int release() noexcept { return std::exchange(number_, -1); }

  private:
    int number_;
};

struct CloseDirectory {
    void operator()(DIR* directory) const noexcept { ::closedir(directory); }
};

std::unexpected<Error> failure(const std::string& path, int number) {
    switch (number) {
        case ENOENT:
            return fail(ErrorCode::kNotFound, fmt::format("there is no `{}`", path));
        // EXDEV is openat2's word for a way out; ELOOP that of O_NOFOLLOW for a link.
        case EXDEV:
        case ELOOP:
            return fail(ErrorCode::kPermissionDenied, fmt::format("`{}` leads out of the model folder", path));
        case ENOTDIR:
            return fail(ErrorCode::kNotFound, fmt::format("`{}` has a file where a folder must be", path));
        default:
            break;
    }
    return fail(ErrorCode::kUnavailable,
                fmt::format("`{}` cannot be opened: {}", path, std::generic_category().message(number)));
}

/// Nothing that openat2 would have to refuse may reach the walk below.
bool is_plain(std::string_view path) {
    if (path.empty()) return true;
    if (path.find('\0') != std::string_view::npos) return false;
    return std::ranges::none_of(tidegate::split(path, '/'),
                                [](std::string_view part) { return part.empty() || part == "." || part == ".."; });
}

Result<Descriptor> walk(int folder, const std::string& path, int flags) {
    Descriptor at(::openat(folder, ".", O_PATH | O_DIRECTORY | O_CLOEXEC));
    const auto parts = tidegate::split(path, '/');
    for (std::size_t i = 0; i < parts.size(); ++i) {
        const bool is_last = i + 1 == parts.size();
        const int how = is_last ? flags | O_NOFOLLOW : O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
        Descriptor next(::openat(at.get(), std::string(parts[i]).c_str(), how));
        if (next.get() < 0) return failure(path, errno);
        struct stat status{};
        // O_PATH opens a link itself.
        if (::fstat(next.get(), &status) != 0 || S_ISLNK(status.st_mode)) return failure(path, ELOOP);
        if (is_last) return next;
        const int number = next.release();
        ::dup3(number, at.get(), O_CLOEXEC);
        ::close(number);
    }
    return at;
}

Result<Descriptor> open_beneath(int folder, const std::string& path, int flags) {
    if (!is_plain(path))
        return fail(ErrorCode::kPermissionDenied, fmt::format("`{}` leads out of the model folder", path));
    // O_NONBLOCK: a pipe must not wait for its writer before it can be refused.
    flags |= O_CLOEXEC;
    // openat2 refuses O_PATH with anything that is about reading.
    if ((flags & O_PATH) == 0) flags |= O_NONBLOCK | O_NOCTTY;
    if (path.empty()) {
        Descriptor again(::openat(folder, ".", flags));
        if (again.get() < 0) return failure(".", errno);
        return again;
    }
    if (!openat2_forbidden.load(std::memory_order_relaxed)) {
        struct open_how how{};
        how.flags = static_cast<std::uint64_t>(flags);
        how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
        const long number = ::syscall(SYS_openat2, folder, path.c_str(), &how, sizeof(how));
        if (number >= 0) return Descriptor(static_cast<int>(number));
        // Old kernels lack the call; old container filters forbid it.
        if (errno != ENOSYS && errno != EPERM) return failure(path, errno);
    }
    return walk(folder, path, flags);
}

Stamp stamp_of(const struct stat& status) {
    return {.inode = status.st_ino,
            .size = static_cast<std::uint64_t>(status.st_size),
            .modified_ns = status.st_mtim.tv_sec * 1'000'000'000LL + status.st_mtim.tv_nsec};
}

Result<struct stat> status_of(const Descriptor& file, const std::string& path) {
    struct stat status{};
    if (::fstat(file.get(), &status) != 0) return failure(path, errno);
    return status;
}

Result<void> read_whole(const Descriptor& file, const std::string& path, std::string& bytes) {
    std::size_t done = 0;
    while (done < bytes.size()) {
        const ssize_t got = ::read(file.get(), bytes.data() + done, bytes.size() - done);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return failure(path, errno);
        if (got == 0) break;
        done += static_cast<std::size_t>(got);
    }
    bytes.resize(done);
    return {};
}

}  // namespace

void forbid_openat2(bool forbidden) noexcept {
    openat2_forbidden = forbidden;
}

Result<Folder> Folder::open(const std::string& path) {
    const int descriptor = ::open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (descriptor < 0) return failure(path, errno);
    return Folder(descriptor);
}

Folder::Folder(Folder&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}

Folder& Folder::operator=(Folder&& other) noexcept {
    std::swap(descriptor_, other.descriptor_);
    return *this;
}

Folder::~Folder() {
    if (descriptor_ >= 0) ::close(descriptor_);
}

Result<std::vector<FolderEntry>> Folder::list(const std::string& path, std::size_t entries_max) const {
    TG_TRY(Descriptor descriptor, open_beneath(descriptor_, path, O_RDONLY | O_DIRECTORY));
    const std::unique_ptr<DIR, CloseDirectory> directory(::fdopendir(descriptor.get()));
    if (!directory) return failure(path, errno);
    descriptor.release();  // The directory's now.
    std::vector<FolderEntry> entries;
    // readdir is safe where no two threads share the stream.
    while (const dirent* found = ::readdir(directory.get())) {  // NOLINT(concurrency-mt-unsafe)
        const std::string name = static_cast<const char*>(found->d_name);
        if (name.starts_with(".")) continue;
        if (entries.size() >= entries_max) {
            return fail(ErrorCode::kTooLarge, fmt::format("`{}` holds more than {} entries", path, entries_max));
        }
        bool is_directory = found->d_type == DT_DIR;
        if (found->d_type == DT_LNK || found->d_type == DT_UNKNOWN) {
            const std::string whole = path.empty() ? name : path + "/" + name;
            is_directory = open_beneath(descriptor_, whole, O_PATH | O_DIRECTORY).has_value();
        }
        entries.push_back({.name = name, .is_directory = is_directory});
    }
    std::ranges::sort(entries, {}, &FolderEntry::name);
    return entries;
}

Result<std::string> Folder::read(const std::string& path, std::uint64_t bytes_max) const {
    for (int attempt = 0; attempt < kReadAttempts; ++attempt) {
        TG_TRY(const Descriptor file, open_beneath(descriptor_, path, O_RDONLY));
        TG_TRY(const struct stat before, status_of(file, path));
        if (!S_ISREG(before.st_mode)) {
            return fail(ErrorCode::kPermissionDenied, fmt::format("`{}` is not a regular file", path));
        }
        if (static_cast<std::uint64_t>(before.st_size) > bytes_max) {
            return fail(ErrorCode::kTooLarge,
                        fmt::format("`{}` has {} bytes, and {} are allowed", path, before.st_size, bytes_max));
        }
        std::string bytes(static_cast<std::size_t>(before.st_size), '\0');
        TG_CHECK(read_whole(file, path, bytes));
        TG_TRY(const struct stat after, status_of(file, path));
        // The name may lead to another file by now: then this one is already the old state.
        const auto now = stamp(path);
        if (bytes.size() == static_cast<std::size_t>(before.st_size) && stamp_of(before) == stamp_of(after) && now &&
            *now == stamp_of(after)) {
            return bytes;
        }
    }
    return fail(ErrorCode::kUnavailable, fmt::format("`{}` is being written while it is read", path));
}

Result<Stamp> Folder::stamp(const std::string& path) const {
    TG_TRY(const Descriptor file, open_beneath(descriptor_, path, O_PATH));
    TG_TRY(const struct stat status, status_of(file, path));
    return stamp_of(status);
}

Result<Folder::State> Folder::state(const std::string& path) const {
    State state;
    std::size_t files = 0;
    const auto add = [&](const std::string& file) -> Result<void> {
        const auto stamp_now = stamp(file);
        // A link that leads out, or a file that went this moment: it has no stamp, and is not forgotten.
        const Stamp known = stamp_now.value_or(Stamp{});
        state.text += fmt::format("{}:{}:{}:{}\n", file, known.inode, known.size, known.modified_ns);
        state.newest_ms = std::max(state.newest_ms, known.modified_ns / 1'000'000);
        if (++files > kStateFilesMax) return fail(ErrorCode::kTooLarge, fmt::format("`{}` holds too many files", path));
        return {};
    };
    TG_TRY(const auto entries, list(path, kStateFilesMax));
    for (const FolderEntry& entry : entries) {
        const std::string whole = path + "/" + entry.name;
        if (!entry.is_directory) {
            TG_CHECK(add(whole));
            continue;
        }
        state.text += whole + "/\n";
        const auto inner = list(whole, kStateFilesMax);
        if (!inner) continue;  // It went this moment: the next look sees that.
        for (const FolderEntry& file : *inner) {
            if (!file.is_directory) TG_CHECK(add(whole + "/" + file.name));
        }
    }
    return state;
}

}  // namespace tidegate::model
