// Does a record match a filter? By its whole content, and by its kind alone.
#pragma once

#include <vector>

#include "audit/segments/record.h"
#include "audit/views/columns_chunk.h"
#include "audit/views/history.h"
#include "audit/views/kinds.h"

namespace tidegate::audit {

bool matches(const HistoryFilter& filter, const segments::RecordView& record);
bool matches(const HistoryFilter& filter, const Decision& decision);

/// Which kinds a filter lets through, each judged once. One thread's. Where kinds have been put together (Kinds::kOther) it lets
/// through what may match.
class KindMatch {
  public:
    KindMatch(const HistoryFilter& filter, const Kinds& kinds);
    bool operator()(std::uint32_t kind) {
        if (kind >= known_.size()) learn();
        return kind < known_.size() && known_[kind] != 0;
    }
    /// kind_bit() of each kind that it lets through, of those that there are now.
    std::uint64_t bits() {
        if (kinds_.size() != known_.size()) learn();
        return bits_;
    }
    /// So far it has let nothing through that does not match.
    bool is_exact() const noexcept { return exact_; }

  private:
    void learn();
    bool judge(const KindName& name);
    const HistoryFilter& filter_;
    const Kinds& kinds_;
    std::vector<std::uint8_t> known_;
    std::uint64_t bits_ = 0;
    bool exact_ = true;
};

}  // namespace tidegate::audit
