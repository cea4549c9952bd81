#include "store/query_times.h"

#include <memory>

namespace tidegate::store {

void QueryTimes::add(std::string_view text, SteadyTime began, SteadyTime ended) {
    const Duration took = ended - began;
    times_.record(took);
    if (took.count() < slow_from_ns_.load(std::memory_order_relaxed)) return;
    slow_count_.add();
    SlowQuery query{.ended = ended, .took = took, .text = std::string(text.substr(0, kTextMax))};
    const Lock lock(mutex_);
    if (slow_.size() == kSlowMax) slow_.pop_front();
    slow_.push_back(std::move(query));
}

std::vector<SlowQuery> QueryTimes::take_slow() {
    const Lock lock(mutex_);
    std::vector<SlowQuery> out(slow_.begin(), slow_.end());
    slow_.clear();
    return out;
}

QueryTimes& database_times() {
    // Never destroyed: a connection may be closed later than anything here ends.
    static QueryTimes& times = *std::make_unique<QueryTimes>().release();
    return times;
}

}  // namespace tidegate::store
