#include "pipeline/cache/entry.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <memory>

#include "base/assert.h"
#include "base/hash.h"
#include "base/strings.h"
#include "pipeline/cache/residence.h"

namespace tidegate::cache {
namespace {

constexpr std::uint32_t kSecondsMax = 0x8000'0000U;  // RFC 9111, 1.2.2: 2^31 when it does not fit.

// The block is asked for in these, so that it is aligned for every part.
using Word = std::uint64_t;
constexpr std::size_t words_for(std::size_t bytes) noexcept {
    return (bytes + sizeof(Word) - 1) / sizeof(Word);
}

std::uint32_t checked_size(std::size_t size) {
    TG_ASSERT(size <= std::numeric_limits<std::uint32_t>::max());
    return static_cast<std::uint32_t>(size);
}

std::uint32_t saturated(std::uint32_t seconds) noexcept {
    return std::min(seconds, kSecondsMax);
}

std::string etag_text(std::uint64_t hash) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    std::string text(18, '"');
    for (std::size_t i = 0; i < 16; ++i) text[16 - i] = kDigits[(hash >> (4 * i)) & 0xfU];
    return text;
}

// The value of the first line `name: value` of a head; empty when there is none.
std::string_view find_field(std::string_view head, std::string_view name) noexcept {
    while (!head.empty()) {
        const std::size_t end = std::min(head.find('\r'), head.size());
        const std::string_view line = head.substr(0, end);
        if (line.size() > name.size() && line[name.size()] == ':' && iequals(line.substr(0, name.size()), name)) {
            return trim(line.substr(name.size() + 1));
        }
        head.remove_prefix(std::min(end + 2, head.size()));
    }
    return {};
}

void add_lines(std::string_view head, http::Headers& headers) {
    while (!head.empty()) {
        const std::size_t end = std::min(head.find('\r'), head.size());
        const std::string_view line = head.substr(0, end);
        const std::size_t colon = line.find(':');
        if (colon != std::string_view::npos) headers.add(line.substr(0, colon), trim(line.substr(colon + 1)));
        head.remove_prefix(std::min(end + 2, head.size()));
    }
}

}  // namespace

std::uint64_t tag_hash(std::string_view tag) {
    const Sha256 digest = sha256(tag);
    std::uint64_t hash = 0;
    for (std::size_t i = 0; i < 8; ++i) hash = (hash << 8U) | digest[i];
    return hash;
}

CommonPtr Common::make(std::string head, std::vector<std::uint64_t> tags) {
    return CommonPtr::adopt(std::make_unique<const Common>(Inside(), std::move(head), std::move(tags)).release());
}

void Common::drop_reference() const noexcept {
    if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) std::default_delete<const Common>()(this);
}

std::size_t Entry::parts_bytes(std::uint8_t parts) noexcept {
    return ((parts & kHasCommon) != 0 ? sizeof(CommonPtr) : 0) +
           ((parts & kHasSharedBody) != 0 ? sizeof(std::shared_ptr<const std::string>) : 0) +
           ((parts & kHasTimes) != 0 ? sizeof(Times) : 0) + ((parts & kHasEtagHash) != 0 ? sizeof(std::uint64_t) : 0) +
           ((parts & kHasVary) != 0 ? sizeof(VarySizes) : 0);
}

std::size_t Entry::part_at(Part part) const noexcept {
    return sizeof(Entry) + parts_bytes(static_cast<std::uint8_t>(parts_ & (part - 1U)));
}

template <class T>
const T& Entry::part(Part which) const noexcept {
    return *std::launder(reinterpret_cast<const T*>(reinterpret_cast<const char*>(this) + part_at(which)));
}

Entry::Entry(Inside, const Key& key, const Draft& draft, std::uint8_t parts, std::uint32_t body_bytes) noexcept
    : parts_(parts),
      tag_count_(static_cast<std::uint8_t>(draft.tags.size())),
      hash_low_(key.hash().low),
      response_ms_(draft.timing.response_ms),
      lifetime_s_(saturated(draft.timing.lifetime_s)),
      key_bytes_(checked_size(key.text().size())),
      head_bytes_(checked_size(draft.head.size())),
      body_bytes_(body_bytes),
      status_(static_cast<std::uint16_t>(draft.status)),
      flags_(draft.flags) {}

EntryPtr Entry::make(const Key& key, const Draft& draft) {
    if (draft.body && draft.body->size() > kInlineBytesMax) return build(key, draft, {}, draft.body);
    return build(key, draft, draft.body ? std::string_view(*draft.body) : std::string_view(), nullptr);
}

EntryPtr Entry::refreshed(const Key& key, const Draft& draft, const Entry& old) {
    if ((old.parts_ & kHasSharedBody) != 0) {
        return build(key, draft, {}, old.part<std::shared_ptr<const std::string>>(kHasSharedBody));
    }
    return build(key, draft, old.body(), nullptr);
}

EntryPtr Entry::build(const Key& key, const Draft& draft, std::string_view inline_body,
                      std::shared_ptr<const std::string> shared_body) {
    TG_ASSERT(draft.tags.size() <= std::numeric_limits<std::uint8_t>::max());
    const Timing& t = draft.timing;
    // Kept in seconds, saturated: a Date further off says nothing but "wrong".
    const std::int64_t offset_ms = t.date_ms == 0 ? 0 : t.date_ms - t.response_ms;
    const Times times{
        .date_offset_s = static_cast<std::int32_t>(std::clamp<std::int64_t>(
            offset_ms / 1000, std::numeric_limits<std::int32_t>::min(), std::numeric_limits<std::int32_t>::max())),
        .initial_age_s = saturated(t.initial_age_s),
        .stale_while_revalidate_s = saturated(t.stale_while_revalidate_s),
        .stale_if_error_s = saturated(t.stale_if_error_s)};
    const bool has_times = times.date_offset_s != 0 || times.initial_age_s != 0 ||
                           times.stale_while_revalidate_s != 0 || times.stale_if_error_s != 0;
    const auto parts = static_cast<std::uint8_t>((draft.common ? kHasCommon : 0) | (shared_body ? kHasSharedBody : 0) |
                                                 (has_times ? kHasTimes : 0) | (draft.etag_hash ? kHasEtagHash : 0) |
                                                 (draft.vary.empty() ? 0 : kHasVary));
    const std::size_t total =
        sizeof(Entry) + parts_bytes(parts) + draft.tags.size() * sizeof(std::uint64_t) + key.text().size() +
        draft.head.size() + (draft.vary.empty() ? 0 : draft.vary.size() + draft.selecting.size()) + inline_body.size();
    auto* const block = reinterpret_cast<char*>(std::allocator<Word>().allocate(words_for(total)));
    Entry* const entry = std::construct_at(reinterpret_cast<Entry*>(block), Inside(), key, draft, parts,
                                           checked_size(shared_body ? shared_body->size() : inline_body.size()));

    char* at = block + sizeof(Entry);
    const auto place = [&at](auto value) {
        using T = decltype(value);
        std::construct_at(reinterpret_cast<T*>(at), std::move(value));
        at += sizeof(T);
    };
    const auto copy = [&at](std::string_view text) { at = std::copy(text.begin(), text.end(), at); };
    if (draft.common) place(CommonPtr(draft.common));
    if (shared_body) place(std::move(shared_body));
    if (has_times) place(times);
    if (draft.etag_hash) place(std::uint64_t{*draft.etag_hash});
    if (!draft.vary.empty()) place(VarySizes{checked_size(draft.vary.size()), checked_size(draft.selecting.size())});
    for (const std::uint64_t tag : draft.tags) place(std::uint64_t{tag});
    copy(key.text());
    copy(draft.head);
    if (!draft.vary.empty()) {
        copy(draft.vary);
        copy(draft.selecting);
    }
    copy(inline_body);
    TG_ASSERT(at == block + total);
    return EntryPtr::adopt(entry);
}

std::size_t Entry::block_bytes() const noexcept {
    return static_cast<std::size_t>(chars() - reinterpret_cast<const char*>(this)) + key_bytes_ + head_bytes_ +
           vary().size() + selecting().size() + ((parts_ & kHasSharedBody) != 0 ? 0 : body_bytes_);
}

void Entry::destroy() const noexcept {
    const std::size_t words = words_for(block_bytes());
    if ((parts_ & kHasCommon) != 0) std::destroy_at(&part<CommonPtr>(kHasCommon));
    if ((parts_ & kHasSharedBody) != 0) std::destroy_at(&part<std::shared_ptr<const std::string>>(kHasSharedBody));
    std::destroy_at(this);
    std::allocator<Word>().deallocate(reinterpret_cast<Word*>(const_cast<Entry*>(this)), words);
}

Timing Entry::timing() const noexcept {
    Timing timing{.response_ms = response_ms_, .date_ms = response_ms_, .lifetime_s = lifetime_s_};
    if ((parts_ & kHasTimes) != 0) {
        const auto& times = part<Times>(kHasTimes);
        timing.date_ms += std::int64_t{times.date_offset_s} * 1000;
        timing.initial_age_s = times.initial_age_s;
        timing.stale_while_revalidate_s = times.stale_while_revalidate_s;
        timing.stale_if_error_s = times.stale_if_error_s;
    }
    return timing;
}

const Common* Entry::common() const noexcept {
    return (parts_ & kHasCommon) != 0 ? part<CommonPtr>(kHasCommon).get() : nullptr;
}

std::string_view Entry::vary() const noexcept {
    if ((parts_ & kHasVary) == 0) return {};
    return {chars() + key_bytes_ + head_bytes_, part<VarySizes>(kHasVary).vary_bytes};
}

std::string_view Entry::selecting() const noexcept {
    if ((parts_ & kHasVary) == 0) return {};
    const auto& sizes = part<VarySizes>(kHasVary);
    return {chars() + key_bytes_ + head_bytes_ + sizes.vary_bytes, sizes.selecting_bytes};
}

std::string_view Entry::body() const noexcept {
    if ((parts_ & kHasSharedBody) != 0) return *part<std::shared_ptr<const std::string>>(kHasSharedBody);
    return {chars() + key_bytes_ + head_bytes_ + vary().size() + selecting().size(), body_bytes_};
}

std::span<const std::uint64_t> Entry::own_tags() const noexcept {
    if (tag_count_ == 0) return {};
    return {std::launder(reinterpret_cast<const std::uint64_t*>(after_fixed() + parts_bytes(parts_))), tag_count_};
}

bool Entry::has_tag(std::uint64_t tag) const noexcept {
    if (std::ranges::find(own_tags(), tag) != own_tags().end()) return true;
    const auto* const shared = common();
    return shared != nullptr && std::ranges::find(shared->tags(), tag) != shared->tags().end();
}

std::string_view Entry::field(std::string_view name) const noexcept {
    const std::string_view own = find_field(head(), name);
    const auto* const shared = common();
    return own.empty() && shared != nullptr ? find_field(shared->head(), name) : own;
}

std::string Entry::etag() const {
    if ((parts_ & kHasEtagHash) != 0) return etag_text(part<std::uint64_t>(kHasEtagHash));
    return std::string(field("ETag"));
}

http::Headers Entry::headers() const {
    http::Headers headers;
    if (const auto* const shared = common()) add_lines(shared->head(), headers);
    add_lines(head(), headers);
    if ((parts_ & kHasEtagHash) != 0) headers.add("ETag", etag());
    return headers;
}

std::shared_ptr<const std::string> Entry::shared_head() const {
    const auto* const shared = common();
    const bool has_etag = (parts_ & kHasEtagHash) != 0;
    if (shared != nullptr && head_bytes_ == 0 && !has_etag) return shared->shared_head();
    std::string lines;
    lines.reserve((shared != nullptr ? shared->head().size() : 0) + head_bytes_ + (has_etag ? 26 : 0));
    if (shared != nullptr) lines += shared->head();
    lines += head();
    if (has_etag) lines.append("ETag: ").append(etag()).append("\r\n");
    return std::make_shared<const std::string>(std::move(lines));
}

std::shared_ptr<const std::string> Entry::shared_body() const {
    if ((parts_ & kHasSharedBody) != 0) return part<std::shared_ptr<const std::string>>(kHasSharedBody);
    return std::make_shared<const std::string>(body());
}

void Entry::give_to(http::Response& response, bool with_body) const {
    static constexpr http::Keeper::Ways kWays{
        .hold = [](const void* entry) noexcept { static_cast<const Entry*>(entry)->add_reference(); },
        .drop = [](const void* entry) noexcept { static_cast<const Entry*>(entry)->drop_reference(); }};
    response.keeper = http::Keeper(this, kWays);
    if ((parts_ & (kHasCommon | kHasEtagHash)) == 0) {
        response.lent_head = head();
    } else {
        response.shared_head = shared_head();
    }
    if (!with_body) return;
    if ((parts_ & kHasSharedBody) == 0) {
        response.lent_body = body();
    } else {
        response.shared_body = shared_body();
    }
}

std::uint32_t Entry::age_s(UnixMillis now) const noexcept {
    const std::int64_t age = timing().initial_age_s + resident_ms(response_ms_, now) / 1000;
    return static_cast<std::uint32_t>(std::min<std::int64_t>(age, kSecondsMax));
}

bool Entry::fresh(UnixMillis now) const noexcept {
    return now < fresh_until() && !is_ahead(response_ms_, now);
}

UnixMillis Entry::fresh_until() const noexcept {
    const std::uint32_t initial_age_s = (parts_ & kHasTimes) != 0 ? part<Times>(kHasTimes).initial_age_s : 0;
    return response_ms_ + (std::int64_t{lifetime_s_} - std::int64_t{initial_age_s}) * 1000;
}

UnixMillis Entry::usable_until() const noexcept {
    if ((parts_ & kHasTimes) == 0) return fresh_until();
    const auto& times = part<Times>(kHasTimes);
    return fresh_until() + std::int64_t{std::max(times.stale_while_revalidate_s, times.stale_if_error_s)} * 1000;
}

Freshness Entry::freshness(UnixMillis now) const noexcept {
    const UnixMillis until = fresh_until();
    const bool ahead = is_ahead(response_ms_, now);
    if (now < until && !ahead) return Freshness::kFresh;
    if (ahead || (parts_ & kHasTimes) == 0) return Freshness::kStale;
    const bool inside = now < until + std::int64_t{part<Times>(kHasTimes).stale_while_revalidate_s} * 1000;
    return inside ? Freshness::kStaleWhileRevalidate : Freshness::kStale;
}

std::size_t Entry::charge() const noexcept {
    // The block as glibc gives it out: 8 bytes of its own, multiples of 16. A shared body: the string, its counts, its buffer.
    const std::size_t block = (block_bytes() + 8 + 15) & ~std::size_t{15};
    if ((parts_ & kHasSharedBody) == 0) return block;
    return block + part<std::shared_ptr<const std::string>>(kHasSharedBody)->capacity() + 80;
}

}  // namespace tidegate::cache
