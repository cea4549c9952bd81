#include "audit/proof/merkle.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <string>

#include "base/assert.h"

namespace tidegate::audit::proof {
namespace {

std::string_view chars(const std::uint8_t* bytes, std::size_t size) {
    return {reinterpret_cast<const char*>(bytes), size};
}

// Where RFC 6962 splits a tree of n > 1 leaves: the largest power of two below n.
std::uint64_t split_of(std::uint64_t n) {
    return std::bit_floor(n - 1);
}

// MTH(D[begin:end]); `begin` is a multiple of every power of two that is split off, as RFC 6962's splits make it.
Result<Sha256> range_root(const SubtreeReader& tree, std::uint64_t begin, std::uint64_t end) {
    HashPath parts;  // Perfect trees, largest first.
    while (begin < end) {
        const auto level = static_cast<unsigned>(std::bit_width(end - begin) - 1);
        TG_TRY(const Sha256 part, tree.subtree(level, begin >> level));
        parts.push_back(part);
        begin += std::uint64_t{1} << level;
    }
    if (parts.empty()) return empty_root();
    Sha256 root = parts.back();
    for (std::size_t i = parts.size() - 1; i-- > 0;) root = node_hash(parts[i], root);
    return root;
}

// "Right-shift both fn and sn equally until LSB(fn) is set or fn is 0", RFC 9162.
void shift_to_turn(std::uint64_t& fn, std::uint64_t& sn) {
    while (fn != 0 && (fn & 1U) == 0) {
        fn >>= 1U;
        sn >>= 1U;
    }
}

}  // namespace

Sha256 leaf_hash(std::string_view record) {
    // One copy, so that the one-call digest can be used; proofs hash a handful of records.
    std::string prefixed;
    prefixed.reserve(record.size() + 1);
    prefixed.push_back('\0');
    prefixed.append(record);
    return sha256(prefixed);
}

Sha256 node_hash(const Sha256& left, const Sha256& right) {
    std::array<std::uint8_t, 65> bytes;
    bytes[0] = 0x01;
    std::memcpy(bytes.data() + 1, left.data(), left.size());
    std::memcpy(bytes.data() + 33, right.data(), right.size());
    return sha256(chars(bytes.data(), bytes.size()));
}

Sha256 empty_root() {
    return sha256({});
}

Sha256 perfect_root(std::span<const Sha256> hashes) {
    TG_ASSERT(std::has_single_bit(hashes.size()));
    HashPath row(hashes.begin(), hashes.end());
    for (std::size_t n = row.size(); n > 1; n /= 2) {
        for (std::size_t i = 0; i < n / 2; ++i) row[i] = node_hash(row[2 * i], row[2 * i + 1]);
    }
    return row.front();
}

Result<Sha256> LeafReader::subtree(unsigned level, std::uint64_t index) const {
    const std::uint64_t width = std::uint64_t{1} << level;
    if (index >= leaves_.size() || width > leaves_.size() || (index + 1) * width > leaves_.size()) {
        return fail(ErrorCode::kNotFound, "a leaf hash is not there");
    }
    return perfect_root(leaves_.subspan(index * width, width));
}

Result<Sha256> root_of(const SubtreeReader& tree, std::uint64_t size) {
    return range_root(tree, 0, size);
}

Result<HashPath> inclusion_proof(const SubtreeReader& tree, std::uint64_t index, std::uint64_t size) {
    if (index >= size || size > kTreeSizeMax) return fail(ErrorCode::kInvalidArgument, "the leaf is not in the tree");
    HashPath path;
    std::uint64_t begin = 0;
    std::uint64_t end = size;
    while (end - begin > 1) {
        const std::uint64_t middle = begin + split_of(end - begin);
        const bool left = index < middle;
        TG_TRY(const Sha256 sibling, left ? range_root(tree, middle, end) : range_root(tree, begin, middle));
        path.push_back(sibling);
        (left ? end : begin) = middle;
    }
    std::ranges::reverse(path);
    return path;
}

Result<HashPath> consistency_proof(const SubtreeReader& tree, std::uint64_t first, std::uint64_t second) {
    if (first > second || second > kTreeSizeMax) {
        return fail(ErrorCode::kInvalidArgument, "the first tree is larger than the second");
    }
    HashPath path;
    if (first == 0 || first == second) return path;
    std::uint64_t begin = 0;
    std::uint64_t end = second;
    // Down to the subtree that ends where the first tree ends.
    while (first != end) {
        const std::uint64_t middle = begin + split_of(end - begin);
        const bool left = first <= middle;
        TG_TRY(const Sha256 other, left ? range_root(tree, middle, end) : range_root(tree, begin, middle));
        path.push_back(other);
        (left ? end : begin) = middle;
    }
    if (begin != 0) {
        TG_TRY(const Sha256 rest, range_root(tree, begin, end));
        path.push_back(rest);
    }
    std::ranges::reverse(path);
    return path;
}

bool inclusion_holds(const Sha256& leaf, std::uint64_t index, const TreeHead& head, std::span<const Sha256> path) {
    if (index >= head.size) return false;
    std::uint64_t fn = index;
    std::uint64_t sn = head.size - 1;
    Sha256 root = leaf;
    for (const Sha256& hash : path) {
        if (sn == 0) return false;
        if ((fn & 1U) != 0 || fn == sn) {
            root = node_hash(hash, root);
            shift_to_turn(fn, sn);
        } else {
            root = node_hash(root, hash);
        }
        fn >>= 1U;
        sn >>= 1U;
    }
    return sn == 0 && root == head.root;
}

bool consistency_holds(const TreeHead& first, const TreeHead& second, std::span<const Sha256> path) {
    if (first.size > second.size) return false;
    if (first.size == second.size) return path.empty() && first.root == second.root;
    if (first.size == 0) return path.empty() && first.root == empty_root();
    std::uint64_t fn = first.size - 1;
    std::uint64_t sn = second.size - 1;
    while ((fn & 1U) != 0) {
        fn >>= 1U;
        sn >>= 1U;
    }
    // A first tree that is perfect is its own first hash, and the proof leaves it out.
    Sha256 old_root = first.root;
    if (!std::has_single_bit(first.size)) {
        if (path.empty()) return false;
        old_root = path.front();
        path = path.subspan(1);
    }
    Sha256 new_root = old_root;
    for (const Sha256& hash : path) {
        if (sn == 0) return false;
        if ((fn & 1U) != 0 || fn == sn) {
            old_root = node_hash(hash, old_root);
            new_root = node_hash(hash, new_root);
            shift_to_turn(fn, sn);
        } else {
            new_root = node_hash(new_root, hash);
        }
        fn >>= 1U;
        sn >>= 1U;
    }
    return sn == 0 && old_root == first.root && new_root == second.root;
}

}  // namespace tidegate::audit::proof
