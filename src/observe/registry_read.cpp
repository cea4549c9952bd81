// Registry::read(): one family's values, for those inside the process who judge them.
#include <utility>
#include <variant>

#include "observe/metrics.h"
#include "observe/registry_entry.h"

namespace tidegate::observe {
namespace {

using Visit = std::function<void(const std::vector<std::string>&, double)>;
enum class Part : std::uint8_t { kValue, kCount, kSum };

class Reader final : public Samples {
  public:
    Reader(Part part, const Visit& visit) : part_(part), visit_(visit) {}
    void add(std::initializer_list<std::string_view> label_values, double value) override {
        visit_(std::vector<std::string>(label_values.begin(), label_values.end()), value);
    }
    void operator()(std::monostate) const {}
    void operator()(const std::shared_ptr<Family<Counter>>& family) const {
        family->each([this](const std::vector<std::string>& values, const Counter& counter) {
            visit_(values, static_cast<double>(counter.value()));
        });
    }
    void operator()(const std::shared_ptr<Family<Gauge>>& family) const {
        family->each(
            [this](const std::vector<std::string>& values, const Gauge& gauge) { visit_(values, gauge.value()); });
    }
    void operator()(const std::shared_ptr<Family<Histogram>>& family) const {
        family->each([this](const std::vector<std::string>& values, const Histogram& histogram) {
            const HistogramSnapshot snapshot = histogram.snapshot();
            visit_(values,
                   part_ == Part::kSum ? snapshot.sum * histogram.scale() : static_cast<double>(snapshot.count));
        });
    }
    void operator()(const std::function<void(Samples&)>& read) { read(*this); }

  private:
    const Part part_;
    const Visit& visit_;
};

/// Which part of this family `name` is; nothing when it is none.
bool is_part(const FamilyEntry& entry, std::string_view name, Part& part) {
    if (entry.type != MetricType::kHistogram) {
        part = Part::kValue;
        return entry.spec.name == name;
    }
    part = name.ends_with("_sum") ? Part::kSum : Part::kCount;
    return name == entry.spec.name + (part == Part::kSum ? "_sum" : "_count");
}

}  // namespace

bool Registry::read(std::string_view name, const Visit& visit) const {
    const Entry* found = nullptr;
    Part part = Part::kValue;
    {
        const Lock lock(mutex_);
        for (const auto& entry : entries_) {
            if (!is_part(*entry, name, part)) continue;
            found = entry.get();
            break;
        }
    }
    if (found == nullptr) return false;
    Reader reader(part, visit);
    std::visit([&reader](const auto& source) { reader(source); }, found->source.get());
    return true;
}

}  // namespace tidegate::observe
