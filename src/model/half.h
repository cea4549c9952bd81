// Half: the two 16-bit floating point forms of the protocol, FP16 (IEEE 754 binary16) and BF16.
//
// Guarantee   narrow() rounds to nearest, ties to even, once (from double); widen() is exact.
// Threads     Pure functions.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <optional>

namespace tidegate::model {

/// Sizes of the exponent and of the stored mantissa in bits.
struct Fp16 {
    static constexpr int kExponent = 5;
    static constexpr int kMantissa = 10;
};
struct Bf16 {
    static constexpr int kExponent = 8;
    static constexpr int kMantissa = 7;
};

/// nullopt: a finite value beyond the largest.
template <class Form>
std::optional<std::uint16_t> narrow(double value) noexcept {
    constexpr int kBias = (1 << (Form::kExponent - 1)) - 1;
    constexpr std::uint32_t kInfinity = ((1U << static_cast<unsigned>(Form::kExponent)) - 1U) << Form::kMantissa;
    const std::uint32_t sign = std::signbit(value) ? 0x8000U : 0U;
    if (std::isnan(value)) return static_cast<std::uint16_t>(sign | kInfinity | (1U << (Form::kMantissa - 1)));
    if (std::isinf(value)) return static_cast<std::uint16_t>(sign | kInfinity);
    const double size = std::fabs(value);
    if (size == 0.0) return static_cast<std::uint16_t>(sign);
    // Below the least normal number the steps stay as wide as there.
    const int exponent = std::max(std::ilogb(size), 1 - kBias);
    const auto steps = static_cast<std::uint64_t>(std::nearbyint(std::ldexp(size, Form::kMantissa - exponent)));
    // The hidden bit, and a carry out of the mantissa, add up to the exponent by themselves.
    const std::uint64_t bits =
        (static_cast<std::uint64_t>(exponent + kBias - 1) << static_cast<unsigned>(Form::kMantissa)) + steps;
    if (bits >= kInfinity) return std::nullopt;
    return static_cast<std::uint16_t>(sign | static_cast<std::uint32_t>(bits));
}

template <class Form>
float widen(std::uint16_t bits) noexcept {
    constexpr int kBias = (1 << (Form::kExponent - 1)) - 1;
    constexpr std::uint32_t kExponentMask = (1U << static_cast<unsigned>(Form::kExponent)) - 1U;
    const std::uint32_t mantissa = bits & ((1U << static_cast<unsigned>(Form::kMantissa)) - 1U);
    const std::uint32_t exponent = (bits >> static_cast<unsigned>(Form::kMantissa)) & kExponentMask;
    const std::uint32_t sign = (bits & 0x8000U) << 16U;
    if (exponent == kExponentMask) {
        return std::bit_cast<float>(sign | 0x7F800000U | (mantissa << static_cast<unsigned>(23 - Form::kMantissa)));
    }
    const float size = exponent == 0
                           ? std::ldexp(static_cast<float>(mantissa), 1 - kBias - Form::kMantissa)
                           : std::ldexp(static_cast<float>(mantissa | (1U << static_cast<unsigned>(Form::kMantissa))),
                                        static_cast<int>(exponent) - kBias - Form::kMantissa);
    return (bits & 0x8000U) != 0 ? -size : size;
}

}  // namespace tidegate::model
