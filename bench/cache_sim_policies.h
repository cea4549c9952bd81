// The caches that cache_sim compares: the textbook ones, written plainly after their papers, and the product's.
#pragma once

#include <cstdint>
#include <deque>
#include <list>
#include <memory>
#include <set>
#include <unordered_map>

#include "bench/cache_sim_traces.h"
#include "pipeline/cache/tuner.h"

namespace tidegate::bench {

class Policy {
  public:
    virtual ~Policy() = default;
    /// True: a hit. A miss takes the object in.
    virtual bool ask(Request request) = 0;
};

using Keys = std::list<std::uint32_t>;  // Newest first.

class Lru final : public Policy {
  public:
    explicit Lru(std::uint64_t capacity) : capacity_(capacity) {}
    bool ask(Request r) override {
        if (const auto found = nodes_.find(r.key); found != nodes_.end()) {
            order_.splice(order_.begin(), order_, found->second.at);
            return true;
        }
        if (r.size > capacity_) return false;
        for (; bytes_ + r.size > capacity_; order_.pop_back()) {
            bytes_ -= nodes_[order_.back()].size;
            nodes_.erase(order_.back());
        }
        order_.push_front(r.key);
        nodes_[r.key] = {r.size, order_.begin()};
        bytes_ += r.size;
        return false;
    }

  private:
    struct Node {
        std::uint32_t size;
        Keys::iterator at;
    };
    std::uint64_t capacity_, bytes_ = 0;
    Keys order_;
    std::unordered_map<std::uint32_t, Node> nodes_;
};

/// Yang et al. 2023: small 10 %, main a FIFO with reinsertion, exact ghost of main's size.
class S3Fifo final : public Policy {
  public:
    explicit S3Fifo(std::uint64_t capacity) : capacity_(capacity), small_max_(capacity / 10) {}
    bool ask(Request r) override {
        if (const auto found = nodes_.find(r.key); found != nodes_.end()) {
            found->second.uses = std::min(3, found->second.uses + 1);
            return true;
        }
        if (r.size > capacity_) return false;
        while (small_bytes_ + main_bytes_ + r.size > capacity_) {
            if (small_bytes_ >= small_max_ || main_.empty()) {
                evict_small();
            } else {
                evict_main();
            }
        }
        place(r.key, {.size = r.size, .uses = 0, .in_main = recall(r.key)});
        return false;
    }

  private:
    struct Node {
        std::uint32_t size;
        int uses;
        bool in_main;
    };
    void place(std::uint32_t key, Node node) {
        (node.in_main ? main_ : small_).push_front(key);
        (node.in_main ? main_bytes_ : small_bytes_) += node.size;
        nodes_[key] = node;
    }
    void evict_main() {
        while (!main_.empty()) {
            const std::uint32_t key = main_.back();
            Node& node = nodes_[key];
            if (node.uses > 0) {
                --node.uses;
                main_.splice(main_.begin(), main_, std::prev(main_.end()));
                continue;
            }
            main_bytes_ -= node.size;
            main_.pop_back();
            nodes_.erase(key);
            return;
        }
    }
    void evict_small() {
        while (!small_.empty()) {
            const std::uint32_t key = small_.back();
            Node node = nodes_[key];
            small_.pop_back();
            small_bytes_ -= node.size;
            if (node.uses >= 2) {
                node.uses = 0;
                node.in_main = true;
                place(key, node);
                if (main_bytes_ > capacity_ - small_max_) return evict_main();
                continue;
            }
            nodes_.erase(key);
            return remember(key, node.size);
        }
    }
    void remember(std::uint32_t key, std::uint32_t size) {
        ghost_[key] = {++ghost_turn_, size};
        ghost_order_.emplace_back(key, ghost_turn_);
        ghost_bytes_ += size;
        while (ghost_bytes_ > capacity_ - small_max_) {
            const auto [old, turn] = ghost_order_.front();
            ghost_order_.pop_front();
            if (const auto found = ghost_.find(old); found != ghost_.end() && found->second.first == turn) recall(old);
        }
    }
    bool recall(std::uint32_t key) {
        const auto found = ghost_.find(key);
        if (found == ghost_.end()) return false;
        ghost_bytes_ -= found->second.second;
        ghost_.erase(found);
        return true;
    }

    std::uint64_t capacity_, small_max_, small_bytes_ = 0, main_bytes_ = 0;
    Keys small_, main_;
    std::unordered_map<std::uint32_t, Node> nodes_;
    std::unordered_map<std::uint32_t, std::pair<std::uint64_t, std::uint32_t>> ghost_;
    std::deque<std::pair<std::uint32_t, std::uint64_t>> ghost_order_;
    std::uint64_t ghost_turn_ = 0, ghost_bytes_ = 0;
};

/// Einziger, Manes 2017: window 1 %, main a segmented LRU (80 % protected), admission by a sketch of 10 times as many requests.
class WTinyLfu final : public Policy {
  public:
    WTinyLfu(std::uint64_t capacity, std::uint64_t entries)
        : main_max_(capacity - std::max<std::uint64_t>(1, capacity / 100)),
          window_max_(capacity - main_max_),
          capacity_(capacity) {
        sketch_.grow(entries);
    }
    bool ask(Request r) override {
        sketch_.add(hash(r.key));
        if (const auto found = nodes_.find(r.key); found != nodes_.end()) {
            const Place to = found->second.place == kWindow ? kWindow : kProtected;
            move(found->second, to);
            demote();
            return true;
        }
        if (r.size > capacity_) return false;
        order_[kWindow].push_front(r.key);
        nodes_[r.key] = {r.size, kWindow, order_[kWindow].begin()};
        bytes_[kWindow] += r.size;
        while (bytes_[kWindow] > window_max_) admit(order_[kWindow].back());
        return false;
    }

  private:
    enum Place : std::uint8_t { kWindow, kProbation, kProtected };
    struct Node {
        std::uint32_t size;
        Place place;
        Keys::iterator at;
    };
    static std::uint64_t hash(std::uint32_t key) { return mix64(key + 1ULL); }
    void move(Node& node, Place to) {
        order_[to].splice(order_[to].begin(), order_[node.place], node.at);
        bytes_[node.place] -= node.size;
        bytes_[to] += node.size;
        node.place = to;
    }
    void demote() {
        while (bytes_[kProtected] > main_max_ / 5 * 4) move(nodes_[order_[kProtected].back()], kProbation);
    }
    void drop(std::uint32_t key) {
        const Node node = nodes_[key];
        order_[node.place].erase(node.at);
        bytes_[node.place] -= node.size;
        nodes_.erase(key);
    }
    // The candidate leaves the window for main, or for good.
    void admit(std::uint32_t candidate) {
        Node& node = nodes_[candidate];
        while (bytes_[kProbation] + bytes_[kProtected] + node.size > main_max_) {
            Keys& from = order_[kProbation].empty() ? order_[kProtected] : order_[kProbation];
            if (from.empty()) return drop(candidate);
            const std::uint32_t victim = from.back();
            if (sketch_.estimate(hash(candidate)) <= sketch_.estimate(hash(victim))) return drop(candidate);
            drop(victim);
        }
        move(node, kProbation);
    }

    std::uint64_t main_max_, window_max_, capacity_;
    std::array<std::uint64_t, 3> bytes_{};
    std::array<Keys, 3> order_;
    std::unordered_map<std::uint32_t, Node> nodes_;
    cache::FrequencySketch sketch_;
};

/// What the store does: Admission, with Tuner choosing the mode unless one is given.
class Product final : public Policy {
  public:
    explicit Product(std::uint64_t capacity) : admission_(capacity), tuned_(true) {}
    Product(std::uint64_t capacity, cache::Mode mode) : admission_(capacity, mode) {}
    bool ask(Request r) override {
        const std::uint64_t hash = mix64(r.key + 1ULL);
        admission_.seen(hash);
        const auto found = nodes_.find(hash);
        const bool hit = found != nodes_.end();
        const bool sampled = tuner_ && tuner_->sampled(hash);
        if (sampled && tuner_->request(hash, hit ? r.size : 0)) admission_.set_mode(tuner_->mode());
        if (hit) {
            admission_.used(found->second);
            return true;
        }
        if (r.size > admission_.bytes_max()) return false;
        if (sampled) tuner_->kept(hash, r.size);
        cache::MiniNode& node = nodes_[hash];
        node.hash = hash;
        node.charge = r.size;
        admission_.added(node);
        while (admission_.bytes() > admission_.bytes_max()) {
            if (tuned_ && !tuner_) tuner_ = std::make_unique<cache::Tuner>(nodes_.size(), admission_.bytes_max());
            nodes_.erase(std::uint64_t{admission_.evict()->hash});
        }
        return false;
    }

  private:
    cache::Admission<cache::MiniNode> admission_;
    bool tuned_ = false;
    std::unordered_map<std::uint64_t, cache::MiniNode> nodes_;
    std::unique_ptr<cache::Tuner> tuner_;
};

/// Belady's best possible, with bypass; for unit sizes. In percent.
inline double best_possible(const std::vector<Request>& requests, std::uint64_t capacity) {
    constexpr std::uint32_t kNever = 0xffff'ffffU;
    std::vector<std::uint32_t> next(requests.size());
    std::unordered_map<std::uint32_t, std::uint32_t> later;
    for (std::size_t i = requests.size(); i-- > 0;) {
        const auto found = later.find(requests[i].key);
        next[i] = found == later.end() ? kNever : found->second;
        later[requests[i].key] = static_cast<std::uint32_t>(i);
    }
    std::set<std::pair<std::uint32_t, std::uint32_t>> held;  // By next use.
    std::unordered_map<std::uint32_t, std::uint32_t> use_of;
    std::uint64_t hits = 0;
    for (std::size_t i = 0; i < requests.size(); ++i) {
        const std::uint32_t key = requests[i].key;
        if (const auto found = use_of.find(key); found != use_of.end()) {
            ++hits;
            held.erase({found->second, key});
            use_of.erase(found);
        }
        if (next[i] == kNever) continue;
        if (held.size() >= capacity) {
            const auto last = *held.rbegin();
            if (last.first <= next[i]) continue;
            held.erase(last);
            use_of.erase(last.second);
        }
        held.emplace(next[i], key);
        use_of[key] = next[i];
    }
    return 100.0 * static_cast<double>(hits) / static_cast<double>(requests.size());
}

}  // namespace tidegate::bench
