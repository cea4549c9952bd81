#include "services/compliance/ingest/key_filter.h"

#include "audit/segments/bytes.h"
#include "audit/segments/crc32c.h"
#include "base/assert.h"
#include "base/hash.h"

namespace tidegate::compliance::ingest {
namespace {

using audit::segments::bytes_of;
using audit::segments::crc32c;

constexpr std::string_view kMagic = "TGINGEF1";
constexpr std::size_t kHeaderBytes = 24;    // Magic, capacity, keys.
constexpr std::uint64_t kKeysPerLine = 32;  // 512 bits.

void put_u64(std::string& out, std::uint64_t value) {
    for (unsigned i = 0; i < 8; ++i) out.push_back(static_cast<char>(static_cast<std::uint8_t>(value >> (8U * i))));
}

std::uint64_t get_u64(std::string_view bytes, std::size_t at) noexcept {
    return audit::segments::get<std::uint64_t>(bytes_of(bytes).data() + at);
}

}  // namespace

KeyFilter::KeyFilter(std::uint64_t capacity)
    : capacity_(capacity), lines_count_((capacity + kKeysPerLine - 1) / kKeysPerLine) {
    TG_ASSERT(capacity > 0 && capacity <= kCapacityMax);
    lines_ = std::make_unique<Line[]>(lines_count_);
}

std::uint64_t KeyFilter::line_of(std::uint64_t key) const noexcept {
    // The upper 32 bits, scaled: there are at most 2^23 lines.
    return ((mix64(key) >> 32U) * lines_count_) >> 32U;
}

void KeyFilter::add(std::uint64_t key) noexcept {
    Line& line = lines_[line_of(key)];
    std::uint64_t bits = mix64(key + 0x9e3779b97f4a7c15ULL);
    for (auto& word : line.words) {
        const std::uint64_t bit = std::uint64_t{1} << (bits & 63U);
        // One thread adds: no read-modify-write is needed.
        word.store(word.load(std::memory_order_relaxed) | bit, std::memory_order_relaxed);
        bits >>= 6U;
    }
    keys_.store(keys() + 1, std::memory_order_relaxed);
}

bool KeyFilter::may_contain(std::uint64_t key) const noexcept {
    const Line& line = lines_[line_of(key)];
    std::uint64_t bits = mix64(key + 0x9e3779b97f4a7c15ULL);
    std::uint64_t all = 1;
    for (const auto& word : line.words) {
        all &= word.load(std::memory_order_relaxed) >> (bits & 63U);
        bits >>= 6U;
    }
    return all != 0;
}

std::string KeyFilter::save() const {
    std::string out(kMagic);
    out.reserve(kHeaderBytes + bytes() + 4);
    put_u64(out, capacity_);
    put_u64(out, keys());
    for (std::uint64_t i = 0; i < lines_count_; ++i) {
        for (const auto& word : lines_[i].words) put_u64(out, word.load(std::memory_order_relaxed));
    }
    const std::uint32_t crc = crc32c(bytes_of(out));
    for (unsigned i = 0; i < 4; ++i) out.push_back(static_cast<char>(static_cast<std::uint8_t>(crc >> (8U * i))));
    return out;
}

std::unique_ptr<KeyFilter> KeyFilter::load(std::string_view bytes) {
    if (bytes.size() < kHeaderBytes + 4 || !bytes.starts_with(kMagic)) return nullptr;
    const std::uint64_t capacity = get_u64(bytes, 8);
    if (capacity == 0 || capacity > kCapacityMax) return nullptr;
    auto filter = std::make_unique<KeyFilter>(capacity);
    if (bytes.size() != kHeaderBytes + filter->bytes() + 4) return nullptr;
    const std::size_t end = bytes.size() - 4;
    if (audit::segments::get<std::uint32_t>(bytes_of(bytes).data() + end) != crc32c(bytes_of(bytes.substr(0, end)))) {
        return nullptr;
    }
    filter->keys_.store(get_u64(bytes, 16), std::memory_order_relaxed);
    std::size_t at = kHeaderBytes;
    for (std::uint64_t i = 0; i < filter->lines_count_; ++i) {
        for (auto& word : filter->lines_[i].words) {
            word.store(get_u64(bytes, at), std::memory_order_relaxed);
            at += 8;
        }
    }
    return filter;
}

}  // namespace tidegate::compliance::ingest
