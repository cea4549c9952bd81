#include "model/text/bpe.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstring>
#include <utility>

#include "base/hash.h"
#include "base/utf8.h"
#include "model/text/members.h"
#include "model/text/unicode.h"

namespace tidegate::model {
namespace {

using text_detail::Members;

constexpr std::size_t kMergesMax = 4'194'304;

// Bpe objects that were loaded: tells the cache entries of one from those of another.
std::atomic<std::uint64_t> g_loaded{0};

bool is_printable(unsigned char byte) noexcept {
    return (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
}

std::uint64_t word_hash(std::string_view word) noexcept {
    std::uint64_t hash = word.size();
    std::size_t at = 0;
    for (; at + 8 <= word.size(); at += 8) {
        std::uint64_t part = 0;
        std::memcpy(&part, word.data() + at, 8);
        hash = mix64(hash ^ part);
    }
    std::uint64_t part = 0;
    std::memcpy(&part, word.data() + at, word.size() - at);
    return mix64(hash ^ part);
}

}  // namespace

char32_t byte_character(unsigned char byte) noexcept {
    static const std::array<char32_t, 256> kCharacters = [] {
        std::array<char32_t, 256> made{};
        char32_t next = 0x100;
        for (unsigned b = 0; b < 256; ++b) made[b] = is_printable(static_cast<unsigned char>(b)) ? b : next++;
        return made;
    }();
    return kCharacters[byte];
}

WordCache::Entry& WordCache::at(std::string_view word) {
    if (entries_.empty()) entries_.resize(kSlots);
    return entries_[word_hash(word) & (kSlots - 1)];
}

Result<Bpe> Bpe::parse(json::Value model, const Vocabulary& vocabulary, bool bytes) {
    const Members members(model, "model \"BPE\"");
    TG_CHECK(members.only({"type", "vocab", "merges", "dropout", "unk_token", "continuing_subword_prefix",
                           "end_of_word_suffix", "fuse_unk", "byte_fallback", "ignore_merges"}));
    for (const std::string_view name : {"dropout", "continuing_subword_prefix", "end_of_word_suffix"}) {
        if (members.is_absent(name)) continue;
        const json::Value value = *model.find(name);
        const bool is_off = (value.kind() == json::Kind::kString && value.as_string().empty()) ||
                            (value.is_number() && value.as_double() == 0);
        if (!is_off) return members.wrong(std::string(name) + " is not known here");
    }
    Bpe made;
    made.number_ = g_loaded.fetch_add(1) + 1;
    made.bytes_ = bytes;
    TG_TRY(made.fuse_unknown_, members.flag("fuse_unk", false));
    TG_TRY(made.byte_fallback_, members.flag("byte_fallback", false));
    TG_TRY(made.ignore_merges_, members.flag("ignore_merges", false));
    std::string unknown;
    if (!members.is_absent("unk_token")) {
        TG_TRY(unknown, members.text("unk_token"));
    }
    TG_CHECK(made.read_units(vocabulary, unknown));
    TG_TRY(const json::Value list, members.array("merges"));
    TG_CHECK(made.read_merges(list, vocabulary));
    return made;
}

Result<void> Bpe::read_units(const Vocabulary& vocabulary, const std::string& unknown) {
    if (!unknown.empty()) {
        const auto id = vocabulary.id(unknown);
        if (!id) return text_detail::wrong_tokenizer("model \"BPE\": the unk_token is not in the vocabulary");
        unknown_ = *id;
    }
    byte_ids_.fill(kNone);
    constexpr std::string_view kHex = "0123456789ABCDEF";
    for (unsigned byte = 0; byte < 256; ++byte) {
        std::string name;
        if (bytes_) {
            utf8::append(name, byte_character(static_cast<unsigned char>(byte)));
        } else {
            name = {'<', '0', 'x', kHex[byte >> 4U], kHex[byte & 15U], '>'};
        }
        if (const auto id = vocabulary.id(name)) byte_ids_[byte] = *id;
    }
    return {};
}

Result<void> Bpe::read_merges(json::Value list, const Vocabulary& vocabulary) {
    if (list.size() > kMergesMax) return text_detail::wrong_tokenizer("model \"BPE\": more than 4194304 merges");
    merges_.assign(std::bit_ceil(2 * list.size() + 2), Merge{});
    std::uint32_t rank = 0;
    bool is_right = true;
    list.each([&](json::Value one) {
        std::array<std::string_view, 2> parts;
        if (one.kind() == json::Kind::kString) {
            const std::size_t space = one.as_string().find(' ');
            if (space == std::string_view::npos) return void(is_right = false);
            parts = {one.as_string().substr(0, space), one.as_string().substr(space + 1)};
        } else {
            if (one.kind() != json::Kind::kArray || one.size() != 2) return void(is_right = false);
            std::size_t at = 0;
            one.each([&](json::Value part) {
                if (part.kind() == json::Kind::kString) parts[at] = part.as_string();
                ++at;
            });
        }
        is_right = is_right && add_merge(parts[0], parts[1], rank++, vocabulary);
    });
    if (!is_right)
        return text_detail::wrong_tokenizer("model \"BPE\": a merge is no pair of tokens whose union is a token");
    return {};
}

bool Bpe::add_merge(std::string_view left, std::string_view right, std::uint32_t rank, const Vocabulary& vocabulary) {
    const auto a = vocabulary.id(left);
    const auto b = vocabulary.id(right);
    const auto made = vocabulary.id(std::string(left).append(right));
    if (!a || !b || !made) return false;
    const std::uint64_t pair = std::uint64_t{*a} << 32U | *b;
    const std::size_t mask = merges_.size() - 1;
    std::size_t at = mix64(pair) & mask;
    while (merges_[at].pair != UINT64_MAX && merges_[at].pair != pair) at = (at + 1) & mask;
    merges_[at] = {pair, rank, *made};  // Of a pair that stands twice the later rank counts, as in the Python package.
    return true;
}

const Bpe::Merge* Bpe::find(std::uint32_t left, std::uint32_t right) const noexcept {
    const std::uint64_t pair = std::uint64_t{left} << 32U | right;
    const std::size_t mask = merges_.size() - 1;
    for (std::size_t at = mix64(pair) & mask; merges_[at].pair != UINT64_MAX; at = (at + 1) & mask) {
        if (merges_[at].pair == pair) return &merges_[at];
    }
    return nullptr;
}

std::optional<std::uint32_t> Bpe::whole_word(std::string_view word, const Vocabulary& vocabulary) const {
    if (!bytes_) return vocabulary.id(word);
    std::string name;
    for (const char c : word) utf8::append(name, byte_character(static_cast<unsigned char>(c)));
    return vocabulary.id(name);
}

void Bpe::tokenize(std::string_view word, const Vocabulary& vocabulary, Scratch& scratch,
                   std::vector<WordToken>& out) const {
    const bool is_cacheable = word.size() <= WordCache::kWordMax;
    WordCache::Entry* const entry = is_cacheable ? &scratch.cache.at(word) : nullptr;
    if (entry != nullptr && entry->owner == number_ && std::string_view(entry->word.data(), entry->size) == word) {
        std::uint32_t begin = 0;
        for (std::size_t i = 0; i < entry->count; ++i) {
            out.push_back({entry->ids[i], begin, entry->ends[i]});
            begin = entry->ends[i];
        }
        return;
    }
    const std::size_t before = out.size();
    if (ignore_merges_) {
        if (const auto id = whole_word(word, vocabulary)) {
            out.push_back({*id, 0, static_cast<std::uint32_t>(word.size())});
            return;
        }
    }
    cut(word, vocabulary, scratch.units);
    if (scratch.units.size() <= kShort) {
        merge_short(scratch);
    } else {
        merge_long(scratch);
    }
    std::uint32_t begin = 0;
    for (const Unit& unit : scratch.units) {
        if (unit.size == 0) continue;
        out.push_back({unit.id, begin, begin + unit.size});
        begin += unit.size;
    }
    const std::size_t count = out.size() - before;
    if (entry == nullptr || count > WordCache::kTokensMax) return;
    entry->owner = number_;
    entry->size = static_cast<std::uint8_t>(word.size());
    std::ranges::copy(word, entry->word.begin());
    entry->count = static_cast<std::uint8_t>(count);
    for (std::size_t i = 0; i < count; ++i) {
        entry->ids[i] = out[before + i].id;
        entry->ends[i] = static_cast<std::uint8_t>(out[before + i].end);
    }
}

void Bpe::cut(std::string_view word, const Vocabulary& vocabulary, std::vector<Unit>& units) const {
    units.clear();
    if (!bytes_) return cut_chars(word, vocabulary, units);
    for (const char c : word) {
        const std::uint32_t id = byte_ids_[static_cast<unsigned char>(c)];
        if (id != kNone) {
            units.push_back({id, 1, 0, 0});
        } else if (unknown_ != kNone) {
            units.push_back({unknown_, 1, 0, 0});
        }
    }
}

void Bpe::cut_chars(std::string_view word, const Vocabulary& vocabulary, std::vector<Unit>& units) const {
    bool is_after_unknown = false;
    for (std::size_t at = 0; at < word.size();) {
        const std::size_t begin = at;
        unicode::next(word, at);
        const std::string_view one = word.substr(begin, at - begin);
        const auto size = static_cast<std::uint32_t>(one.size());
        if (const auto id = vocabulary.id(one)) {
            units.push_back({*id, size, 0, 0});
            is_after_unknown = false;
            continue;
        }
        const auto has_token = [&](char c) { return byte_ids_[static_cast<unsigned char>(c)] != kNone; };
        if (byte_fallback_ && std::ranges::all_of(one, has_token)) {
            for (const char c : one) units.push_back({byte_ids_[static_cast<unsigned char>(c)], 1, 0, 0});
            is_after_unknown = false;
            continue;
        }
        if (unknown_ == kNone) continue;
        if (is_after_unknown && fuse_unknown_) {
            units.back().size += size;
        } else {
            units.push_back({unknown_, size, 0, 0});
        }
        is_after_unknown = true;
    }
}

void Bpe::merge_short(Scratch& scratch) const {
    std::vector<Unit>& units = scratch.units;
    // Rank and result of each pair stand beside its left unit: `previous` is the rank, `next` what is made.
    const auto look = [&](std::size_t at) {
        const Merge* const merge = at + 1 < units.size() ? find(units[at].id, units[at + 1].id) : nullptr;
        units[at].previous = merge == nullptr ? kNone : merge->rank;
        units[at].next = merge == nullptr ? kNone : merge->made;
    };
    for (std::size_t at = 0; at < units.size(); ++at) look(at);
    while (units.size() > 1) {
        const auto best = std::ranges::min_element(units, {}, &Unit::previous);
        if (best->previous == kNone) return;
        const auto at = static_cast<std::size_t>(best - units.begin());
        units[at].id = units[at].next;
        units[at].size += units[at + 1].size;
        units.erase(best + 1);
        look(at);
        if (at > 0) look(at - 1);
    }
}

void Bpe::merge_long(Scratch& scratch) const {
    std::vector<Unit>& units = scratch.units;
    std::vector<Candidate>& heap = scratch.heap;
    heap.clear();
    const auto later = [](const Candidate& a, const Candidate& b) {
        return a.rank != b.rank ? a.rank > b.rank : a.at > b.at;
    };
    const auto offer = [&](std::uint32_t left, std::uint32_t right) {
        if (const Merge* const merge = find(units[left].id, units[right].id)) {
            heap.push_back({merge->rank, left, merge->made});
            std::ranges::push_heap(heap, later);
        }
    };
    const auto count = static_cast<std::uint32_t>(units.size());
    for (std::uint32_t at = 0; at < count; ++at) {
        units[at].previous = at == 0 ? kNone : at - 1;
        units[at].next = at + 1 == count ? kNone : at + 1;
    }
    for (std::uint32_t at = 0; at + 1 < count; ++at) offer(at, at + 1);
    while (!heap.empty()) {
        std::ranges::pop_heap(heap, later);
        const Candidate top = heap.back();
        heap.pop_back();
        Unit& left = units[top.at];
        if (left.size == 0 || left.next == kNone) continue;
        Unit& right = units[left.next];
        const Merge* const merge = find(left.id, right.id);
        if (merge == nullptr || merge->made != top.made) continue;  // One of the two has been merged since.
        left.id = top.made;
        left.size += right.size;
        right.size = 0;
        left.next = right.next;
        if (left.next != kNone) units[left.next].previous = top.at;
        if (left.previous != kNone) offer(left.previous, top.at);
        if (left.next != kNone) offer(top.at, left.next);
    }
}

}  // namespace tidegate::model
