// Disk: the seam for whole-file reads and atomic writes, so that a test can make them fail.
//
// The database and the decision log have their own seams (store/); this one serves settings, models, reports, data sets.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace tidegate {

class Disk {
  public:
    virtual ~Disk() = default;
    /// The whole file; kNotFound, kTooLarge (over bytes_max) or kUnavailable.
    virtual Result<std::string> read(const std::string& path, std::uint64_t bytes_max) const = 0;
    /// Writes a sibling, syncs it, renames it over `path`: a reader sees the old file or the new one.
    virtual Result<void> write_atomic(const std::string& path, std::string_view bytes) = 0;
    /// Makes the directory and its parents.
    virtual Result<void> make_directories(const std::string& path) = 0;
    virtual bool exists(const std::string& path) const = 0;
};

class SystemDisk final : public Disk {
  public:
    Result<std::string> read(const std::string& path, std::uint64_t bytes_max) const override;
    Result<void> write_atomic(const std::string& path, std::string_view bytes) override;
    Result<void> make_directories(const std::string& path) override;
    bool exists(const std::string& path) const override;
};

}  // namespace tidegate
