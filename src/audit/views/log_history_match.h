// Does a record match a filter? By its whole content, and by its kind alone.
#pragma once

#include <vector>

#include "audit/segments/record.h"
#include "audit/views/history.h"

namespace tidegate::audit {

class Kinds;

bool matches(const HistoryFilter& filter, const segments::RecordView& record);
bool matches(const HistoryFilter& filter, const Decision& decision);

/// Which kinds a filter lets through, each judged once. One thread's.
class KindMatch {
  public:
    KindMatch(const HistoryFilter& filter, const Kinds& kinds);
    bool operator()(std::uint32_t kind) {
        if (kind >= known_.size()) learn(kind);
        return kind < known_.size() && known_[kind] != 0;
    }

  private:
    void learn(std::uint32_t kind);
    const HistoryFilter& filter_;
    const Kinds& kinds_;
    std::vector<std::uint8_t> known_;
};

}  // namespace tidegate::audit
