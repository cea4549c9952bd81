// Entry: one kept answer, immutable, in one block of memory; shared by the store and by everyone who is sending it.
//
// Guarantee   Nothing a reader can see changes after make(). A 304 makes a new Entry that shares the body.
// Memory      64 bytes beside key, head and body. A body of up to kInlineBytesMax stands in the block; a larger one stays the
//             shared string it came in. What many entries have alike (a route's head lines, its tags) is one shared Common.
// Threads     Readers on any thread. The list links, the queue mark and the heat belong to the store's shard.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "http/message.h"
#include "pipeline/cache/key.h"

namespace tidegate::cache {

/// A body of up to so many bytes is copied into the entry: one allocation instead of four, and a copy to send it costs less
/// than the two atomic operations of sharing it would save.
inline constexpr std::size_t kInlineBytesMax = 2048;

/// A tag as the store compares it: the first 64 bits of the SHA-256 of its text, so that all processes agree. Two tags that
/// share one would be invalidated together: too much is dropped, never too little.
std::uint64_t tag_hash(std::string_view tag);

/// A counted reference to a thing that counts its references itself: half of a std::shared_ptr.
template <class T>
class CountedPtr {
  public:
    CountedPtr() = default;
    CountedPtr(const CountedPtr& other) noexcept : thing_(other.thing_) {
        if (thing_ != nullptr) thing_->add_reference();
    }
    CountedPtr(CountedPtr&& other) noexcept : thing_(std::exchange(other.thing_, nullptr)) {}
    CountedPtr& operator=(CountedPtr other) noexcept {
        std::swap(thing_, other.thing_);
        return *this;
    }
    ~CountedPtr() {
        if (thing_ != nullptr) thing_->drop_reference();
    }

    /// Takes over one reference that the caller holds.
    static CountedPtr adopt(const T* thing) noexcept {
        CountedPtr pointer;
        pointer.thing_ = thing;
        return pointer;
    }
    static CountedPtr share(const T* thing) noexcept {
        if (thing != nullptr) thing->add_reference();
        return adopt(thing);
    }
    /// Gives the reference away, to adopt() later.
    const T* release() noexcept { return std::exchange(thing_, nullptr); }

    const T* get() const noexcept { return thing_; }
    const T& operator*() const noexcept { return *thing_; }
    const T* operator->() const noexcept { return thing_; }
    explicit operator bool() const noexcept { return thing_ != nullptr; }

  private:
    const T* thing_ = nullptr;
};

/// What many entries have alike: a route's head lines and tags. Immutable.
class Common {
  public:
    /// `head`: `Name: value\r\n` lines, as sent; `tags`: tag_hash() of each.
    static CountedPtr<Common> make(std::string head, std::vector<std::uint64_t> tags);
    const std::string& head() const noexcept { return *head_; }
    const std::shared_ptr<const std::string>& shared_head() const noexcept { return head_; }
    const std::vector<std::uint64_t>& tags() const noexcept { return tags_; }

  private:
    friend class CountedPtr<Common>;
    struct Inside {
        explicit Inside() = default;
    };

  public:
    /// For make() alone.
    Common(Inside, std::string head, std::vector<std::uint64_t> tags)
        : head_(std::make_shared<const std::string>(std::move(head))), tags_(std::move(tags)) {}

  private:
    void add_reference() const noexcept { references_.fetch_add(1, std::memory_order_relaxed); }
    void drop_reference() const noexcept;

    mutable std::atomic<std::uint32_t> references_{1};
    const std::shared_ptr<const std::string> head_;
    const std::vector<std::uint64_t> tags_;
};
using CommonPtr = CountedPtr<Common>;

/// RFC 9111's times of one answer. Seconds saturate at 2^31 as the RFC says.
struct Timing {
    UnixMillis response_ms = 0;       // When the answer was received (or made).
    UnixMillis date_ms = 0;           // Its Date; 0: the same as response_ms.
    std::uint32_t initial_age_s = 0;  // The corrected initial age.
    std::uint32_t lifetime_s = 0;     // The freshness lifetime.
    std::uint32_t stale_while_revalidate_s = 0;
    std::uint32_t stale_if_error_s = 0;
    friend bool operator==(const Timing&, const Timing&) = default;
};

/// What the rules found out once, when the answer came. Bits of Draft::flags.
enum EntryFlag : std::uint16_t {
    kMustRevalidate = 1U << 0U,  // Never served stale (must-revalidate, proxy-revalidate, s-maxage).
    kNoCache = 1U << 1U,         // Never served without validation.
    kImmutable = 1U << 2U,
    kNoTransform = 1U << 3U,
    kAuthorized = 1U << 4U,   // Answer to a request with Authorization.
    kPrivate = 1U << 5U,      // Not for the second level.
    kOwnLifetime = 1U << 6U,  // The lifetime is ours, not the origin's: the store takes up to 5 % off.
    kRuleBits = 0xff00,       // Free for the rules (pipeline_cache_rules).
};

/// What to keep. Views need to live for the call only.
struct Draft {
    int status = 200;
    std::uint16_t flags = 0;
    Timing timing;
    /// `Name: value\r\n` lines of every field that is stored, as they will be sent; without Age, Content-Length, Connection.
    /// With `common` the lines of this entry alone.
    std::string_view head;
    CommonPtr common;
    /// Makes the strong ETag `"<16 hex digits>"` in 8 bytes, for answers whose head lines do not carry one.
    std::optional<std::uint64_t> etag_hash;
    std::string_view vary;                // Field names as the rules normalise them; empty: the answer does not vary.
    std::string_view selecting;           // The request's values of those fields, as the rules normalise them.
    std::span<const std::uint64_t> tags;  // tag_hash() of each, at most 255.
    std::shared_ptr<const std::string> body;  // Null: empty.
};

/// How an answer stands at a moment.
enum class Freshness : std::uint8_t {
    kFresh,
    kStaleWhileRevalidate,  // Stale, inside that window.
    kStale,
};

class Entry;
template <class Node>
struct NodeAccess;

using EntryPtr = CountedPtr<Entry>;

class Entry {
    struct Inside {
        explicit Inside() = default;
    };

  public:
    /// `draft.body` larger than 4 GiB or a key or head larger than 4 GiB is a broken invariant: the store refuses before.
    static EntryPtr make(const Key& key, const Draft& draft);
    /// The same answer with new head lines and times (after a 304); the body is shared or, when it stands in the block, copied.
    /// `draft.body` is ignored.
    static EntryPtr refreshed(const Key& key, const Draft& draft, const Entry& old);

    /// For build() alone.
    Entry(Inside, const Key& key, const Draft& draft, std::uint8_t parts, std::uint32_t body_bytes) noexcept;
    Entry(const Entry&) = delete;
    Entry& operator=(const Entry&) = delete;

    int status() const noexcept { return status_; }
    std::uint16_t flags() const noexcept { return flags_; }
    Timing timing() const noexcept;
    std::string_view key_text() const noexcept { return {chars(), key_bytes_}; }
    /// The lines of this entry alone; those of common() come before.
    std::string_view head() const noexcept { return {chars() + key_bytes_, head_bytes_}; }
    /// Null when the entry stands alone.
    const Common* common() const noexcept;
    std::string_view vary() const noexcept;
    std::string_view selecting() const noexcept;
    std::string_view body() const noexcept;
    /// Of the entry and of its Common.
    bool has_tag(std::uint64_t tag) const noexcept;
    std::span<const std::uint64_t> own_tags() const noexcept;

    /// The first line of that name in the head or in common's head; empty when there is none.
    std::string_view field(std::string_view name) const noexcept;
    /// With quotes and `W/`; empty when there is none.
    std::string etag() const;
    /// Every field, in order, with the ETag that etag_hash stands for.
    http::Headers headers() const;

    /// For http::Response::shared_head and shared_body. Large bodies and heads of a Common are shared, the rest is copied.
    std::shared_ptr<const std::string> shared_head() const;
    std::shared_ptr<const std::string> shared_body() const;
    /// The stored fields, and the body unless told not to, into an answer: what stands in the block is lent, the rest shared.
    void give_to(http::Response& response, bool with_body) const;

    /// RFC 9111, 4.2.3, in whole seconds; never negative. When the clock went back behind the moment the answer came, its age
    /// is not known: then the largest there is (residence.h), and the answer is stale until the clock is right again.
    std::uint32_t age_s(UnixMillis now) const noexcept;
    Freshness freshness(UnixMillis now) const noexcept;
    bool fresh(UnixMillis now) const noexcept;
    /// By a clock that is not behind the moment the answer came; fresh() knows about one that is.
    UnixMillis fresh_until() const noexcept;
    /// May stand in for an error until then, as far as its own windows say.
    UnixMillis usable_until() const noexcept;

    /// Bytes of memory this entry holds, with the allocator's share.
    std::size_t charge() const noexcept;

  private:
    friend class CountedPtr<Entry>;
    friend class Shard;
    friend struct NodeAccess<const Entry>;

    // Which parts stand between the fixed fields and the characters, in this order.
    enum Part : std::uint8_t {
        kHasCommon = 1U << 0U,      // CommonPtr
        kHasSharedBody = 1U << 1U,  // std::shared_ptr<const std::string>
        kHasTimes = 1U << 2U,       // Times
        kHasEtagHash = 1U << 3U,    // std::uint64_t
        kHasVary = 1U << 4U,        // VarySizes; the texts follow the head
    };
    struct Times {
        std::int32_t date_offset_s;
        std::uint32_t initial_age_s, stale_while_revalidate_s, stale_if_error_s;
    };
    struct VarySizes {
        std::uint32_t vary_bytes, selecting_bytes;
    };

    static EntryPtr build(const Key& key, const Draft& draft, std::string_view inline_body,
                          std::shared_ptr<const std::string> shared_body);
    static std::size_t parts_bytes(std::uint8_t parts) noexcept;
    std::size_t part_at(Part part) const noexcept;
    template <class T>
    const T& part(Part which) const noexcept;
    const char* after_fixed() const noexcept { return reinterpret_cast<const char*>(this) + sizeof(Entry); }
    const char* chars() const noexcept {
        return after_fixed() + parts_bytes(parts_) + std::size_t{tag_count_} * sizeof(std::uint64_t);
    }
    std::size_t block_bytes() const noexcept;
    void add_reference() const noexcept { references_.fetch_add(1, std::memory_order_relaxed); }
    void drop_reference() const noexcept {
        if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) destroy();
    }
    void destroy() const noexcept;

    mutable std::atomic<std::uint32_t> references_{1};
    mutable std::atomic<std::uint8_t> heat_{0};  // Uses since it was last looked at, saturating.
    std::uint8_t parts_;
    std::uint8_t tag_count_;
    mutable std::uint8_t queue_ = 0;  // The shard's mark: in which queue it stands.
    const std::uint64_t hash_low_;
    mutable const Entry* newer_ = nullptr;  // The shard's queues.
    mutable const Entry* older_ = nullptr;
    const UnixMillis response_ms_;
    const std::uint32_t lifetime_s_;
    mutable std::atomic<std::uint32_t> valid_at_{
        0};  // Low half of the last invalidation that is known not to concern it.
    const std::uint32_t key_bytes_;
    const std::uint32_t head_bytes_;
    const std::uint32_t body_bytes_;
    const std::uint16_t status_;
    const std::uint16_t flags_;
};
static_assert(sizeof(Entry) == 64);

}  // namespace tidegate::cache
