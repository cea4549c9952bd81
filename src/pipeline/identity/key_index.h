// KeyIndex: the keys by public id, in memory, never changed once built.
//
// Algorithm   Open addressing with linear probing over a power of two of slots, at most half full; the public id is 60 bits
//             and is compared as a number. A slot is one cache line and holds all that a look-up reads.
// Guarantee   A look-up hashes and compares one secret whether the id is known or not, in time that does not depend on where
//             two secrets differ. It takes no lock and allocates nothing.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/hash.h"
#include "pipeline/identity/caller.h"
#include "pipeline/identity/counters.h"
#include "pipeline/identity/key_record.h"
#include "pipeline/identity/key_text.h"

namespace tidegate::pipeline {

/// A row of the table, with the hash of its secret.
struct StoredKey {
    KeyRecord record;
    Sha256 secret_hash{};
};

/// What requests of a key share, across rebuilds of the index.
struct KeyState {
    Caller caller;
    std::string public_id;
    Sha256 secret_hash{};
    std::atomic<UnixMillis> used{0};          // Start of the minute of its last use; 0: not since the start.
    std::atomic<UnixMillis> used_written{0};  // As far as the table knows.
};

class KeyIndex {
  public:
    /// A key of the same rights keeps its KeyState of `former`, and so its Caller, also when its end moved. The Callers of
    /// keys that are gone, revoked or of other rights now are marked revoked. `former` may be null.
    KeyIndex(const std::vector<StoredKey>& rows, const KeyIndex* former);

    struct Found {
        CallerPtr caller;  // Null when refused.
        Refusal refusal = Refusal::kNone;
    };
    /// `now` is compared with the key's end; a use is noted to the minute.
    Found find(const KeyText& key, UnixMillis now) const;

    const std::vector<std::shared_ptr<KeyState>>& states() const noexcept { return states_; }
    std::size_t count_active(UnixMillis now) const noexcept;

  private:
    struct alignas(64) Slot {
        std::uint64_t id = 0;  // 0: empty.
        UnixMillis ends = 0;
        Sha256 secret_hash{};
        std::shared_ptr<KeyState> state;
    };
    std::size_t slot_of(std::uint64_t id) const noexcept;

    std::vector<std::shared_ptr<KeyState>> states_;
    std::vector<Slot> slots_;
    std::uint64_t mask_ = 0;
};

}  // namespace tidegate::pipeline
