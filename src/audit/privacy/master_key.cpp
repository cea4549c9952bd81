#include "audit/privacy/master_key.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace tidegate::audit::privacy {
namespace {

class File {
  public:
    explicit File(int descriptor) : descriptor_(descriptor) {}
    ~File() {
        if (descriptor_ >= 0) ::close(descriptor_);
    }
    File(const File&) = delete;
    File& operator=(const File&) = delete;
    int get() const { return descriptor_; }

  private:
    int descriptor_;
};

std::unexpected<Error> errno_error(const char* what) {
    const int error = errno;
    const ErrorCode code = error == ENOENT   ? ErrorCode::kNotFound
                           : error == EEXIST ? ErrorCode::kConflict
                                             : ErrorCode::kUnavailable;
    return fail(code, fmt::format("the master key {}: {}", what, std::strerror(error)));
}

}  // namespace

Result<Key> load_master_key(const std::string& path) {
    const File file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    struct stat state{};
    if (file.get() < 0 || ::fstat(file.get(), &state) != 0) return errno_error("cannot be opened");
    if ((state.st_mode & 077U) != 0) {
        return fail(ErrorCode::kPermissionDenied,
                    "the master key (privacy.master_key_path) may be read by others; its mode must be 0600");
    }
    std::string bytes(Key::kBytes + 1, '\0');  // One more than there may be.
    const ssize_t size = ::read(file.get(), bytes.data(), bytes.size());
    if (size < 0) return errno_error("cannot be read");
    if (static_cast<std::size_t>(size) != Key::kBytes) {
        return fail(ErrorCode::kDataLoss, "the master key (privacy.master_key_path) does not hold 32 bytes");
    }
    Key key = Key::from({bytes.data(), Key::kBytes});
    wipe(bytes);
    return key;
}

Result<Key> create_master_key(const std::string& path, Random& random) {
    Key key = Key::random(random);
    // Under another name until it is whole and synced: a kill leaves no half of a key under the right one.
    const std::string making = path + ".new";
    ::unlink(making.c_str());
    {
        const File file(::open(making.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
        if (file.get() < 0) return errno_error("cannot be made");
        if (::write(file.get(), key.data(), Key::kBytes) != static_cast<ssize_t>(Key::kBytes) ||
            ::fsync(file.get()) != 0) {
            const auto error = errno_error("cannot be written");
            ::unlink(making.c_str());
            return error;
        }
    }
    if (::link(making.c_str(), path.c_str()) != 0) {
        const auto error = errno_error("cannot be made");
        ::unlink(making.c_str());
        return error;
    }
    ::unlink(making.c_str());
    const std::size_t slash = path.rfind('/');
    const std::string folder = slash == std::string::npos ? "." : path.substr(0, slash + 1);
    const File directory(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (directory.get() < 0 || ::fsync(directory.get()) != 0) return errno_error("cannot be synced");
    return key;
}

}  // namespace tidegate::audit::privacy
