#include "services/compliance/reports/span_root.h"

#include <algorithm>
#include <bit>

#include "base/assert.h"

namespace tidegate::compliance {

Result<void> SpanRoot::skip_to(std::uint64_t leaf) {
    TG_ASSERT(leaf >= size_);
    while (size_ < leaf) {
        // As large as the place is aligned to, and as fits.
        const auto room = static_cast<unsigned>(std::bit_width(leaf - size_) - 1);
        const unsigned level = size_ == 0 ? room : std::min(room, static_cast<unsigned>(std::countr_zero(size_)));
        TG_TRY(const Sha256 hash, kept_.subtree(level, size_ >> level));
        push(level, hash);
    }
    return {};
}

void SpanRoot::push(unsigned level, Sha256 hash) {
    size_ += std::uint64_t{1} << level;
    while (!peaks_.empty() && peaks_.back().level == level) {
        hash = audit::proof::node_hash(peaks_.back().hash, hash);
        peaks_.pop_back();
        ++level;
    }
    peaks_.push_back({level, hash});
}

Sha256 SpanRoot::root() const {
    if (peaks_.empty()) return audit::proof::empty_root();
    Sha256 hash = peaks_.back().hash;
    for (std::size_t i = peaks_.size() - 1; i-- > 0;) hash = audit::proof::node_hash(peaks_[i].hash, hash);
    return hash;
}

}  // namespace tidegate::compliance
