#include "audit/views/kinds.h"

#include <cstring>

#include "base/assert.h"
#include "base/hash.h"

namespace tidegate::audit {
namespace {

template <class T>
std::uint64_t word_at(const char* at) noexcept {
    T word = 0;
    std::memcpy(&word, at, sizeof word);
    return word;
}

// The first and the last eight bytes of a text of up to 16: reads of fixed sizes that overlap, without a call or a loop. With
// them following a record of the benchmark costs 39 to 56 ns, with a loop over all bytes and memcmp 99 to 160.
struct Ends {
    std::uint64_t first = 0;
    std::uint64_t last = 0;
    friend bool operator==(const Ends&, const Ends&) = default;
};
Ends ends_of(const char* at, std::size_t size) noexcept {
    if (size >= 8) return {word_at<std::uint64_t>(at), word_at<std::uint64_t>(at + size - 8)};
    if (size >= 4) return {word_at<std::uint32_t>(at), word_at<std::uint32_t>(at + size - 4)};
    if (size == 0) return {};
    const auto byte = [&](std::size_t i) { return static_cast<std::uint64_t>(static_cast<unsigned char>(at[i])); };
    return {byte(0) | byte(size / 2) << 8U, byte(size - 1)};
}

// Each text by itself, so that the processor does the six at once. Quality is needed for 12 bits of place only.
std::uint64_t hash_text(std::string_view text, std::uint64_t odd) noexcept {
    const Ends ends = ends_of(text.data(), text.size());
    std::uint64_t hash = (ends.first ^ text.size() * 0x9E3779B97F4A7C15ULL) * odd;
    hash = (hash ^ hash >> 32U ^ ends.last) * odd;
    for (std::size_t at = 8; at + 8 < text.size(); at += 8) {
        hash = (hash ^ hash >> 32U ^ word_at<std::uint64_t>(text.data() + at)) * odd;
    }
    return hash ^ hash >> 32U;
}

bool same(std::string_view a, std::string_view b) noexcept {
    if (a.size() != b.size()) return false;
    if (a.size() > 16) return a == b;
    return ends_of(a.data(), a.size()) == ends_of(b.data(), b.size());
}

}  // namespace

Kinds::Kinds(std::uint32_t of_tenant_max)
    : of_tenant_max_(of_tenant_max), chunks_(std::make_unique<std::atomic<Chunk*>[]>(kChunks)) {
    for (auto& place : places_) place.store(kNone, std::memory_order_relaxed);
}

Kinds::~Kinds() = default;

Kinds::View Kinds::view_of(const KindName& name) noexcept {
    return {name.record,    name.status, name.cache,         name.tenant, name.service,
            name.operation, name.model,  name.model_version, name.band};
}

bool Kinds::is(const KindName& name, const View& view) noexcept {
    return name.record == view.record && name.status == view.status && name.cache == view.cache &&
           same(name.tenant, view.tenant) && same(name.service, view.service) && same(name.operation, view.operation) &&
           same(name.model, view.model) && same(name.model_version, view.model_version) && same(name.band, view.band);
}

std::uint64_t Kinds::hash_of(const View& view) noexcept {
    std::uint64_t hash = static_cast<std::uint64_t>(view.record) | static_cast<std::uint64_t>(view.status) << 8U |
                         static_cast<std::uint64_t>(view.cache) << 16U;
    // Odd numbers without a pattern: the same text in another place is another kind.
    hash += hash_text(view.tenant, 0xD6E8FEB86659FD93ULL) + hash_text(view.service, 0xA0761D6478BD642FULL) +
            hash_text(view.operation, 0xE7037ED1A0B428DBULL) + hash_text(view.model, 0x8EBC6AF09C88C6E3ULL) +
            hash_text(view.model_version, 0x589965CC75374CC3ULL) + hash_text(view.band, 0x1D8E4E27C47D124FULL);
    return mix64(hash);
}

std::uint32_t Kinds::intern(const segments::RecordView& record) {
    return intern(View{record.kind, record.status, record.cache, record.tenant, record.service, record.operation,
                       record.model, record.model_version, record.band},
                  of_tenant_max_);
}

std::uint32_t Kinds::intern(const KindName& name) {
    return intern(view_of(name), kKindsMax);
}

std::uint32_t Kinds::intern(const View& view, std::uint32_t of_tenant_max) {
    const auto place = static_cast<std::uint32_t>(hash_of(view) % kPlaces);
    for (const std::uint32_t at : {place, place ^ 1U}) {
        const std::uint32_t kind = places_[at].load(std::memory_order_acquire);
        if (kind != kNone && is(name(kind), view)) return kind;
    }
    const Lock lock(mutex_);
    const std::uint32_t kind = find_or_add(view, of_tenant_max);
    // The free one of the two, else the first: what is pushed out is found in the set.
    const bool first = places_[place].load(std::memory_order_relaxed) == kNone ||
                       places_[place ^ 1U].load(std::memory_order_relaxed) != kNone;
    places_[first ? place : place ^ 1U].store(kind, std::memory_order_release);
    return kind;
}

std::uint32_t Kinds::find_or_add(const View& view, std::uint32_t of_tenant_max) {
    if (const auto found = sorted_.find(view); found != sorted_.end()) return *found;
    const std::uint32_t kind = size_.load(std::memory_order_relaxed);
    View admitted = view;
    // Without tenants nobody is kept from anything.
    const auto of_tenant = view.tenant.empty() ? of_tenant_.end() : of_tenant_.find(view.tenant);
    if (kind >= kKindsMax || (of_tenant != of_tenant_.end() && of_tenant->second >= of_tenant_max)) {
        lumped_.fetch_add(1, std::memory_order_relaxed);
        admitted.service = admitted.operation = admitted.model = admitted.model_version = admitted.band = kOther;
        if (const auto found = sorted_.find(admitted); found != sorted_.end()) return *found;
    }
    TG_ASSERT(kind < kChunks * kChunk);  // More than 26,000 tenants beyond a million kinds.
    if (kind % kChunk == 0) {
        owned_.push_back(std::make_unique<Chunk>());
        chunks_[kind / kChunk].store(owned_.back().get(), std::memory_order_release);
    }
    (*owned_.back())[kind % kChunk] = {.record = admitted.record,
                                       .status = admitted.status,
                                       .cache = admitted.cache,
                                       .tenant = std::string(admitted.tenant),
                                       .service = std::string(admitted.service),
                                       .operation = std::string(admitted.operation),
                                       .model = std::string(admitted.model),
                                       .model_version = std::string(admitted.model_version),
                                       .band = std::string(admitted.band)};
    size_.store(kind + 1, std::memory_order_release);
    if (of_tenant != of_tenant_.end()) {
        ++of_tenant->second;
    } else {
        of_tenant_.emplace(view.tenant, 1U);
    }
    sorted_.insert(kind);
    return kind;
}

}  // namespace tidegate::audit
