#include "audit/latency_sketch.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <optional>

namespace tidegate::audit {
namespace {

constexpr std::uint32_t kSteps = 32;
constexpr std::uint32_t kStepsAll = 60 * kSteps;  // Beyond every value of 63 bits.

std::uint32_t step_of(std::uint64_t value) noexcept {
    if (value < kSteps) return static_cast<std::uint32_t>(value);
    const auto shift = static_cast<std::uint32_t>(std::bit_width(value)) - 6U;
    return shift * kSteps + static_cast<std::uint32_t>(value >> shift);
}

double middle_of(std::uint32_t step) noexcept {
    if (step < 2 * kSteps) return step;
    const std::uint32_t shift = step / kSteps - 1;
    const std::uint64_t low = std::uint64_t{kSteps + step % kSteps} << shift;
    return static_cast<double>(low) + static_cast<double>((std::uint64_t{1} << shift) - 1) / 2;
}

void put_varint(std::vector<std::uint8_t>& out, std::uint64_t value) {
    while (value >= 0x80) {
        out.push_back(static_cast<std::uint8_t>(value | 0x80U));
        value >>= 7U;
    }
    out.push_back(static_cast<std::uint8_t>(value));
}

std::optional<std::uint64_t> take_varint(store::Blob& bytes) {
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

void LatencySketch::add(std::int64_t us, std::uint64_t count) {
    add_step(step_of(static_cast<std::uint64_t>(std::max<std::int64_t>(0, us))), count);
}

void LatencySketch::add_step(std::uint32_t step, std::uint64_t count) {
    const auto place = std::ranges::lower_bound(steps_, step, {}, &std::pair<std::uint32_t, std::uint64_t>::first);
    if (place != steps_.end() && place->first == step) {
        place->second += count;
    } else {
        steps_.insert(place, {step, count});
    }
}

void LatencySketch::merge(const LatencySketch& other) {
    for (const auto& [step, count] : other.steps_) add_step(step, count);
}

std::uint64_t LatencySketch::count() const noexcept {
    std::uint64_t total = 0;
    for (const auto& [step, count] : steps_) total += count;
    return total;
}

double LatencySketch::quantile(double q) const noexcept {
    const std::uint64_t total = count();
    const double wanted = std::ceil(std::clamp(q, 0.0, 1.0) * static_cast<double>(total));
    const std::uint64_t rank = std::max<std::uint64_t>(1, static_cast<std::uint64_t>(wanted));
    std::uint64_t seen = 0;
    for (const auto& [step, count] : steps_) {
        seen += count;
        if (seen >= rank) return middle_of(step);
    }
    return 0;
}

void LatencySketch::encode(std::vector<std::uint8_t>& out) const {
    std::uint32_t last = 0;
    for (const auto& [step, count] : steps_) {
        put_varint(out, step - last);
        put_varint(out, count);
        last = step;
    }
}

Result<void> LatencySketch::merge_encoded(store::Blob bytes) {
    std::uint64_t step = 0;
    while (!bytes.empty()) {
        const auto delta = take_varint(bytes);
        const auto count = take_varint(bytes);
        if (!delta || !count || *delta >= kStepsAll || step + *delta >= kStepsAll) {
            return fail(ErrorCode::kDataLoss, "a stored latency sketch cannot be read");
        }
        step += *delta;
        add_step(static_cast<std::uint32_t>(step), *count);
    }
    return {};
}

}  // namespace tidegate::audit
