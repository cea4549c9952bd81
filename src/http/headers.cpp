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

bool is_clean(const char* at, std::size_t size) noexcept {
    std::uint64_t eight = 0;
    std::uint64_t found = 0;
    if (size < sizeof eight) {
        for (std::size_t i = 0; i < size; ++i) eight = eight << 8U | static_cast<unsigned char>(at[i]);
        for (std::size_t i = size; i < sizeof eight; ++i) eight = eight << 8U | ' ';
        return control_bytes(eight) == 0;
    }
    for (std::size_t i = 0; i + sizeof eight < size; i += sizeof eight) {
        std::memcpy(&eight, at + i, sizeof eight);
        found |= control_bytes(eight);
    }
    // The last eight, some of them for the second time.
    std::memcpy(&eight, at + size - sizeof eight, sizeof eight);
    return (found | control_bytes(eight)) == 0;
}

}  // namespace

void Headers::add(std::string_view name, std::string_view value) {
    const std::size_t bytes = text_.size() + name.size() + value.size() + 4;
    TG_ASSERT(bytes <= UINT32_MAX);
    static const std::size_t kWithin = std::string().capacity();
    if (!text_.empty() && text_.capacity() == kWithin && bytes > kWithin) {
        // Of a short copy the text lies within the string itself and cannot be kept aside.
        const std::string its_name(name);
        const std::string its_value(value);
        text_.reserve(std::max(bytes, kTextReserve));
        return add(its_name, its_value);
    }
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
    const std::size_t start = text_.size();
    text_.resize_and_overwrite(bytes, [&](char* text, std::size_t) noexcept {
        char* at = text + start;
        at = std::copy_n(name.data(), name.size(), at);
        *at++ = ':';
        *at++ = ' ';
        at = std::copy_n(value.data(), value.size(), at);
        plain_ = plain_ && is_clean(text + start, static_cast<std::size_t>(at - text) - start);
        *at++ = '\r';
        *at = '\n';
        return bytes;
    });
}

void Headers::append(const Headers& other) {
    TG_ASSERT(&other != this);
    const std::size_t start = text_.size();
    TG_ASSERT(start + other.text_.size() <= UINT32_MAX);
    if (text_.capacity() < start + other.text_.size()) {
        text_.reserve(std::max({start + other.text_.size(), kTextReserve, 2 * start}));
    }
    if (spans_.capacity() == 0) spans_.reserve(kFieldsReserve);
    text_.append(other.text_);
    for (const Span& span : other.spans_) {
        spans_.push_back({static_cast<std::uint32_t>(start + span.at), span.name_bytes, span.value_bytes});
    }
    plain_ = plain_ && other.plain_;
    holes_ = holes_ || other.holes_;
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
