#include "services/flood/sensor/evaluate.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <string>

#include "base/clock.h"
#include "base/strings.h"

namespace tidegate::flood {

Result<LabelledSeries> read_labelled(std::string_view csv) {
    LabelledSeries out;
    bool head = true;
    for (const std::string_view raw : split(csv, '\n')) {
        const std::string_view line = trim(raw);
        if (std::exchange(head, false) || line.empty()) continue;
        const std::vector<std::string_view> cells = split(line, ',');
        std::string time(cells[0]);
        if (time.size() == 16) time += ":00";
        std::ranges::replace(time, ' ', 'T');
        const auto at = parse_rfc3339(time.substr(0, 19) + "Z");
        if (!at || cells.size() < 2)
            return fail(ErrorCode::kInvalidArgument, "a row of a labelled series is unreadable");
        out.times_s.push_back(static_cast<double>(*at) / 1000);
        out.values.push_back(parse_double(cells[1]).value_or(std::numeric_limits<double>::quiet_NaN()));
        out.labels.push_back(cells.size() > 2 && cells[2] == "1");
    }
    return out;
}

double EventScore::f1() const noexcept {
    const auto hits = static_cast<double>(2 * found);
    return hits > 0 ? hits / (hits + static_cast<double>(false_alarms + events - found)) : 0;
}

void EventScore::add(const EventScore& other) noexcept {
    events += other.events;
    found += other.found;
    false_alarms += other.false_alarms;
    weeks += other.weeks;
}

EventScore score_events(const LabelledSeries& series, const std::vector<bool>& flags) {
    constexpr std::size_t kEventMax = 96, kNear = 4, kMerged = 16;
    const std::size_t n = flags.size();
    std::vector<bool> masked(n);
    EventScore out;
    for (std::size_t i = 0; i < n;) {
        if (!series.labels[i]) {
            ++i;
            continue;
        }
        std::size_t end = i;
        while (end < n && series.labels[end]) ++end;
        const std::size_t from = i - std::min(i, kNear);
        const std::size_t to = std::min(n, end + kNear);
        bool hit = false;
        for (std::size_t k = from; k < to; ++k) {
            hit = hit || flags[k];
            masked[k] = true;
        }
        if (end - i <= kEventMax) {
            ++out.events;
            out.found += hit ? 1 : 0;
        }
        i = end;
    }
    std::size_t last = 0;
    bool any = false;
    for (std::size_t i = 0; i < n; ++i) {
        if (!flags[i] || masked[i]) continue;
        if (!any || i - last >= kMerged) ++out.false_alarms;
        last = i;
        any = true;
    }
    if (n > 0) out.weeks = (series.times_s.back() - series.times_s.front()) / (7 * 86'400);
    return out;
}

std::vector<bool> flags_of_device(const LabelledSeries& series, const Thresholds& thresholds) {
    Device device;
    std::vector<bool> flags;
    for (std::size_t i = 0; i < series.values.size(); ++i) {
        const std::array<FieldReading, 1> fields{
            {{.name = "water_level_cm", .value = series.values[i], .range = std::nullopt}}};
        const auto verdict =
            device.add({static_cast<UnixMillis>(series.times_s[i] * 1000), fields, std::nullopt}, thresholds);
        flags.push_back(verdict && verdict->is_anomaly);
    }
    return flags;
}

std::vector<double> scores_of_device(const LabelledSeries& series, const Thresholds& thresholds, bool with_range) {
    Device device;
    std::optional<Span> range;
    if (with_range && !series.values.empty()) {
        const auto [low, high] = std::ranges::minmax(series.values);
        if (low < high) range = Span{low, high};
    }
    std::vector<double> scores;
    for (std::size_t i = 0; i < series.values.size(); ++i) {
        const std::array<FieldReading, 1> fields{{{.name = "value", .value = series.values[i], .range = range}}};
        const auto verdict =
            device.add({static_cast<UnixMillis>(series.times_s[i] * 1000), fields, std::nullopt}, thresholds);
        scores.push_back(verdict && verdict->is_anomaly ? std::max(verdict->score, thresholds.pattern) : 0);
    }
    return scores;
}

}  // namespace tidegate::flood
