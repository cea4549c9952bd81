// TokenMemory: tokens found good, by the SHA-256 of their text, until they expire.
//
// Guarantee   What is found was verified with the present set of keys: a new set empties the memory. A refused token is not
//             remembered.
// Algorithm   A table of sets of 4; the entry nearest to its end leaves.
// Memory      `entries_max` rounded up to a power of two, 64 bytes each beside the callers.
// Threads     One a loop.
#pragma once

#include <cstdint>
#include <vector>

#include "base/clock.h"
#include "base/hash.h"
#include "pipeline/identity/caller.h"

namespace tidegate::pipeline {

class TokenMemory {
  public:
    explicit TokenMemory(std::size_t entries_max);
    /// Null when it is not here, has expired, or was verified with another version of the keys.
    const CallerPtr* find(const Sha256& digest, std::uint64_t keys_version, UnixMillis now) noexcept;
    void keep(const Sha256& digest, std::uint64_t keys_version, CallerPtr caller, UnixMillis expires);

  private:
    static constexpr std::size_t kWays = 4;
    struct Entry {
        Sha256 digest{};
        UnixMillis expires = 0;  // 0: empty.
        CallerPtr caller;
    };
    Entry* set_of(const Sha256& digest) noexcept;

    std::vector<Entry> entries_;
    std::uint64_t set_mask_;
    std::uint64_t keys_version_ = 0;
};

}  // namespace tidegate::pipeline
