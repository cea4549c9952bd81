// SpanRoot: the root of the log's tree from the records of some spans and the kept hashes of all that lies between them.
//
// Guarantee   When the root comes out as the signed one, the leaves that were added are the log's at these places, whatever the kept hashes
//             say: another leaf, or a wrong hash, leads to another root.
// Algorithm   RFC 6962 section 2.1, as a binary counter of perfect subtrees; a stretch that is not read goes in as its largest aligned
//             subtrees, at most 2 log2(size) of them.
// Memory      64 hashes.
// Threads     One.
#pragma once

#include <cstdint>
#include <vector>

#include "audit/proof/merkle.h"
#include "base/result.h"

namespace tidegate::compliance {

class SpanRoot {
  public:
    /// `kept` outlives it.
    explicit SpanRoot(const audit::proof::SubtreeReader& kept) : kept_(kept) {}

    std::uint64_t size() const noexcept { return size_; }
    /// Takes kept hashes up to `leaf`, at or after size(). An error of `kept`.
    Result<void> skip_to(std::uint64_t leaf);
    /// The leaf at size().
    void add(const Sha256& leaf) { push(0, leaf); }
    /// Of the tree of size() leaves.
    Sha256 root() const;

  private:
    struct Peak {
        unsigned level = 0;
        Sha256 hash{};
    };
    void push(unsigned level, Sha256 hash);

    const audit::proof::SubtreeReader& kept_;
    std::vector<Peak> peaks_;  // Levels fall.
    std::uint64_t size_ = 0;
};

}  // namespace tidegate::compliance
