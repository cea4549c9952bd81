// Packed bytes of a stored sample: whole numbers by 7 bits, reals with their empty low bytes left out, texts by length.
//
// Guarantee   What a Writer wrote a Reader gives back; of other bytes it gives zeros and says so by failed(), and never reads past the
//             end.
#pragma once

#include <bit>
#include <cstdint>
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
    const std::vector<std::uint8_t>& bytes() const noexcept { return bytes_; }

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
    /// A count of things that take at least one byte each: never more than are left.
    std::size_t count() {
        const std::uint64_t count = whole();
        if (count <= bytes_.size() - at_) return static_cast<std::size_t>(count);
        failed_ = true;
        return 0;
    }
    bool failed() const noexcept { return failed_; }
    bool at_end() const noexcept { return at_ == bytes_.size(); }

  private:
    std::span<const std::uint8_t> bytes_;
    std::size_t at_ = 0;
    bool failed_ = false;
};

}  // namespace tidegate::performance
