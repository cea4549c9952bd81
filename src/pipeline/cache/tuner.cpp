#include "pipeline/cache/tuner.h"

#include <algorithm>
#include <bit>

namespace tidegate::cache {
namespace {

// Of a miniature, at least. With 128 the mixed traces of bench/cache_sim fell under the goal; 512 and 1,024 gained nothing.
constexpr std::size_t kNodes = 256;
// A period: each node is met some times; with 8 a change was noticed later and no choice was better.
constexpr std::uint64_t kRequestsANode = 4;
// Of the requests of a period: what is less is noise.
constexpr double kGain = 0.005;

}  // namespace

Tuner::Tuner(std::size_t entries, std::size_t bytes_max) {
    // So a miniature has kNodes to twice as many nodes.
    const std::size_t ratio = std::bit_floor(std::max<std::size_t>(entries / kNodes, 1));
    mask_ = ratio - 1;
    period_ = kRequestsANode * std::clamp<std::size_t>(entries / ratio, 64, 2 * kNodes);
    for (std::size_t i = 0; i < kModes; ++i) {
        minis_[i] = std::make_unique<Mini>(bytes_max / ratio, static_cast<Mode>(i));
    }
}

bool Tuner::request(std::uint64_t hash, std::size_t charge) {
    for (const auto& mini : minis_) {
        mini->admission.seen(hash);
        if (const auto found = mini->nodes.find(hash); found != mini->nodes.end()) {
            ++mini->hits;
            mini->admission.used(found->second);
        } else if (charge > 0) {
            keep(*mini, hash, charge);
        }
    }
    return ++requests_ >= period_ && decide();
}

void Tuner::kept(std::uint64_t hash, std::size_t charge) {
    for (const auto& mini : minis_) {
        if (!mini->nodes.contains(hash)) keep(*mini, hash, charge);
    }
}

void Tuner::keep(Mini& mini, std::uint64_t hash, std::size_t charge) {
    if (charge > mini.admission.bytes_max()) return;
    MiniNode& node = mini.nodes[hash];
    node.hash = hash;
    node.charge = static_cast<std::uint32_t>(charge);
    mini.admission.added(node);
    while (mini.admission.bytes() > mini.admission.bytes_max()) {
        MiniNode* const victim = mini.admission.evict();
        mini.nodes.erase(std::uint64_t{victim->hash});
    }
}

bool Tuner::decide() {
    weight_ = weight_ / 2 + static_cast<double>(requests_);
    requests_ = 0;
    std::size_t best = 0;
    for (std::size_t i = 0; i < kModes; ++i) {
        Mini& mini = *minis_[i];
        mini.score = mini.score / 2 + static_cast<double>(mini.hits);
        mini.hits = 0;
        if (mini.score > minis_[best]->score) best = i;
    }
    const double current = minis_[static_cast<std::size_t>(mode_)]->score;
    if (minis_[best]->score - current <= kGain * weight_) return false;
    mode_ = static_cast<Mode>(best);
    return true;
}

std::size_t Tuner::memory_bytes() const noexcept {
    std::size_t bytes = sizeof(Tuner);
    for (const auto& mini : minis_) {
        // A node of the map: the node, two words of the map, 16 of the allocator.
        bytes += sizeof(Mini) + mini->admission.memory_bytes() + mini->nodes.bucket_count() * sizeof(void*) +
                 mini->nodes.size() * (sizeof(MiniNode) + 40);
    }
    return bytes;
}

}  // namespace tidegate::cache
