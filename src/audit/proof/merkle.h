// Proofs over the hash tree of RFC 6962: that a leaf is in the tree, that one tree is the beginning of another.
//
// Algorithm   RFC 6962 section 2.1 (hashes, PATH, PROOF); checking by RFC 9162 sections 2.1.3.2 and 2.1.4.2.
// Memory      A proof is at most 64 hashes (inclusion) or 65 (consistency); a size is up to 2^63.
// Threads     Free functions; as safe as the reader they are given.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "base/hash.h"
#include "base/result.h"

namespace tidegate::audit::proof {

using HashPath = std::vector<Sha256>;

/// No proof has more hashes.
inline constexpr std::size_t kPathMax = 65;
inline constexpr std::uint64_t kTreeSizeMax = std::uint64_t{1} << 63U;

/// SHA-256(0x00 || record).
Sha256 leaf_hash(std::string_view record);
/// SHA-256(0x01 || left || right).
Sha256 node_hash(const Sha256& left, const Sha256& right);
/// Of a tree without leaves: SHA-256 of nothing.
Sha256 empty_root();

/// Where the hashes of a tree come from: tiles on disk, or leaves in memory.
class SubtreeReader {
  public:
    virtual ~SubtreeReader() = default;
    /// The root of the perfect tree over leaves [index << level, (index + 1) << level), all of which are in the tree.
    virtual Result<Sha256> subtree(unsigned level, std::uint64_t index) const = 0;
};

/// Leaf hashes in memory, nothing kept between calls: for tests and for small trees.
class LeafReader final : public SubtreeReader {
  public:
    /// `leaves` outlives the reader.
    explicit LeafReader(std::span<const Sha256> leaves) : leaves_(leaves) {}
    Result<Sha256> subtree(unsigned level, std::uint64_t index) const override;

  private:
    std::span<const Sha256> leaves_;
};

/// The root of the perfect tree over `hashes`, whose number is a power of two.
Sha256 perfect_root(std::span<const Sha256> hashes);

/// The root over the first `size` leaves.
Result<Sha256> root_of(const SubtreeReader& tree, std::uint64_t size);
/// PATH(index, D[size]), the leaf's sibling first. kInvalidArgument: index is not below size, or size over kTreeSizeMax.
Result<HashPath> inclusion_proof(const SubtreeReader& tree, std::uint64_t index, std::uint64_t size);
/// PROOF(first, D[second]); empty when first is 0 or both are equal. kInvalidArgument: first is over second.
Result<HashPath> consistency_proof(const SubtreeReader& tree, std::uint64_t first, std::uint64_t second);

struct TreeHead {
    std::uint64_t size = 0;
    Sha256 root{};
    friend bool operator==(const TreeHead&, const TreeHead&) = default;
};
bool inclusion_holds(const Sha256& leaf, std::uint64_t index, const TreeHead& head, std::span<const Sha256> path);
bool consistency_holds(const TreeHead& first, const TreeHead& second, std::span<const Sha256> path);

}  // namespace tidegate::audit::proof
