#include "model/text/aligned_text.h"

#include <algorithm>
#include <utility>

#include "base/utf8.h"
#include "model/text/unicode.h"

namespace tidegate::model {

void AlignedText::assign(std::string_view text, std::uint32_t base) {
    view_ = text;
    base_ = base;
    is_original_ = true;
}

void AlignedText::assign(const AlignedText& other, std::size_t begin, std::size_t end) {
    if (other.is_original_) {
        assign(other.view_.substr(begin, end - begin), other.base_ + static_cast<std::uint32_t>(begin));
        return;
    }
    bytes_.assign(other.view_.substr(begin, end - begin));
    from_.assign(other.from_.begin() + static_cast<std::ptrdiff_t>(begin),
                 other.from_.begin() + static_cast<std::ptrdiff_t>(end));
    view_ = bytes_;
    is_original_ = false;
}

Range AlignedText::from_of(std::size_t at) const noexcept {
    if (!is_original_) return from_[at];
    std::size_t begin = at;
    while (begin > 0 && unicode::is_continuation(view_[begin])) --begin;
    std::size_t end = at + 1;
    while (end < view_.size() && unicode::is_continuation(view_[end])) ++end;
    return {base_ + static_cast<std::uint32_t>(begin), base_ + static_cast<std::uint32_t>(end)};
}

Range AlignedText::source(std::size_t begin, std::size_t end) const noexcept {
    // What is empty stands nowhere else, as the Python package has it.
    if (begin >= end) return {static_cast<std::uint32_t>(begin), static_cast<std::uint32_t>(end)};
    return {from_of(begin).begin, from_of(end - 1).end};
}

void AlignedText::start() {
    next_.clear();
    next_from_.clear();
}

void AlignedText::put(char32_t c, Range from) {
    const std::size_t before = next_.size();
    utf8::append(next_, c);
    next_from_.insert(next_from_.end(), next_.size() - before, from);
}

void AlignedText::put(std::string_view bytes, Range from) {
    next_.append(bytes);
    next_from_.insert(next_from_.end(), bytes.size(), from);
}

void AlignedText::keep(std::size_t begin, std::size_t end) {
    next_.append(view_.substr(begin, end - begin));
    if (!is_original_) {
        next_from_.insert(next_from_.end(), from_.begin() + static_cast<std::ptrdiff_t>(begin),
                          from_.begin() + static_cast<std::ptrdiff_t>(end));
        return;
    }
    for (std::size_t at = begin; at < end;) {
        const std::size_t lead = at;
        unicode::next(view_, at);
        const Range whole{base_ + static_cast<std::uint32_t>(lead), base_ + static_cast<std::uint32_t>(at)};
        next_from_.insert(next_from_.end(), at - lead, whole);
    }
}

void AlignedText::finish() {
    std::swap(bytes_, next_);
    std::swap(from_, next_from_);
    view_ = bytes_;
    is_original_ = false;
}

void AlignedText::transform(std::span<const Change> changes, std::size_t skipped) {
    std::size_t at = 0;  // The next byte of the old text.
    const auto advance = [&](std::size_t count) {
        for (; count > 0 && at < view_.size(); --count) unicode::next(view_, at);
    };
    start();
    advance(skipped);
    for (const Change& one : changes) {
        Range from{};
        if (one.change > 0) {
            if (at > 0) from = from_of(at - 1);
        } else if (at < view_.size()) {
            from = from_of(at);
        } else if (at > 0) {
            from = from_of(at - 1);
        }
        put(one.c, from);
        if (one.change <= 0) advance(static_cast<std::size_t>(1 - one.change));
    }
    finish();
}

void AlignedText::fold_ascii(bool lower, bool clean) {
    if (is_original_) {
        bytes_.assign(view_);
        view_ = bytes_;
    }
    for (char& c : bytes_) {
        if (lower && c >= 'A' && c <= 'Z') c = static_cast<char>(c + ('a' - 'A'));
        if (clean && (c == '\t' || c == '\n' || c == '\r')) c = ' ';
    }
}

std::size_t AlignedText::memory() const noexcept {
    return bytes_.capacity() + next_.capacity() + (from_.capacity() + next_from_.capacity()) * sizeof(Range);
}

}  // namespace tidegate::model
