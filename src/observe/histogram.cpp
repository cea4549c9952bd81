#include "observe/histogram.h"

#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <map>

#include "base/assert.h"

namespace tidegate::observe {
namespace {

constexpr std::size_t kCellsPerShard = std::size_t{Histogram::kOctaves} * Histogram::kStepsPerOctave;
constexpr std::size_t kMappingBytes = Histogram::kShards * kCellsPerShard * sizeof(std::uint64_t);
constexpr std::uint64_t kValueMax = (std::uint64_t{1} << (Histogram::kOctaves + 7U)) - 1;

void raise_to(std::atomic<std::uint64_t>& max, std::uint64_t value) noexcept {
    std::uint64_t seen = max.load(std::memory_order_relaxed);
    while (seen < value && !max.compare_exchange_weak(seen, value, std::memory_order_relaxed)) {
    }
}

}  // namespace

HistogramSpec HistogramSpec::latency() {
    return {{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}, 1e-9};
}

HistogramSpec HistogramSpec::sizes() {
    return {{256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216}, 1};
}

Histogram::Histogram(const HistogramSpec& spec) : bounds_(spec.bounds), scale_(spec.scale) {
    TG_ASSERT(bounds_.size() <= kBoundsMax && std::ranges::is_sorted(bounds_) && scale_ > 0);
    limits_.fill(~std::uint64_t{0});
    for (std::size_t i = 0; i < bounds_.size(); ++i) {
        // The factor lifts 0.005 / 1e-9 = 4999999.99... to the whole number it means.
        limits_[i] = static_cast<std::uint64_t>(std::floor(bounds_[i] / scale_ * (1 + 1e-12)));
    }
    void* const mapping =
        ::mmap(nullptr, kMappingBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    TG_ASSERT(mapping != MAP_FAILED);
    cells_ = static_cast<std::uint64_t*>(mapping);
}

Histogram::~Histogram() {
    ::munmap(cells_, kMappingBytes);
}

std::uint32_t Histogram::step_of(std::uint64_t value) noexcept {
    value = std::min(value, kValueMax);
    if (value < kStepsPerOctave) return static_cast<std::uint32_t>(value);
    const auto shift = static_cast<std::uint32_t>(std::bit_width(value)) - 9U;
    return shift * kStepsPerOctave + static_cast<std::uint32_t>(value >> shift);
}

double Histogram::middle_of(std::uint32_t step) noexcept {
    if (step < 2 * kStepsPerOctave) return step;
    const std::uint32_t shift = step / kStepsPerOctave - 1;
    const std::uint64_t low = std::uint64_t{kStepsPerOctave + step % kStepsPerOctave} << shift;
    const std::uint64_t width = std::uint64_t{1} << shift;
    return static_cast<double>(low) + static_cast<double>(width - 1) / 2;
}

void Histogram::record(std::uint64_t value) noexcept {
    const std::uint32_t shard_index = thread_shard() % kShards;
    Shard& shard = shards_[shard_index];
    std::size_t bucket = 0;
    while (bucket < bounds_.size() && value > limits_[bucket]) ++bucket;
    shard.buckets[bucket].fetch_add(1, std::memory_order_relaxed);
    shard.sum.fetch_add(value, std::memory_order_relaxed);
    raise_to(shard.max, value);
    const std::uint32_t step = step_of(value);
    const std::uint64_t octave_bit = std::uint64_t{1} << (step / kStepsPerOctave);
    if ((shard.octaves.load(std::memory_order_relaxed) & octave_bit) == 0) {
        shard.octaves.fetch_or(octave_bit, std::memory_order_relaxed);
    }
    std::atomic_ref<std::uint64_t>(cells_[shard_index * kCellsPerShard + step]).fetch_add(1, std::memory_order_relaxed);
}

HistogramSnapshot Histogram::snapshot() const {
    HistogramSnapshot out;
    out.buckets.assign(bounds_.size() + 1, 0);
    std::uint64_t octaves = 0;
    for (const Shard& shard : shards_) {
        for (std::size_t i = 0; i < out.buckets.size(); ++i) {
            const std::uint64_t count = shard.buckets[i].load(std::memory_order_relaxed);
            out.buckets[i] += count;
            out.count += count;
        }
        out.sum += static_cast<double>(shard.sum.load(std::memory_order_relaxed));
        out.max = std::max(out.max, shard.max.load(std::memory_order_relaxed));
        octaves |= shard.octaves.load(std::memory_order_relaxed);
    }
    for (std::uint32_t octave = 0; octave < kOctaves; ++octave) {
        if ((octaves >> octave & 1U) == 0) continue;
        for (std::uint32_t i = 0; i < kStepsPerOctave; ++i) {
            const std::uint32_t step = octave * kStepsPerOctave + i;
            std::uint64_t count = 0;
            for (std::size_t shard = 0; shard < kShards; ++shard) {
                count += std::atomic_ref<std::uint64_t>(cells_[shard * kCellsPerShard + step])
                             .load(std::memory_order_relaxed);
            }
            if (count == 0) continue;
            out.steps_.push_back(step);
            out.counts_.push_back(count);
        }
    }
    return out;
}

double HistogramSnapshot::quantile(double q) const noexcept {
    std::uint64_t total = 0;
    for (const std::uint64_t n : counts_) total += n;
    if (total == 0) return 0;
    // Nearest rank: the smallest value with at least q of all values at or below it.
    const double wanted = std::ceil(std::clamp(q, 0.0, 1.0) * static_cast<double>(total));
    const std::uint64_t rank = std::max<std::uint64_t>(1, static_cast<std::uint64_t>(wanted));
    std::uint64_t seen = 0;
    for (std::size_t i = 0; i < counts_.size(); ++i) {
        seen += counts_[i];
        if (seen >= rank) return std::min(Histogram::middle_of(steps_[i]), static_cast<double>(max));
    }
    return static_cast<double>(max);
}

void HistogramSnapshot::merge(const HistogramSnapshot& other) {
    if (buckets.empty()) buckets.assign(other.buckets.size(), 0);
    TG_ASSERT(other.buckets.empty() || buckets.size() == other.buckets.size());
    for (std::size_t i = 0; i < other.buckets.size(); ++i) buckets[i] += other.buckets[i];
    count += other.count;
    sum += other.sum;
    max = std::max(max, other.max);
    std::map<std::uint32_t, std::uint64_t> all;
    for (std::size_t i = 0; i < steps_.size(); ++i) all[steps_[i]] += counts_[i];
    for (std::size_t i = 0; i < other.steps_.size(); ++i) all[other.steps_[i]] += other.counts_[i];
    steps_.clear();
    counts_.clear();
    for (const auto& [step, n] : all) {
        steps_.push_back(step);
        counts_.push_back(n);
    }
}

HistogramSnapshot HistogramSnapshot::since(const HistogramSnapshot& earlier) const {
    HistogramSnapshot out;
    out.count = count - std::min(count, earlier.count);
    out.sum = std::max(0.0, sum - earlier.sum);
    out.max = max;
    out.buckets = buckets;
    for (std::size_t i = 0; i < std::min(buckets.size(), earlier.buckets.size()); ++i) {
        out.buckets[i] -= std::min(buckets[i], earlier.buckets[i]);
    }
    std::size_t before = 0;
    for (std::size_t i = 0; i < steps_.size(); ++i) {
        while (before < earlier.steps_.size() && earlier.steps_[before] < steps_[i]) ++before;
        std::uint64_t left = counts_[i];
        if (before < earlier.steps_.size() && earlier.steps_[before] == steps_[i]) {
            left -= std::min(left, earlier.counts_[before]);
        }
        if (left == 0) continue;
        out.steps_.push_back(steps_[i]);
        out.counts_.push_back(left);
    }
    return out;
}

}  // namespace tidegate::observe
