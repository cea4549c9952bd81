// Packed bytes of stored samples: whole numbers by 7 bits, reals with their empty low bytes left out.
//
// Guarantee   What a Writer wrote a Reader gives back; of other bytes it gives zeros and says so by failed(), and never reads past the
//             end.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace tidegate::performance {

class Writer {
  public:
    void whole(std::uint64_t value) {
        for (; value >= 0x80; value >>= 7U) bytes_.push_back(static_cast<std::uint8_t>(value | 0x80U));
        bytes_.push_back(static_cast<std::uint8_t>(value));
    }
    /// Exact. A whole number or a short fraction has a mantissa that ends in zeros: turned round, those cost nothing.
    void real(double value) { whole(__builtin_bswap64(std::bit_cast<std::uint64_t>(value))); }
    /// Exact, too; shorter where it is a whole number, as most are: sums of nanoseconds, bytes, counts.
    void number(double value) {
        if (value >= 0 && value < kWholeEnd && std::trunc(value) == value && !std::signbit(value)) {
            return whole(static_cast<std::uint64_t>(value) << 1U);
        }
        whole(kIsReal);
        real(value);
    }
    /// In the place of a number: as the one before.
    void same_number() { whole(kIsSame); }
    const std::vector<std::uint8_t>& bytes() const noexcept { return bytes_; }

    static constexpr double kWholeEnd = 9007199254740992.0;  // 2^53
    static constexpr std::uint64_t kIsReal = 1;
    static constexpr std::uint64_t kIsSame = 3;

  private:
    std::vector<std::uint8_t> bytes_;
};

class Reader {
  public:
    explicit Reader(std::span<const std::uint8_t> bytes) : bytes_(bytes) {}
    std::uint64_t whole() {
        std::uint64_t value = 0;
        for (unsigned shift = 0; shift < 70; shift += 7) {
            if (at_ == bytes_.size()) break;
            const std::uint8_t byte = bytes_[at_++];
            if (shift < 64) value |= std::uint64_t{byte & 0x7FU} << shift;
            if (byte < 0x80) return value;
        }
        failed_ = true;
        at_ = bytes_.size();
        return 0;
    }
    double real() { return std::bit_cast<double>(__builtin_bswap64(whole())); }
    /// Of Writer::number() or same_number(); nothing: as the one before.
    std::optional<double> number() {
        const std::uint64_t first = whole();
        if (first % 2 == 0) return static_cast<double>(first >> 1U);
        if (first == Writer::kIsSame) return std::nullopt;
        failed_ = failed_ || first != Writer::kIsReal;
        return real();
    }
    /// A count of things that take at least one byte each: never more than are left.
    std::size_t count() {
        const std::uint64_t count = whole();
        if (count <= bytes_.size() - at_) return static_cast<std::size_t>(count);
        failed_ = true;
        return 0;
    }
    /// So many as count() gave.
    std::span<const std::uint8_t> bytes(std::size_t count) {
        const auto out = bytes_.subspan(at_, std::min(count, bytes_.size() - at_));
        at_ += out.size();
        return out;
    }
    bool failed() const noexcept { return failed_; }
    bool at_end() const noexcept { return at_ == bytes_.size(); }

  private:
    std::span<const std::uint8_t> bytes_;
    std::size_t at_ = 0;
    bool failed_ = false;
};

/// Where the parts of a sample go. Apart, each part of many samples is alike and compresses well; of one sample all are the same.
struct Writers {
    Writer& shape;    // Names, how many, which steps.
    Writer& counts;   // Of the steps.
    Writer& amounts;  // Nanoseconds, bytes, sums.
};
struct Readers {
    Reader& shape;
    Reader& counts;
    Reader& amounts;
};

}  // namespace tidegate::performance
