// FileLock: one process at a time, by a lock file beside what it guards.
//
// Guarantee   While a FileLock lives nobody else gets one for the same path, in this process or another. It ends with the
//             process, however that ends: no stale lock to clear away by hand.
// Algorithm   flock(2) on a file that stays where it is: removing it would let two hold a lock on two files of one name.
#pragma once

#include <string>
#include <utility>

#include "base/result.h"

namespace tidegate::store {

class FileLock {
  public:
    /// Never waits. kConflict: somebody holds it; the message names the process. kUnavailable: the file cannot be made.
    static Result<FileLock> take(const std::string& path);
    ~FileLock();
    FileLock(FileLock&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
    FileLock& operator=(FileLock&& other) noexcept {
        std::swap(descriptor_, other.descriptor_);
        return *this;
    }

  private:
    explicit FileLock(int descriptor) : descriptor_(descriptor) {}
    int descriptor_;
};

}  // namespace tidegate::store
