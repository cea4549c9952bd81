// Folder: the files of a model repository, and nothing else of the disk.
//
// Guarantee   Every path is opened beneath the folder: `..`, an absolute path, a link that leads out (or is absolute), a device, a
//             pipe are errors. What read() gives is one state of one file: it was not replaced or written while it was read.
// Algorithm   openat2 with RESOLVE_BENEATH (Linux 5.6); where that is missing or forbidden each part is opened with O_NOFOLLOW, so
//             that links are refused altogether.
// Memory      read() holds one file.
// Threads     Every member from any thread.
// When it fails  kNotFound, kPermissionDenied (leads out, or not a regular file), kTooLarge, kUnavailable (cannot be read, or is being
//             replaced again and again). Messages name the path within the folder.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

namespace tidegate::model {

/// What tells two states of a file apart without reading it.
struct Stamp {
    std::uint64_t inode = 0;
    std::uint64_t size = 0;
    std::int64_t modified_ns = 0;  // Unix time.
    friend bool operator==(const Stamp&, const Stamp&) = default;
};

struct FolderEntry {
    std::string name;
    bool is_directory = false;  // A link counts as what it leads to, where that lies within.
};

class Folder {
  public:
    static Result<Folder> open(const std::string& path);
    Folder(Folder&& other) noexcept;
    Folder& operator=(Folder&& other) noexcept;
    ~Folder();

    /// By name; hidden entries (`.name`) are left out. `path` empty: the folder itself. kTooLarge beyond entries_max.
    Result<std::vector<FolderEntry>> list(const std::string& path, std::size_t entries_max) const;
    Result<std::string> read(const std::string& path, std::uint64_t bytes_max) const;
    Result<Stamp> stamp(const std::string& path) const;
    /// Path and stamp of every regular file at most two levels below `path`, in order: equal texts mean that nothing changed.
    /// `newest_ms`: when the youngest of them was written.
    struct State {
        std::string text;
        UnixMillis newest_ms = 0;
    };
    Result<State> state(const std::string& path) const;

  private:
    explicit Folder(int descriptor) : descriptor_(descriptor) {}
    int descriptor_;
};

/// For tests: opens as on a kernel without openat2.
void forbid_openat2(bool forbidden) noexcept;

}  // namespace tidegate::model
