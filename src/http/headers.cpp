#include "http/headers.h"

#include <algorithm>
#include <cstring>

#include "base/assert.h"
#include "base/strings.h"

namespace tidegate::http {
namespace {

// What an answer of ours has, in one allocation each.
constexpr std::size_t kTextReserve = 512;
constexpr std::size_t kFieldsReserve = 16;
constexpr std::uint64_t kOnes = 0x0101010101010101;
constexpr std::uint64_t kHighs = 0x8080808080808080;

/// A byte below 0x20 or equal to 0x7F among these eight. May also say so for a clean byte that follows such a one; never else.
constexpr std::uint64_t control_bytes(std::uint64_t eight) noexcept {
    const std::uint64_t below_space = (eight - kOnes * 0x20) & ~eight & kHighs;
    const std::uint64_t less_del = eight ^ (kOnes * 0x7F);
    return below_space | ((less_del - kOnes) & ~less_del & kHighs);
}

bool is_clean(std::string_view text) noexcept {
    const char* at = text.data();
    std::size_t left = text.size();
    std::uint64_t eight = 0;
    for (; left >= sizeof eight; left -= sizeof eight, at += sizeof eight) {
        std::memcpy(&eight, at, sizeof eight);
        if (control_bytes(eight) != 0) return false;
    }
    eight = kOnes * ' ';
    std::memcpy(&eight, at, left);
    return control_bytes(eight) == 0;
}

}  // namespace

void Headers::add(std::string_view name, std::string_view value) {
    const std::size_t bytes = text_.size() + name.size() + value.size() + 4;
    TG_ASSERT(bytes <= UINT32_MAX);
    std::string former;
    if (bytes > text_.capacity()) {
        // The old text stays until the end: what is added may be a part of it.
        former = std::move(text_);
        text_ = std::string();
        text_.reserve(std::max({bytes, kTextReserve, 2 * former.size()}));
        text_.append(former);
    }
    if (spans_.capacity() == 0) spans_.reserve(kFieldsReserve);
    spans_.push_back({static_cast<std::uint32_t>(text_.size()), static_cast<std::uint32_t>(name.size()),
                      static_cast<std::uint32_t>(value.size())});
    text_.append(name).append(": ", 2).append(value).append("\r\n", 2);
    plain_ = plain_ && is_clean(name) && is_clean(value);
}

void Headers::set(std::string_view name, std::string_view value) {
    remove(name);
    add(name, value);
}

void Headers::remove(std::string_view name) noexcept {
    const auto gone = std::ranges::remove_if(spans_, [&](const Span& span) {
        return span.name_bytes == name.size() && iequals({text_.data() + span.at, span.name_bytes}, name);
    });
    if (gone.empty()) return;
    spans_.erase(gone.begin(), gone.end());
    holes_ = true;
}

std::optional<std::string_view> Headers::get(std::string_view name) const noexcept {
    for (const Span& span : spans_) {
        if (span.name_bytes != name.size()) continue;
        const char* at = text_.data() + span.at;
        if (iequals({at, span.name_bytes}, name)) return std::string_view(at + span.name_bytes + 2, span.value_bytes);
    }
    return std::nullopt;
}

std::size_t Headers::count(std::string_view name) const noexcept {
    return static_cast<std::size_t>(std::ranges::count_if(spans_, [&](const Span& span) {
        return span.name_bytes == name.size() && iequals({text_.data() + span.at, span.name_bytes}, name);
    }));
}

void Headers::clear() noexcept {
    text_.clear();
    spans_.clear();
    plain_ = true;
    holes_ = false;
}

bool operator==(const Headers::Fields& a, const Headers::Fields& b) noexcept {
    return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin());
}

}  // namespace tidegate::http
