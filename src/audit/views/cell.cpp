#include "audit/views/cell.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <optional>

namespace tidegate::audit {
namespace {

constexpr std::uint32_t kPerOctave = 256;

void put_varint(std::vector<std::uint8_t>& out, std::uint64_t value) {
    while (value >= 0x80) {
        out.push_back(static_cast<std::uint8_t>(value | 0x80U));
        value >>= 7U;
    }
    out.push_back(static_cast<std::uint8_t>(value));
}

std::optional<std::uint64_t> take_varint(std::span<const std::uint8_t>& bytes) {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 64 && !bytes.empty(); shift += 7) {
        const std::uint8_t byte = bytes.front();
        bytes = bytes.subspan(1);
        value |= std::uint64_t{byte & 0x7FU} << shift;
        if (byte < 0x80) return value;
    }
    return std::nullopt;
}

}  // namespace

void Sums::add(const segments::RecordView& record) noexcept {
    ++count;
    if (record.confidence) {
        ++confidences;
        confidence_micro += static_cast<std::uint64_t>(std::clamp(*record.confidence, 0.0, 1.0) * 1e6 + 0.5);
    }
    if (record.latency_stated) {
        const auto us = static_cast<std::uint64_t>(std::max<std::int64_t>(0, record.latency_us));
        ++latencies;
        latency_us += us;
        latency_us_max = std::max(latency_us_max, us);
    }
    spend_milli += static_cast<std::uint64_t>(record.spend_milli);
    if (record.tokens_stated) {
        ++token_counts;
        tokens += static_cast<std::uint64_t>(record.tokens);
    }
    if (record.input_size_stated) {
        ++input_sizes;
        input_bytes += record.input_size;
    }
}

void Sums::merge(const Sums& other) noexcept {
    count += other.count;
    confidences += other.confidences;
    confidence_micro += other.confidence_micro;
    latencies += other.latencies;
    latency_us += other.latency_us;
    latency_us_max = std::max(latency_us_max, other.latency_us_max);
    spend_milli += other.spend_milli;
    token_counts += other.token_counts;
    tokens += other.tokens;
    input_sizes += other.input_sizes;
    input_bytes += other.input_bytes;
}

std::uint16_t step_of(std::uint64_t us) noexcept {
    if (us < kPerOctave) return static_cast<std::uint16_t>(us);
    us = std::min<std::uint64_t>(us, (std::uint64_t{1} << 63U) - 1);
    const auto shift = static_cast<std::uint32_t>(std::bit_width(us)) - 9U;
    return static_cast<std::uint16_t>(shift * kPerOctave + static_cast<std::uint32_t>(us >> shift));
}

double middle_of(std::uint32_t step) noexcept {
    if (step < 2 * kPerOctave) return step;
    const std::uint32_t shift = step / kPerOctave - 1;
    const std::uint64_t low = std::uint64_t{kPerOctave + step % kPerOctave} << shift;
    return static_cast<double>(low) + static_cast<double>((std::uint64_t{1} << shift) - 1) / 2;
}

void DenseSteps::quantiles(std::span<const double> q, std::span<double> out) const noexcept {
    std::uint64_t total = 0;
    for (const std::uint64_t count : counts_) total += count;
    std::uint64_t seen = 0;
    std::uint32_t step = 0;
    for (std::size_t i = 0; i < q.size(); ++i) {
        out[i] = 0;
        if (total == 0) continue;
        const double wanted = std::ceil(std::clamp(q[i], 0.0, 1.0) * static_cast<double>(total));
        const std::uint64_t rank = std::max<std::uint64_t>(1, static_cast<std::uint64_t>(wanted));
        while (seen + counts_[step] < rank) seen += counts_[step++];
        out[i] = middle_of(step);
    }
}

void SparseSteps::add(std::uint64_t us) {
    waiting_.push_back(step_of(us));
    if (waiting_.size() >= kWaitingMax) {
        settle();
        waiting_.reserve(kWaitingMax);  // It will fill again: a busy cell.
    }
}

void SparseSteps::settle() {
    if (waiting_.empty()) return;
    std::ranges::sort(waiting_);
    std::vector<Step> counted;
    for (const std::uint16_t step : waiting_) {
        if (counted.empty() || counted.back().step != step) {
            counted.push_back({.step = static_cast<std::uint64_t>(step & 0x3FFFU), .count = 1});
        } else {
            counted.back().count = counted.back().count + 1;
        }
    }
    waiting_ = {};
    merge_sorted(counted);
}

void SparseSteps::merge_sorted(std::span<const Step> other) {
    if (steps_.empty()) {
        steps_.assign(other.begin(), other.end());
        return;
    }
    // First those that are here already, in place; only what is new moves the rest.
    std::vector<Step> fresh;
    auto at = steps_.begin();
    for (const Step& step : other) {
        while (at != steps_.end() && at->step < step.step) ++at;
        if (at != steps_.end() && at->step == step.step) {
            at->count = at->count + step.count;
        } else {
            fresh.push_back(step);
        }
    }
    if (fresh.empty()) return;
    std::vector<Step> merged;
    merged.reserve(steps_.size() + fresh.size());
    std::ranges::merge(steps_, fresh, std::back_inserter(merged), [](Step a, Step b) { return a.step < b.step; });
    steps_ = std::move(merged);
}

void SparseSteps::merge(const SparseSteps& other) {
    if (!other.steps_.empty()) merge_sorted(other.steps_);
    if (other.waiting_.empty()) return;
    SparseSteps rest;
    rest.waiting_ = other.waiting_;
    rest.settle();
    merge_sorted(rest.steps_);
}

void SparseSteps::add_to(DenseSteps& dense) const noexcept {
    for (const Step& step : steps_) dense.add(step.step, step.count);
    for (const std::uint16_t step : waiting_) dense.add(step, 1);
}

void SparseSteps::encode(std::vector<std::uint8_t>& out) const {
    std::uint64_t last = 0;
    for (const Step& step : steps_) {
        put_varint(out, step.step - last);
        put_varint(out, step.count);
        last = step.step;
    }
}

Result<void> SparseSteps::merge_encoded(std::span<const std::uint8_t> bytes) {
    std::vector<Step> read;
    std::uint64_t step = 0;
    while (!bytes.empty()) {
        const auto delta = take_varint(bytes);
        const auto count = take_varint(bytes);
        const bool sound = delta && count && *delta < kSteps && step + *delta < kSteps && *count < (1ULL << 50U) &&
                           (*delta > 0 || read.empty());
        if (!sound) return fail(ErrorCode::kDataLoss, "stored latencies of the statistics cannot be read");
        step += *delta;
        read.push_back({.step = step & 0x3FFFU, .count = *count & ((1ULL << 50U) - 1)});
    }
    merge_sorted(read);
    return {};
}

}  // namespace tidegate::audit
