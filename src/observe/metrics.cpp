#include "observe/metrics.h"

#include <algorithm>

#include "base/assert.h"
#include "observe/registry_entry.h"

namespace tidegate::observe {
namespace {

bool is_name(std::string_view text, bool colon_allowed) {
    if (text.empty() || (text[0] >= '0' && text[0] <= '9')) return false;
    return std::ranges::all_of(text, [&](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
               (c == ':' && colon_allowed);
    });
}

bool is_sound(const FamilySpec& spec, MetricType type) {
    if (!is_name(spec.name, true) || spec.help.empty() || spec.series_max == 0) return false;
    if (spec.name.ends_with("_total") != (type == MetricType::kCounter)) return false;
    const std::string_view stem = family_stem(spec.name, type);
    if (!spec.unit.empty() && !stem.ends_with("_" + spec.unit)) return false;
    return std::ranges::all_of(spec.labels, [&](const std::string& label) {
        return is_name(label, false) && !label.starts_with("__") && (label != "le" || type != MetricType::kHistogram);
    });
}

}  // namespace

std::uint64_t Counter::value() const noexcept {
    std::uint64_t total = 0;
    for (const Cell& cell : cells_) total += cell.value.load(std::memory_order_relaxed);
    return total;
}

template <class Metric>
Metric& Family<Metric>::resolve(std::vector<std::string> values) {
    TG_ASSERT(values.size() == spec_.labels.size());
    Metric* metric = nullptr;
    bool overflow = false;
    {
        const Lock lock(mutex_);
        auto found = series_.find(values);
        if (found == series_.end()) {
            overflow = series_.size() >= spec_.series_max;
            if (overflow) values.assign(values.size(), "_other");
            found = series_.try_emplace(std::move(values)).first;
            if (found->second == nullptr) found->second = make_();
        }
        metric = found->second.get();
    }
    if (overflow && overflow_ != nullptr) overflow_->add();
    return *metric;
}

template <class Metric>
void Family<Metric>::each(const std::function<void(const std::vector<std::string>&, const Metric&)>& visit) const {
    const Lock lock(mutex_);
    for (const auto& [values, metric] : series_) visit(values, *metric);
}

template class Family<Counter>;
template class Family<Gauge>;
template class Family<Histogram>;

Registry::Registry() {
    overflow_ = &counters({.name = "tidegate_metrics_label_overflow_total",
                           .help = "Look-ups of a label set beyond a family's limit, counted under _other.",
                           .labels = {"family"},
                           .unit = {},
                           .when_it_rises = "A label takes values without end: find where it comes from a request."});
}

Registry::~Registry() = default;

Registry::Entry& Registry::declare(FamilySpec spec, MetricType type) {
    TG_ASSERT(is_sound(spec, type));
    auto entry = std::make_unique<Entry>();
    entry->spec = std::move(spec);
    entry->type = type;
    const Lock lock(mutex_);
    for (const auto& other : entries_) {
        TG_ASSERT(family_stem(other->spec.name, other->type) != family_stem(entry->spec.name, type));
    }
    entries_.push_back(std::move(entry));
    return *entries_.back();
}

namespace {

template <class Metric>
Family<Metric>& publish(std::shared_ptr<Family<Metric>> family, FamilySource& source) {
    Family<Metric>& out = *family;
    source.set(std::move(family));
    return out;
}

}  // namespace

Family<Counter>& Registry::counters(FamilySpec spec) {
    Counter* const overflow = overflow_ == nullptr ? nullptr : &overflow_->with({spec.name});
    auto family = std::make_shared<Family<Counter>>(spec, [] { return std::make_unique<Counter>(); }, overflow);
    return publish(std::move(family), declare(std::move(spec), MetricType::kCounter).source);
}

Family<Gauge>& Registry::gauges(FamilySpec spec) {
    auto family =
        std::make_shared<Family<Gauge>>(spec, [] { return std::make_unique<Gauge>(); }, &overflow_->with({spec.name}));
    return publish(std::move(family), declare(std::move(spec), MetricType::kGauge).source);
}

Family<Histogram>& Registry::histograms(FamilySpec spec, HistogramSpec shape) {
    auto make = [shape = std::move(shape)] { return std::make_unique<Histogram>(shape); };
    auto family = std::make_shared<Family<Histogram>>(spec, std::move(make), &overflow_->with({spec.name}));
    return publish(std::move(family), declare(std::move(spec), MetricType::kHistogram).source);
}

Counter& Registry::counter(FamilySpec spec) {
    return counters(std::move(spec)).with({});
}
Gauge& Registry::gauge(FamilySpec spec) {
    return gauges(std::move(spec)).with({});
}
Histogram& Registry::histogram(FamilySpec spec, HistogramSpec shape) {
    return histograms(std::move(spec), std::move(shape)).with({});
}

void Registry::callback(FamilySpec spec, MetricType type, std::function<void(Samples&)> read) {
    TG_ASSERT(type != MetricType::kHistogram);
    declare(std::move(spec), type).source.set(std::move(read));
}

std::string Registry::render(Exposition exposition) const {
    std::vector<const Entry*> entries;
    {
        const Lock lock(mutex_);
        for (const auto& entry : entries_) entries.push_back(entry.get());
    }
    std::string out;
    for (const Entry* entry : entries) append_family(out, *entry, exposition);
    if (exposition == Exposition::kOpenMetrics) out += "# EOF\n";
    return out;
}

std::vector<Registry::Described> Registry::describe() const {
    std::vector<Described> out;
    const Lock lock(mutex_);
    for (const auto& entry : entries_) out.push_back({entry->spec, entry->type});
    return out;
}

}  // namespace tidegate::observe
