#include "pipeline/cache/hot_keys.h"

#include <algorithm>
#include <utility>

#include "base/hash.h"

namespace tidegate::cache {

// Not every sixteenth in a row: traffic that repeats with that beat would show one key only.
bool HotKeys::sampled() noexcept {
    thread_local std::uint64_t state = reinterpret_cast<std::uintptr_t>(&state);
    state += 0x9e3779b97f4a7c15ULL;
    return mix64(state) % kSampling == 0;
}

void HotKeys::note_sampled(const Key& key, SteadyTime now, std::string replay) {
    if (replay.size() > kReplayBytesMax) return;
    const std::uint64_t hash = key.hash().low;
    const SpinGuard guard(lock_);
    turn_over(now);
    auto& counters = current_.counters;
    if (const auto found = current_.at.find(hash); found != current_.at.end()) {
        ++counters[found->second].count;
        return;
    }
    if (counters.size() < kKeysMax) {
        current_.at[hash] = counters.size();
        counters.push_back({.hash = hash, .count = 1, .error = 0, .replay = std::move(replay)});
        return;
    }
    const auto least = std::ranges::min_element(counters, {}, &Counter::count);
    current_.at.erase(least->hash);
    current_.at[hash] = static_cast<std::size_t>(least - counters.begin());
    *least = {.hash = hash, .count = least->count + 1, .error = least->count, .replay = std::move(replay)};
}

void HotKeys::turn_over(SteadyTime now) {
    if (began_ == SteadyTime::min()) began_ = now;
    if (now - began_ < period_) return;
    // After a long silence the last period is an empty one.
    last_ = now - began_ < 2 * period_ ? std::move(current_) : Period();
    current_ = Period();
    began_ = now;
}

std::vector<HotKey> HotKeys::top(std::size_t n, SteadyTime now) {
    std::unordered_map<std::uint64_t, HotKey> both;
    {
        const SpinGuard guard(lock_);
        turn_over(now);
        for (const Period* const period : {&last_, &current_}) {
            for (const Counter& counter : period->counters) {
                HotKey& key = both[counter.hash];
                key.replay = counter.replay;
                key.count += counter.count * kSampling;
                key.error += counter.error * kSampling;
            }
        }
    }
    std::vector<HotKey> keys;
    for (auto& [hash, key] : both) keys.push_back(std::move(key));
    std::ranges::sort(keys, [](const HotKey& a, const HotKey& b) {
        return a.count != b.count ? a.count > b.count : a.replay < b.replay;
    });
    keys.resize(std::min(n, keys.size()));
    return keys;
}

}  // namespace tidegate::cache
