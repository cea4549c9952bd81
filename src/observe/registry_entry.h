// One declared family inside the Registry, and how it is written out. Used by metrics.cpp and exposition.cpp only.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <variant>

#include "base/mutex.h"
#include "observe/metrics.h"

namespace tidegate::observe {

/// Where the samples of a family come from; empty until the declaration is complete, and then fixed.
class FamilySource {
  public:
    using Value = std::variant<std::monostate, std::shared_ptr<Family<Counter>>, std::shared_ptr<Family<Gauge>>,
                               std::shared_ptr<Family<Histogram>>, std::function<void(Samples&)>>;
    void set(Value value) {
        const Lock lock(mutex_);
        value_ = std::move(value);
    }
    Value get() const {
        const Lock lock(mutex_);
        return value_;
    }

  private:
    mutable Mutex mutex_;
    Value value_ TG_GUARDED_BY(mutex_);
};

struct FamilyEntry {
    FamilySpec spec;
    MetricType type = MetricType::kGauge;
    FamilySource source;
};

struct Registry::Entry : FamilyEntry {};

/// The name without a counter's `_total`: what OpenMetrics calls the family.
std::string_view family_stem(std::string_view name, MetricType type) noexcept;
/// HELP, TYPE, UNIT and the samples.
void append_family(std::string& out, const FamilyEntry& entry, Exposition exposition);

}  // namespace tidegate::observe
