// The hash tree of RFC 6962 over the records of the log, kept as its peaks.
//
// Algorithm   RFC 6962 section 2.1 with SHA-256: leaf = H(0x00 || record), node = H(0x01 || left || right). The peaks are
//             the roots of the perfect subtrees, one for each bit set in the size; a new leaf merges as a binary counter
//             carries, so a leaf costs one node hash on average.
// Speed       EVP with the digest fetched once and a context for each thread that is set up again without naming the digest: 108 to
//             142 ns a node and 245 ns a record of 300 bytes; naming it each time 115 to 157 and 287; the low-level calls
//             that OpenSSL 3 deprecates 89 to 99 and 188 to 290 (measured here: not worth a deprecated interface).
// Memory      64 hashes.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>

#include "audit/segments/bytes.h"
#include "base/hash.h"
#include "base/result.h"

namespace tidegate::audit::segments {

Sha256 leaf_hash(Bytes record);
/// The same for bytes that begin with the 0x00 already: saves a copy or a second call.
Sha256 leaf_hash_prefixed(Bytes zero_and_record);
Sha256 node_hash(const Sha256& left, const Sha256& right);

class MerkleStack {
  public:
    /// `peaks` largest first. kDataLoss: their number does not fit the size.
    static Result<MerkleStack> restore(std::uint64_t size, std::span<const Sha256> peaks);

    void add(const Sha256& leaf);
    std::uint64_t size() const noexcept { return size_; }
    /// Largest (oldest) first.
    std::span<const Sha256> peaks() const noexcept { return {peaks_.data(), depth_}; }
    /// The tree head MTH(0..size-1); the hash of nothing when empty.
    Sha256 root() const;
    friend bool operator==(const MerkleStack& a, const MerkleStack& b) noexcept {
        return a.size_ == b.size_ && std::ranges::equal(a.peaks(), b.peaks());
    }

  private:
    std::array<Sha256, 64> peaks_{};
    std::size_t depth_ = 0;
    std::uint64_t size_ = 0;
};

}  // namespace tidegate::audit::segments
