#include "alerts/source.h"

#include <algorithm>

namespace tidegate::alerts {

void Source::add_view(std::string name, std::vector<std::string> labels, std::function<std::vector<Series>()> read) {
    views_.insert_or_assign(std::move(name), View{std::move(labels), std::move(read)});
}

std::vector<Source::Described> Source::describe() const {
    std::vector<Described> all;
    for (const auto& [name, view] : views_) all.push_back({name, view.labels, false});
    for (const auto& [spec, type] : registry_.describe()) {
        if (type != observe::MetricType::kHistogram) {
            all.push_back({spec.name, spec.labels, type == observe::MetricType::kCounter});
            continue;
        }
        for (const char* part : {"_count", "_sum"}) all.push_back({spec.name + part, spec.labels, true});
    }
    return all;
}

std::vector<Series> Source::read(std::string_view name) const {
    if (const auto view = views_.find(name); view != views_.end()) return view->second.read();
    const std::vector<Described> known = describe();
    const auto family = std::ranges::find(known, name, &Described::name);
    std::vector<Series> all;
    if (family == known.end()) return all;
    registry_.read(name, [&](const std::vector<std::string>& values, double value) {
        Series& series = all.emplace_back();
        series.value = value;
        for (std::size_t i = 0; i < values.size() && i < family->labels.size(); ++i) {
            series.labels.emplace(family->labels[i], values[i]);
        }
    });
    return all;
}

}  // namespace tidegate::alerts
