#include "services/speech/disk_shares.h"

#include <fmt/format.h>

namespace tidegate::speech {

Result<void> DiskShares::Place::grow(std::uint64_t bytes) {
    if (owner_ == nullptr || tenant_.empty()) return {};
    if (looked_at_ == 0 || bytes_ + bytes >= looked_at_ + kLookEachBytes) {
        TG_TRY(waiting_, owner_->store_.waiting_bytes(tenant_));
        looked_at_ = bytes_ + bytes;
    }
    {
        const Lock lock(owner_->mutex_);
        std::uint64_t& coming = owner_->coming_[tenant_];
        if (waiting_ + coming + bytes <= owner_->tenant_max_) {
            coming += bytes;
            bytes_ += bytes;
            return {};
        }
        if (coming == 0) owner_->coming_.erase(tenant_);
    }
    return fail(ErrorCode::kResourceExhausted,
                fmt::format("The recordings that wait or come in for this tenant hold all of its {} bytes "
                            "(speech.tenant_bytes_max); ask again when some are transcribed.",
                            owner_->tenant_max_));
}

void DiskShares::Place::give_back() noexcept {
    if (owner_ == nullptr || bytes_ == 0) return;
    const Lock lock(owner_->mutex_);
    const auto found = owner_->coming_.find(tenant_);
    if (found == owner_->coming_.end()) return;
    found->second -= bytes_;
    bytes_ = 0;
    if (found->second == 0) owner_->coming_.erase(found);
}

}  // namespace tidegate::speech
