// Tuner: finds out while running which way of choosing (Mode) would have had the most hits, on a sample of the keys.
//
// Algorithm   Miniature simulation (Waldspurger et al. 2017): one key in 2^r, chosen by hash, runs through one small cache a
//             mode, each as much smaller than the real one. All see the same requests, so a hot key favours none. At the end of
//             each period the mode with clearly more hits (halved each period) becomes the store's.
// Memory      Three times up to 512 nodes of 100 bytes, whatever the size of the cache; from the first eviction on.
// Threads     The owner's lock.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <unordered_map>

#include "pipeline/cache/admission.h"

namespace tidegate::cache {

struct MiniNode {
    MiniNode* newer = nullptr;
    MiniNode* older = nullptr;
    std::uint64_t hash = 0;
    std::uint32_t charge = 0;
    std::uint8_t queue = 0;
    std::atomic<std::uint8_t> heat{0};
};
template <>
struct NodeAccess<MiniNode> {
    static MiniNode*& newer(MiniNode& n) noexcept { return n.newer; }
    static MiniNode*& older(MiniNode& n) noexcept { return n.older; }
    static std::uint8_t& queue(MiniNode& n) noexcept { return n.queue; }
    static std::atomic<std::uint8_t>& heat(MiniNode& n) noexcept { return n.heat; }
    static std::uint64_t hash(const MiniNode& n) noexcept { return n.hash; }
    static std::size_t charge(const MiniNode& n) noexcept { return n.charge; }
};

class Tuner {
  public:
    static constexpr std::size_t kMemoryBytesMax = 160 * 1024;

    /// `entries`: how many the real cache holds, about; `bytes_max`: all of its bytes.
    Tuner(std::size_t entries, std::size_t bytes_max);

    /// Whether this key belongs to the sample; everything else is for those only.
    bool sampled(std::uint64_t hash) const noexcept { return (mix64(hash ^ kSalt) & mask_) == 0; }
    /// A request; `charge` of the entry where the real cache has it, else 0 (kept() follows when it is fetched). True when
    /// mode() has changed.
    bool request(std::uint64_t hash, std::size_t charge);
    void kept(std::uint64_t hash, std::size_t charge);
    Mode mode() const noexcept { return mode_; }
    std::size_t memory_bytes() const noexcept;

  private:
    struct Mini {
        explicit Mini(std::size_t bytes_max, Mode mode) : admission(bytes_max, mode) {}
        Admission<MiniNode> admission;
        std::unordered_map<std::uint64_t, MiniNode> nodes;
        std::uint64_t hits = 0;  // Of this period.
        double score = 0;        // Of this and earlier ones.
    };
    static constexpr std::uint64_t kSalt = 0x7465'6964'6761'7465ULL;  // Apart from the bits that choose shard and slot.

    static void keep(Mini& mini, std::uint64_t hash, std::size_t charge);
    bool decide();

    std::uint64_t mask_ = 0;
    std::uint64_t requests_ = 0, period_ = 0;
    double weight_ = 0;
    Mode mode_ = Mode::kScan;
    std::array<std::unique_ptr<Mini>, kModes> minis_;
};

}  // namespace tidegate::cache
