#include "services/flood/hydro/series.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <string>

#include "base/strings.h"

namespace tidegate::flood {
namespace {

constexpr std::array<std::string_view, 5> kColumns{"time", "precip_mm", "pet_mm", "temp_c", "flow_mm"};
constexpr double kMissing = std::numeric_limits<double>::quiet_NaN();
constexpr UnixMillis kHourMs = 3'600'000;

std::unexpected<Error> wrong(std::size_t line, std::string_view what) {
    return fail(ErrorCode::kInvalidArgument, fmt::format("line {}: {}", line, what));
}

/// The place of each of kColumns in the head.
Result<std::array<std::size_t, 5>> read_head(std::string_view line) {
    const std::vector<std::string_view> names = split(trim(line), ',');
    std::array<std::size_t, 5> places{};
    for (std::size_t i = 0; i < kColumns.size(); ++i) {
        const auto found =
            std::ranges::find_if(names, [&](std::string_view name) { return trim(name) == kColumns[i]; });
        if (found == names.end()) return wrong(1, fmt::format("the column {} is missing", kColumns[i]));
        places[i] = static_cast<std::size_t>(found - names.begin());
    }
    return places;
}

Result<UnixMillis> read_time(std::string_view text) {
    std::string full(text);
    if (full.size() == 10) full += "T00:00";
    if (full.size() == 16) full += ":00";
    if (full.size() == 19) full += "Z";
    std::ranges::replace(full, ' ', 'T');
    return parse_rfc3339(full);
}

/// Empty: NaN. Rain, evaporation and flow are not negative; a step of 2 m of water is no measurement.
Result<double> read_cell(std::string_view text, std::size_t column, std::size_t line) {
    if (text.empty()) {
        if (column == 1 || column == 2) return wrong(line, fmt::format("{} is empty", kColumns[column]));
        return kMissing;
    }
    const std::optional<double> value = parse_double(text);
    const bool sane =
        value && std::isfinite(*value) && (column == 3 ? std::abs(*value) <= 80 : *value >= 0 && *value <= 2000);
    if (!sane) return wrong(line, fmt::format("{} is no possible value", kColumns[column]));
    return *value;
}

Result<void> check_step(const Series& series, UnixMillis time, UnixMillis second, std::size_t line) {
    if (series.size() < 2) return {};
    const UnixMillis step = second - series.start;
    if (step != kHourMs && step != 24 * kHourMs) return wrong(line, "the step is neither a day nor an hour");
    if (time != series.start + static_cast<UnixMillis>(series.size() - 1) * step) {
        return wrong(line, "a row is missing, doubled or out of order");
    }
    return {};
}

}  // namespace

bool Series::has_temperature() const noexcept {
    return std::ranges::all_of(temp, [](double t) { return std::isfinite(t); }) && !temp.empty();
}

UnixMillis Series::time(std::size_t row) const noexcept {
    return start + static_cast<UnixMillis>(static_cast<double>(row) * step_hours * static_cast<double>(kHourMs));
}

Series Series::part(std::size_t from, std::size_t to) const {
    const auto cut = [&](const std::vector<double>& all) {
        return std::vector<double>(all.begin() + static_cast<std::ptrdiff_t>(from),
                                   all.begin() + static_cast<std::ptrdiff_t>(to));
    };
    return {time(from), step_hours, cut(precip), cut(pet), cut(temp), cut(flow)};
}

Result<Series> read_series(std::string_view csv) {
    Series series;
    std::array<std::size_t, 5> places{};
    std::size_t line_number = 0;
    UnixMillis second = 0;
    for (const std::string_view raw : split(csv, '\n')) {
        ++line_number;
        const std::string_view line = trim(raw);
        if (line_number == 1) {
            TG_TRY(places, read_head(line));
            continue;
        }
        if (line.empty()) continue;
        if (series.size() == kSeriesRowsMax) return wrong(line_number, "too many rows");
        const std::vector<std::string_view> cells = split(line, ',');
        if (cells.size() <= *std::ranges::max_element(places)) return wrong(line_number, "a column is missing");
        const auto time = read_time(trim(cells[places[0]]));
        if (!time) return wrong(line_number, "time is no date");
        std::array<double, 5> row{};
        for (std::size_t i = 1; i < 5; ++i) {
            TG_TRY(row[i], read_cell(trim(cells[places[i]]), i, line_number));
        }
        if (series.size() == 0) series.start = *time;
        if (series.size() == 1) second = *time;
        series.precip.push_back(row[1]);
        series.pet.push_back(row[2]);
        series.temp.push_back(row[3]);
        series.flow.push_back(row[4]);
        TG_CHECK(check_step(series, *time, second, line_number));
    }
    if (series.size() < 2) return fail(ErrorCode::kInvalidArgument, "the file has fewer than two rows");
    series.step_hours = static_cast<double>(second - series.start) / static_cast<double>(kHourMs);
    return series;
}

}  // namespace tidegate::flood
