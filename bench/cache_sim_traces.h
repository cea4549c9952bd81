// The request traces of cache_sim: made from a seed, so that everyone gets the same.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <numbers>
#include <numeric>
#include <queue>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include "base/hash.h"

namespace tidegate::bench {

struct Request {
    std::uint32_t key;
    std::uint32_t size;
};

struct Trace {
    std::string name;
    std::string what;
    std::vector<Request> requests;
    std::uint64_t base = 0;  // What 100 % of cache size means: keys, or bytes where sizes differ.
    bool unit = true;        // All sizes are 1.
    bool loop = false;       // Nothing but a loop: no place for LRU.
};

/// SplitMix64.
class Dice {
  public:
    explicit Dice(std::uint64_t seed) : state_(seed) {}
    std::uint64_t next() {
        state_ += 0x9e3779b97f4a7c15ULL;
        return mix64(state_);
    }
    double uniform() { return static_cast<double>(next() >> 11U) * 0x1.0p-53; }
    std::uint32_t below(std::uint32_t n) { return static_cast<std::uint32_t>((next() >> 32U) * n >> 32U); }
    double normal() {  // Box and Muller.
        return std::sqrt(-2 * std::log(uniform() + 1e-18)) * std::cos(2 * std::numbers::pi * uniform());
    }

  private:
    std::uint64_t state_;
};

class Zipf {
  public:
    Zipf(std::uint32_t keys, double exponent) : cumulated_(keys) {
        double sum = 0;
        for (std::uint32_t i = 0; i < keys; ++i) cumulated_[i] = sum += std::pow(i + 1, -exponent);
        for (double& c : cumulated_) c /= sum;
    }
    std::uint32_t operator()(Dice& dice) const {
        const auto at = std::ranges::lower_bound(cumulated_, dice.uniform());
        return static_cast<std::uint32_t>(
            std::min<std::ptrdiff_t>(at - cumulated_.begin(), std::ssize(cumulated_) - 1));
    }

  private:
    std::vector<double> cumulated_;
};

inline constexpr std::uint32_t kKeys = 100'000;
inline constexpr std::size_t kRequests = 1'000'000;

inline Trace zipf(const std::string& name, double exponent, std::uint64_t seed) {
    Trace trace{.name = name, .what = "Zipf over 100,000 keys", .base = kKeys};
    Dice dice(seed);
    const Zipf ranks(kKeys, exponent);
    for (std::size_t i = 0; i < kRequests; ++i) trace.requests.push_back({ranks(dice), 1});
    return trace;
}

inline Trace zipf_with_scans() {
    Trace trace{
        .name = "zipf_scan", .what = "Zipf 1.0; a third is scans of 10,000 keys never met again", .base = kKeys};
    Dice dice(3);
    const Zipf ranks(kKeys, 1.0);
    std::uint32_t fresh = kKeys;
    while (trace.requests.size() < kRequests) {
        for (int i = 0; i < 20'000; ++i) trace.requests.push_back({ranks(dice), 1});
        for (int i = 0; i < 10'000; ++i) trace.requests.push_back({fresh++, 1});
    }
    return trace;
}

inline Trace loop() {
    Trace trace{.name = "loop", .what = "100,000 keys round and round", .base = kKeys, .loop = true};
    for (std::size_t i = 0; i < kRequests; ++i) trace.requests.push_back({static_cast<std::uint32_t>(i % kKeys), 1});
    return trace;
}

inline Trace zipf_with_loop() {
    Trace trace{.name = "zipf_loop", .what = "half Zipf 1.0, half a loop of 20,000 keys", .base = kKeys};
    Dice dice(5);
    const Zipf ranks(kKeys, 1.0);
    std::uint32_t at = 0;
    while (trace.requests.size() < kRequests) {
        const bool looped = dice.uniform() >= 0.5;
        trace.requests.push_back({looped ? kKeys + at : ranks(dice), 1});
        if (looped) at = (at + 1) % 20'000;
    }
    return trace;
}

inline Trace shifting() {
    Trace trace{.name = "shift", .what = "Zipf 1.0; each 50,000 requests 300 of the hottest 500 change", .base = kKeys};
    Dice dice(6);
    const Zipf ranks(kKeys, 1.0);
    std::vector<std::uint32_t> key_of(kKeys);
    std::iota(key_of.begin(), key_of.end(), 0U);
    for (std::size_t i = 0; i < kRequests; ++i) {
        if (i % 50'000 == 49'999) {
            for (int j = 0; j < 300; ++j) std::swap(key_of[dice.below(500)], key_of[dice.below(kKeys)]);
        }
        trace.requests.push_back({key_of[ranks(dice)], 1});
    }
    return trace;
}

inline Trace recency() {
    Trace trace{.name = "recency",
                .what = "keys asked for up to four times more within a short while, then never",
                .base = kKeys};
    Dice dice(7);
    using Due = std::pair<std::uint64_t, std::uint32_t>;
    std::priority_queue<Due, std::vector<Due>, std::greater<>> due;
    std::uint32_t key = 0;
    for (std::uint64_t now = 0; trace.requests.size() < kRequests; ++now) {
        for (; !due.empty() && due.top().first <= now; due.pop()) trace.requests.push_back({due.top().second, 1});
        trace.requests.push_back({key, 1});
        double gap = 0;
        for (std::uint32_t uses = dice.below(5); uses > 0; --uses) {
            gap += std::exp(std::log(200.0) + 1.5 * dice.normal());
            due.emplace(now + 1 + static_cast<std::uint64_t>(gap), key);
        }
        ++key;
    }
    return trace;
}

inline Trace sizes() {
    Trace trace{
        .name = "sizes", .what = "Zipf 0.9; sizes log-normal, median 2,000 bytes, 200 bytes to 1 MB", .unit = false};
    Dice dice(8);
    const Zipf ranks(kKeys, 0.9);
    std::vector<std::uint32_t> size_of(kKeys);
    for (std::uint32_t& size : size_of) {
        size = static_cast<std::uint32_t>(std::clamp(std::exp(std::log(2000.0) + 1.3 * dice.normal()), 200.0, 1e6));
    }
    std::unordered_set<std::uint32_t> met;
    for (std::size_t i = 0; i < kRequests; ++i) {
        const std::uint32_t key = ranks(dice);
        if (met.insert(key).second) trace.base += size_of[key];
        trace.requests.push_back({key, size_of[key]});
    }
    return trace;
}

/// Parts of other traces in turn, with keys of their own.
inline Trace phases(const std::vector<const Trace*>& parts) {
    constexpr std::size_t kPhase = 60'000;
    Trace trace{
        .name = "phases", .what = "60,000 requests each of recency, Zipf 1.0 and the loop, in turn", .base = kKeys};
    for (std::size_t round = 0; trace.requests.size() < kRequests; ++round) {
        for (std::uint32_t p = 0; p < parts.size(); ++p) {
            for (std::size_t i = 0; i < kPhase; ++i) {
                const Request& request = parts[p]->requests[(round * kPhase + i) % kRequests];
                trace.requests.push_back({request.key + p * 4'000'000, 1});
            }
        }
    }
    return trace;
}

inline std::vector<Trace> all_traces() {
    std::vector<Trace> traces;
    traces.push_back(zipf("zipf_0.8", 0.8, 1));
    traces.push_back(zipf("zipf_1.0", 1.0, 2));
    traces.push_back(zipf_with_scans());
    traces.push_back(zipf_with_loop());
    traces.push_back(loop());
    traces.push_back(shifting());
    traces.push_back(recency());
    traces.push_back(sizes());
    traces.push_back(phases({&traces[6], &traces[1], &traces[4]}));
    return traces;
}

}  // namespace tidegate::bench
