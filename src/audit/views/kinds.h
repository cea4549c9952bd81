// Kinds: what many records share (tenant, service, model, status, ...), each under a small number, so that views count and filter
// by number.
//
// Guarantee   One kind, one number, for the life of the object; never removed. Numbers are of this process: what is stored must
//             carry its own dictionary.
// Algorithm   A hash of the texts finds one of 2 places of a table of 4,096 numbers; the kind there is compared whole, so that a
//             collision costs time and never gives another's number. Beside it an ordered set under a lock, for what is new or
//             was pushed out; its order cannot be attacked with texts that collide.
// Memory      About 350 bytes a kind, kKindsMax of them, kOfTenantMax of one tenant. After that new kinds keep tenant, record kind,
//             status and cache state and have `(other)` for the rest: tenants never mix, and nothing is left uncounted. lumped()
//             says how many records came so.
// Threads     Any, for everything. intern() of a known kind takes no lock.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "audit/decision.h"
#include "audit/segments/record.h"
#include "base/mutex.h"

namespace tidegate::audit {

struct KindName {
    RecordKind record = RecordKind::kDecision;
    Status status = Status::kSuccess;
    CacheState cache = CacheState::kBypass;
    std::string tenant;
    std::string service;
    std::string operation;
    std::string model;
    std::string model_version;
    std::string band;
    friend bool operator==(const KindName&, const KindName&) = default;
};

class Kinds {
  public:
    static constexpr std::uint32_t kKindsMax = 1U << 20U;
    static constexpr std::uint32_t kOfTenantMax = kKindsMax / 8;
    static constexpr std::string_view kOther = "(other)";

    /// Fewer than kOfTenantMax in tests.
    explicit Kinds(std::uint32_t of_tenant_max = kOfTenantMax);
    Kinds(const Kinds&) = delete;
    Kinds& operator=(const Kinds&) = delete;
    ~Kinds();

    /// The number of the record's kind; a new one when there was none.
    std::uint32_t intern(const segments::RecordView& record);
    /// Of a name that is stored: it was admitted once, and its tenant's bound does not hold for it.
    std::uint32_t intern(const KindName& name);
    /// Of a number that intern() gave. Lives as long as the object.
    const KindName& name(std::uint32_t kind) const noexcept {
        return (*chunks_[kind / kChunk].load(std::memory_order_acquire))[kind % kChunk];
    }
    /// Records (and names) that were put under `(other)` since the start.
    std::uint64_t lumped() const noexcept { return lumped_.load(std::memory_order_relaxed); }
    /// Numbers below are given.
    std::uint32_t size() const noexcept { return size_.load(std::memory_order_acquire); }

  private:
    // As KindName, of borrowed texts.
    struct View {
        RecordKind record;
        Status status;
        CacheState cache;
        std::string_view tenant, service, operation, model, model_version, band;
        friend auto operator<=>(const View&, const View&) = default;
    };
    struct Less {
        using is_transparent = void;
        const Kinds* kinds;
        bool operator()(std::uint32_t a, std::uint32_t b) const { return kinds->view_of(a) < kinds->view_of(b); }
        bool operator()(std::uint32_t a, const View& b) const { return kinds->view_of(a) < b; }
        bool operator()(const View& a, std::uint32_t b) const { return a < kinds->view_of(b); }
    };
    static constexpr std::uint32_t kChunk = 1024;
    // Room for those after kKindsMax too: tenants x 2 record kinds x 5 states x 4 cache states.
    static constexpr std::uint32_t kChunks = 2 * kKindsMax / kChunk;
    static constexpr std::uint32_t kPlaces = 4096;
    static constexpr std::uint32_t kNone = 0xFFFFFFFFU;
    using Chunk = std::array<KindName, kChunk>;

    static View view_of(const KindName& name) noexcept;
    View view_of(std::uint32_t kind) const noexcept { return view_of(name(kind)); }
    static bool is(const KindName& name, const View& view) noexcept;
    static std::uint64_t hash_of(const View& view) noexcept;
    std::uint32_t intern(const View& view, std::uint32_t of_tenant_max);
    std::uint32_t find_or_add(const View& view, std::uint32_t of_tenant_max) TG_REQUIRES(mutex_);

    std::array<std::atomic<std::uint32_t>, kPlaces> places_;
    std::atomic<std::uint32_t> size_{0};
    std::atomic<std::uint64_t> lumped_{0};
    const std::uint32_t of_tenant_max_;
    std::unique_ptr<std::atomic<Chunk*>[]> chunks_;  // Each set once, owned by owned_.

    Mutex mutex_;
    std::set<std::uint32_t, Less> sorted_ TG_GUARDED_BY(mutex_){Less{this}};
    std::map<std::string, std::uint32_t, std::less<>> of_tenant_ TG_GUARDED_BY(mutex_);  // How many a tenant has.
    std::vector<std::unique_ptr<Chunk>> owned_ TG_GUARDED_BY(mutex_);
};

}  // namespace tidegate::audit
