#include "pipeline/spend/ledger.h"

#include <algorithm>

namespace tidegate::pipeline::spend {

std::optional<Points> Balance::remaining() const noexcept {
    if (cap.is_zero()) return std::nullopt;
    return std::max(Points{}, cap - spent - reserved);
}

Reservation& Reservation::operator=(Reservation&& other) noexcept {
    if (this != &other) {
        release();
        ledger_ = std::move(other.ledger_);
        ticket_ = other.ticket_;
        remaining_ = other.remaining_;
        resets_at_ = other.resets_at_;
    }
    return *this;
}

void Reservation::settle(Points actual) noexcept {
    if (ledger_ == nullptr) return;
    const std::shared_ptr<Ledger> ledger = std::move(ledger_);
    ledger->settle(ticket_, actual);
}

std::optional<Points> Reservation::remaining_after(Points actual) const noexcept {
    if (!remaining_) return std::nullopt;
    return std::max(Points{}, *remaining_ + ticket_.cost - actual);
}

}  // namespace tidegate::pipeline::spend
