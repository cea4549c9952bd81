// TenantPlaces: places that all callers share (exports, event streams), of which one tenant may take a part only.
//
// Guarantee   Never more than `max` places at once, nor more than its part of one tenant's. Who sees all tenants or has none is no
//             tenant: for them `max` alone holds.
// Threads     Any. A place may be dropped on any, also after the object.
// When full   take(): kUnavailable (503) where all are taken, kResourceExhausted (429) where the tenant has its part; counted apart.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "base/mutex.h"
#include "base/result.h"
#include "services/compliance/reading.h"

namespace tidegate::compliance {

/// Of `max` places that a tenant may take with `percent`: at least one.
constexpr std::uint32_t part_of(std::uint32_t max, std::uint32_t percent) noexcept {
    return std::max<std::uint32_t>(1, static_cast<std::uint32_t>(std::uint64_t{max} * percent / 100));
}

class TenantPlaces {
  public:
    /// Given back when the last copy is dropped.
    using Place = std::shared_ptr<void>;

    struct Bounds {
        std::uint32_t max = 0;
        std::uint32_t tenant_percent = 100;
    };
    /// `what`: `exports`, for the message; `setting`: the one that says how many there are.
    Result<Place> take(const Reach& reach, const Bounds& bounds, const std::string& what, const std::string& setting) {
        const Lock lock(state_->mutex);
        if (state_->taken >= bounds.max) {
            ++state_->refused_full;
            return fail(ErrorCode::kUnavailable,
                        "As many " + what + " as " + setting + " allows are running; ask again later.");
        }
        const bool bound = !reach.all && !reach.tenant.empty();
        if (bound) {
            std::uint32_t& mine = state_->by_tenant[reach.tenant];
            if (mine >= part_of(bounds.max, bounds.tenant_percent)) {
                ++state_->refused_share;
                return fail(ErrorCode::kResourceExhausted,
                            "Your tenant has " + std::to_string(mine) + " " + what +
                                " running, as many as one may have (compliance.tenant_share_percent of " + setting +
                                "); end one first.");
            }
            ++mine;
        }
        ++state_->taken;
        return Place(state_.get(), [state = state_, bound, tenant = reach.tenant](void*) {
            const Lock freed(state->mutex);
            --state->taken;
            if (!bound) return;
            const auto mine = state->by_tenant.find(tenant);
            if (--mine->second == 0) state->by_tenant.erase(mine);
        });
    }

    std::uint32_t taken() const {
        const Lock lock(state_->mutex);
        return state_->taken;
    }
    std::uint64_t refused_full() const {
        const Lock lock(state_->mutex);
        return state_->refused_full;
    }
    std::uint64_t refused_share() const {
        const Lock lock(state_->mutex);
        return state_->refused_share;
    }

  private:
    struct State {
        mutable Mutex mutex;
        std::uint32_t taken TG_GUARDED_BY(mutex) = 0;
        std::map<std::string, std::uint32_t> by_tenant TG_GUARDED_BY(mutex);  // Of tenants that have one.
        std::uint64_t refused_full TG_GUARDED_BY(mutex) = 0;
        std::uint64_t refused_share TG_GUARDED_BY(mutex) = 0;
    };
    const std::shared_ptr<State> state_ = std::make_shared<State>();
};

}  // namespace tidegate::compliance
