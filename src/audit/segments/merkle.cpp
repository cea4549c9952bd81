#include "audit/segments/merkle.h"

#include <openssl/evp.h>

#include <bit>
#include <memory>

#include "base/assert.h"

namespace tidegate::audit::segments {
namespace {

class Hasher {
  public:
    Hasher() { TG_ASSERT(EVP_DigestInit_ex2(context_.get(), digest_.get(), nullptr) == 1); }

    Sha256 of(Bytes first, Bytes second) {
        Sha256 out;
        unsigned size = 0;
        EVP_MD_CTX* context = context_.get();
        TG_ASSERT(EVP_DigestInit_ex2(context, nullptr, nullptr) == 1);
        TG_ASSERT(EVP_DigestUpdate(context, first.data(), first.size()) == 1);
        if (!second.empty()) TG_ASSERT(EVP_DigestUpdate(context, second.data(), second.size()) == 1);
        TG_ASSERT(EVP_DigestFinal_ex(context, out.data(), &size) == 1 && size == out.size());
        return out;
    }

  private:
    std::unique_ptr<EVP_MD, decltype(&EVP_MD_free)> digest_{EVP_MD_fetch(nullptr, "SHA256", nullptr), EVP_MD_free};
    std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context_{EVP_MD_CTX_new(), EVP_MD_CTX_free};
};

Sha256 hash(Bytes first, Bytes second = {}) {
    thread_local Hasher hasher;
    return hasher.of(first, second);
}

}  // namespace

Sha256 leaf_hash(Bytes record) {
    static constexpr std::uint8_t kLeaf[] = {0x00};
    return hash(kLeaf, record);
}

Sha256 leaf_hash_prefixed(Bytes zero_and_record) {
    TG_ASSERT(!zero_and_record.empty() && zero_and_record[0] == 0);
    return hash(zero_and_record);
}

Sha256 node_hash(const Sha256& left, const Sha256& right) {
    std::array<std::uint8_t, 65> input;
    input[0] = 0x01;
    std::memcpy(input.data() + 1, left.data(), left.size());
    std::memcpy(input.data() + 33, right.data(), right.size());
    return hash(input);
}

Result<MerkleStack> MerkleStack::restore(std::uint64_t size, std::span<const Sha256> peaks) {
    if (static_cast<std::size_t>(std::popcount(size)) != peaks.size()) {
        return fail(ErrorCode::kDataLoss, "the peaks of a hash tree do not fit its size");
    }
    MerkleStack stack;
    std::ranges::copy(peaks, stack.peaks_.begin());
    stack.depth_ = peaks.size();
    stack.size_ = size;
    return stack;
}

void MerkleStack::add(const Sha256& leaf) {
    Sha256 hash = leaf;
    for (std::uint64_t carry = size_; (carry & 1U) != 0; carry >>= 1U) hash = node_hash(peaks_[--depth_], hash);
    peaks_[depth_++] = hash;
    ++size_;
}

Sha256 MerkleStack::root() const {
    if (depth_ == 0) return sha256({});
    Sha256 root = peaks_[depth_ - 1];
    for (std::size_t i = depth_ - 1; i-- > 0;) root = node_hash(peaks_[i], root);
    return root;
}

}  // namespace tidegate::audit::segments
