// Follower: a view of the log that is kept while it is written: what it holds is exact up to position().
//
// Position    Below the views, the proofs and the drift monitor; audit/segment_log.h calls them.
// Guarantee   Every durable record once, in the order of the log, before its append is acknowledged: whoever got an
//             acknowledgement finds the record in every view. A follower that fails is handed everything from its position()
//             again later, the log itself goes on.
// Threads     follow() on one thread at a time: the one that opens the log, afterwards the log's finisher. It delays the
//             acknowledgements of the batch: microseconds for thousands of records, no wait for a disk's sync.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "audit/segments/record.h"
#include "base/hash.h"
#include "base/result.h"

namespace tidegate::audit {

/// A run of records. Valid during the call.
struct DurableRecords {
    std::uint64_t first_leaf = 0;
    std::span<const segments::RecordView> records;
    std::span<const Sha256> leaves;  // As many.

    std::uint64_t end() const noexcept { return first_leaf + records.size(); }
    /// From `leaf` on; `leaf` is in [first_leaf, end()].
    DurableRecords from(std::uint64_t leaf) const noexcept {
        return {leaf, records.subspan(leaf - first_leaf), leaves.subspan(leaf - first_leaf)};
    }
};

class Follower {
  public:
    Follower() = default;
    Follower(const Follower&) = delete;
    Follower& operator=(const Follower&) = delete;
    virtual ~Follower() = default;

    /// For health and logs: `statistics`, `tiles`.
    virtual std::string_view name() const noexcept = 0;
    /// The first leaf that it does not hold. When the log opens: what of it survived.
    virtual std::uint64_t position() const noexcept = 0;
    /// `records.first_leaf` is position(), or later where retention has removed what lies between. An error: nothing of
    /// `records` counts as taken beyond position(), and it is tried again from there.
    virtual Result<void> follow(const DurableRecords& records) = 0;
};

}  // namespace tidegate::audit
