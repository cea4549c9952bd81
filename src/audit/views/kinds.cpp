#include "audit/views/kinds.h"

#include <cstring>

#include "base/assert.h"
#include "base/hash.h"

namespace tidegate::audit {
namespace {

// Eight bytes a step; the tail is read with its length. Quality is needed for 12 bits of place only.
std::uint64_t mix_in(std::uint64_t hash, std::string_view text) noexcept {
    constexpr std::uint64_t kOdd = 0x9E3779B97F4A7C15ULL;  // 2^64 / the golden ratio.
    const char* at = text.data();
    std::size_t left = text.size();
    hash = (hash ^ left) * kOdd;
    for (; left >= 8; at += 8, left -= 8) {
        std::uint64_t word = 0;
        std::memcpy(&word, at, 8);
        hash = (hash ^ word) * kOdd;
        hash ^= hash >> 32U;
    }
    if (left > 0) {
        std::uint64_t word = 0;
        std::memcpy(&word, at, left);
        hash = (hash ^ word) * kOdd;
        hash ^= hash >> 32U;
    }
    return hash;
}

}  // namespace

Kinds::Kinds() : chunks_(std::make_unique<std::atomic<Chunk*>[]>(kChunks)) {
    for (auto& place : places_) place.store(kNone, std::memory_order_relaxed);
}

Kinds::~Kinds() = default;

Kinds::View Kinds::view_of(const KindName& name) noexcept {
    return {name.record,    name.status, name.cache,         name.tenant, name.service,
            name.operation, name.model,  name.model_version, name.band};
}

std::uint64_t Kinds::hash_of(const View& view) noexcept {
    std::uint64_t hash = static_cast<std::uint64_t>(view.record) | static_cast<std::uint64_t>(view.status) << 8U |
                         static_cast<std::uint64_t>(view.cache) << 16U;
    for (const std::string_view text :
         {view.tenant, view.service, view.operation, view.model, view.model_version, view.band}) {
        hash = mix_in(hash, text);
    }
    return mix64(hash);
}

std::uint32_t Kinds::intern(const segments::RecordView& record) {
    return intern(View{record.kind, record.status, record.cache, record.tenant, record.service, record.operation,
                       record.model, record.model_version, record.band});
}

std::uint32_t Kinds::intern(const KindName& name) {
    return intern(view_of(name));
}

std::uint32_t Kinds::intern(const View& view) {
    const auto place = static_cast<std::uint32_t>(hash_of(view) % kPlaces);
    for (const std::uint32_t at : {place, place ^ 1U}) {
        const std::uint32_t kind = places_[at].load(std::memory_order_acquire);
        if (kind != kNone && view_of(kind) == view) return kind;
    }
    const Lock lock(mutex_);
    const std::uint32_t kind = find_or_add(view);
    // The free one of the two, else the first: what is pushed out is found in the set.
    const bool first = places_[place].load(std::memory_order_relaxed) == kNone ||
                       places_[place ^ 1U].load(std::memory_order_relaxed) != kNone;
    places_[first ? place : place ^ 1U].store(kind, std::memory_order_release);
    return kind;
}

std::uint32_t Kinds::find_or_add(const View& view) {
    if (const auto found = sorted_.find(view); found != sorted_.end()) return *found;
    const std::uint32_t kind = size_.load(std::memory_order_relaxed);
    View admitted = view;
    if (kind >= kKindsMax) {
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
    sorted_.insert(kind);
    return kind;
}

}  // namespace tidegate::audit
