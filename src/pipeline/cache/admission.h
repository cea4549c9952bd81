// Admission: which answers stay when room is short, in one of three ways of choosing.
//
// Algorithm   Nodes stand in three queues: small (new ones), probation and protected (together: main). A use only marks a
//             node; order is made when room is needed ("lazy promotion").
//               kScan       S3-FIFO (Yang et al. 2023): small 10 %; a node with 2 uses, or one that was here shortly before
//                           (Ghost), goes to main; main is a FIFO with reinsertion. One difference: main is filled before
//                           anything leaves, so that a loop longer than the cache finds a part of itself again.
//               kFrequency  W-TinyLFU (Einziger, Manes 2017): small 1 %; a node goes to main only when it was asked for more
//                           often (FrequencySketch) than the nodes it would push out; main is a segmented LRU.
//               kRecency    LRU: one queue.
//             None of the three is best everywhere (bench/results/cache_sim.json); Tuner chooses while running.
// Memory      Two pointers a node; 12 bytes a node for Ghost and sketch from half full on.
// Threads     The owner's lock. evict() looks at up to kStepsMax nodes.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "pipeline/cache/frequency.h"

namespace tidegate::cache {

enum class Mode : std::uint8_t { kScan, kFrequency, kRecency };
inline constexpr std::size_t kModes = 3;

/// How Admission reaches into a node: a specialisation has the static functions of this list.
///     Node*& newer(Node&), Node*& older(Node&), std::uint8_t& queue(Node&), std::atomic<std::uint8_t>& heat(Node&),
///     std::uint64_t hash(const Node&), std::size_t charge(const Node&)
template <class Node>
struct NodeAccess;

/// Newest first.
template <class Node>
class Queue {
    using Access = NodeAccess<Node>;

  public:
    void push(Node& node) noexcept {
        Access::newer(node) = nullptr;
        Access::older(node) = newest_;
        (newest_ != nullptr ? Access::newer(*newest_) : oldest_) = &node;
        newest_ = &node;
        bytes_ += Access::charge(node);
        ++size_;
    }
    void remove(Node& node) noexcept {
        Node* const newer = Access::newer(node);
        Node* const older = Access::older(node);
        (newer != nullptr ? Access::older(*newer) : newest_) = older;
        (older != nullptr ? Access::newer(*older) : oldest_) = newer;
        bytes_ -= Access::charge(node);
        --size_;
    }
    Node* oldest() const noexcept { return oldest_; }
    bool empty() const noexcept { return oldest_ == nullptr; }
    std::size_t bytes() const noexcept { return bytes_; }
    std::size_t size() const noexcept { return size_; }

  private:
    Node* newest_ = nullptr;
    Node* oldest_ = nullptr;
    std::size_t bytes_ = 0, size_ = 0;
};

template <class Node>
class Admission {
    using Access = NodeAccess<Node>;

  public:
    explicit Admission(std::size_t bytes_max, Mode mode = Mode::kScan) : mode_(mode) { resize(bytes_max); }

    std::size_t bytes() const noexcept { return small_.bytes() + probation_.bytes() + protected_.bytes(); }
    std::size_t size() const noexcept { return small_.size() + probation_.size() + protected_.size(); }
    std::size_t bytes_max() const noexcept { return bytes_max_; }
    std::size_t memory_bytes() const noexcept { return ghost_.bytes() + sketch_.bytes(); }
    Mode mode() const noexcept { return mode_; }
    void resize(std::size_t bytes_max) noexcept {
        bytes_max_ = bytes_max;
        set_mode(mode_);
    }
    /// Takes effect as nodes come and go.
    void set_mode(Mode mode) noexcept {
        mode_ = mode;
        // S3-FIFO's and W-TinyLFU's own proportions; LRU has no main.
        small_max_ = mode == Mode::kScan ? bytes_max_ / 10 : mode == Mode::kFrequency ? bytes_max_ / 100 : bytes_max_;
        protected_max_ = mode == Mode::kFrequency ? (bytes_max_ - small_max_) / 5 * 4 : 0;
    }

    /// A key is asked for, whether it is here or not.
    void seen(std::uint64_t hash) noexcept { sketch_.add(hash); }

    void added(Node& node) noexcept {
        // From half full on, so that the sketch knows what is in use when the first has to leave.
        if (bytes() > bytes_max_ / 2) remember_more();
        Access::heat(node).store(0, std::memory_order_relaxed);
        if (mode_ == Mode::kScan && ghost_.recall(Access::hash(node))) {
            place(node, kProbation);
        } else {
            place(node, kSmall);
        }
    }
    void used(Node& node) noexcept {
        auto& heat = Access::heat(node);
        const std::uint8_t old = heat.load(std::memory_order_relaxed);
        if (old < kHeatMax) heat.store(static_cast<std::uint8_t>(old + 1), std::memory_order_relaxed);
        if (mode_ == Mode::kRecency) {
            removed(node);
            place(node, kSmall);
        }
    }
    void removed(Node& node) noexcept { queue_of(node).remove(node); }
    /// `fresh` takes over the place and the uses of `old`, which leaves.
    void replaced(Node& old, Node& fresh) noexcept {
        removed(old);
        set_heat(fresh, heat(old));
        place(fresh, static_cast<Place>(Access::queue(old)));
    }

    /// Takes one node out of its queue, the least wanted, which may be the one just added; null when there is none. To be
    /// called while bytes() > bytes_max().
    Node* evict() {
        remember_more();
        for (unsigned step = 0; step < kStepsMax; ++step) {
            const std::size_t main = probation_.bytes() + protected_.bytes();
            if (main > main_max() || small_.empty() || (small_.bytes() <= small_max_ && main > 0)) return take_main();
            Node& candidate = *small_.oldest();
            switch (judge(candidate, main)) {
                case Verdict::kStays:
                    break;
                case Verdict::kLeaves:
                    if (mode_ == Mode::kScan) ghost_.remember(Access::hash(candidate));
                    removed(candidate);
                    return &candidate;
                case Verdict::kVictimLeaves:
                    return take_main();
            }
        }
        return take(small_.empty() ? *probation_.oldest() : *small_.oldest());
    }

  private:
    enum Place : std::uint8_t { kSmall, kProbation, kProtected };
    enum class Verdict : std::uint8_t { kStays, kLeaves, kVictimLeaves };
    static constexpr std::uint8_t kHeatMax = 3;  // S3-FIFO's two bits.
    // An eviction costs two to three steps on average; this bounds how long one may hold the lock.
    static constexpr unsigned kStepsMax = 32;

    std::size_t main_max() const noexcept { return bytes_max_ - small_max_; }
    Queue<Node>& queue_of(Node& node) noexcept {
        const std::uint8_t place = Access::queue(node);
        return place == kSmall ? small_ : place == kProbation ? probation_ : protected_;
    }
    void place(Node& node, Place place) noexcept {
        Access::queue(node) = place;
        queue_of(node).push(node);
    }
    void move(Node& node, Place to) noexcept {
        removed(node);
        place(node, to);
    }
    Node* take(Node& node) noexcept {
        removed(node);
        return &node;
    }
    std::uint8_t heat(Node& node) noexcept { return Access::heat(node).load(std::memory_order_relaxed); }
    void set_heat(Node& node, unsigned heat) noexcept {
        Access::heat(node).store(static_cast<std::uint8_t>(heat), std::memory_order_relaxed);
    }

    // What becomes of the oldest of small.
    Verdict judge(Node& candidate, std::size_t main) {
        const std::size_t charge = Access::charge(candidate);
        if (mode_ == Mode::kRecency) return Verdict::kLeaves;
        // S3-FIFO fills main only when it is far from full: in the gap that an eviction leaves, any small object would fit.
        const bool fits = main + charge <= (mode_ == Mode::kScan ? main_max() / 8 * 7 : main_max());
        if (fits || (mode_ == Mode::kScan && heat(candidate) >= 2)) {
            set_heat(candidate, 0);
            move(candidate, kProbation);
            return Verdict::kStays;
        }
        if (mode_ == Mode::kScan) return Verdict::kLeaves;
        Node* const victim = main_victim();
        const bool wins =
            victim != nullptr && sketch_.estimate(Access::hash(candidate)) > sketch_.estimate(Access::hash(*victim));
        return wins ? Verdict::kVictimLeaves : Verdict::kLeaves;
    }

    Node* take_main() noexcept {
        Node* const victim = main_victim();
        if (victim == nullptr) return small_.empty() ? nullptr : take(*small_.oldest());
        return take(*victim);
    }

    // The node of main that leaves next; marked ones get another round first.
    Node* main_victim() noexcept {
        for (unsigned step = 0; step < kStepsMax; ++step) {
            if (protected_.bytes() > protected_max_ || (probation_.empty() && !protected_.empty())) {
                demote(*protected_.oldest());
                continue;
            }
            Node* const node = probation_.oldest();
            if (node == nullptr || heat(*node) == 0) return node;
            if (mode_ == Mode::kFrequency) {
                set_heat(*node, 0);
                move(*node, kProtected);
            } else {
                set_heat(*node, heat(*node) - 1U);
                move(*node, kProbation);
            }
        }
        return probation_.empty() ? protected_.oldest() : probation_.oldest();
    }
    void demote(Node& node) noexcept {
        const bool again = mode_ == Mode::kFrequency && heat(node) > 0;
        if (again) set_heat(node, 0);
        move(node, again ? kProtected : kProbation);
    }

    void remember_more() {
        if (size() <= remembered_) return;
        remembered_ = size() + size() / 4;
        ghost_.grow(size());
        sketch_.grow(size());
    }

    Mode mode_;
    std::size_t bytes_max_ = 0, small_max_ = 0, protected_max_ = 0;
    Queue<Node> small_, probation_, protected_;
    Ghost ghost_;
    FrequencySketch sketch_;
    std::size_t remembered_ = 0;
};

}  // namespace tidegate::cache
