// The QARTOD tests against the published reference flags: ten settings of a real series, thirteen edge cases.
#include "services/flood/sensor/qartod.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <limits>
#include <map>
#include <string>

#include "base/file.h"
#include "base/json.h"
#include "base/strings.h"

namespace tidegate::flood {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

std::string data_file(const std::string& name) {
    const char* root = std::getenv("TIDEGATE_SOURCE_DIR");
    return std::string(root == nullptr ? "." : root) + "/../shared/data/qartod/" + name;
}

Flags flags_of(const std::vector<int>& numbers) {
    Flags out;
    for (const int number : numbers) out.push_back(static_cast<Flag>(number));
    return out;
}

struct Case {
    json::Value value;
    double number(std::string_view name) const {
        const auto found = value.find("args")->find(name);
        return found && found->is_number() ? found->as_double() : kNaN;
    }
    Span span(std::string_view name) const {
        std::vector<double> ends;
        value.find("args")->find(name)->each([&](json::Value end) { ends.push_back(end.as_double()); });
        return {ends[0], ends[1]};
    }
    std::string text(std::string_view name) const {
        const auto found = value.find("args")->find(name);
        return found ? std::string(found->as_string()) : std::string();
    }
    std::vector<double> values() const {
        std::vector<double> out;
        value.find("values")->each([&](json::Value v) { out.push_back(v.is_number() ? v.as_double() : kNaN); });
        return out;
    }
    std::vector<std::int64_t> times() const {
        std::vector<std::int64_t> out;
        value.find("times_s")->each([&](json::Value v) { out.push_back(v.as_int()); });
        return out;
    }
    Flags run() const {
        const std::string test(value.find("test")->as_string());
        if (test == "gross_range") return gross_range(values(), span("fail"), span("suspect"));
        if (test == "spike") {
            const auto method = text("method") == "average" ? SpikeMethod::kAverage : SpikeMethod::kDifferential;
            return spike(values(), method, number("suspect"), number("fail"));
        }
        if (test == "rate_of_change") {
            const double fail = number("fail");
            return rate_of_change(values(), times(), number("threshold"),
                                  std::isfinite(fail) ? std::optional(fail) : std::nullopt);
        }
        if (test == "flat_line") {
            return flat_line(values(), times(), number("tolerance"), static_cast<std::int64_t>(number("suspect_s")),
                             static_cast<std::int64_t>(number("fail_s")));
        }
        if (test == "attenuated_signal") {
            const double least = number("min_obs");
            return attenuated(values(), times(), text("check") == "std" ? Spread::kDeviation : Spread::kRange,
                              static_cast<std::int64_t>(number("period_s")), number("suspect"), number("fail"),
                              std::isfinite(least) ? std::optional(static_cast<std::size_t>(least)) : std::nullopt);
        }
        std::vector<Flags> tests;
        value.find("values")->each([&](json::Value row) {
            Flags& flags = tests.emplace_back();
            row.each([&](json::Value v) { flags.push_back(static_cast<Flag>(v.as_int())); });
        });
        return aggregate(tests);
    }
};

TEST(Qartod, ThirteenEdgeCasesEqualTheReference) {
    const SystemDisk disk;
    const auto text = disk.read(data_file("small_vectors.json"), 1 << 20);
    if (!text) GTEST_SKIP() << "the shared data are absent";
    const auto document = json::parse(*text);
    ASSERT_TRUE(document);
    std::size_t cases = 0;
    document->root().each([&](json::Value value) {
        ++cases;
        std::vector<int> expected;
        value.find("expected")->each([&](json::Value v) { expected.push_back(static_cast<int>(v.as_int())); });
        EXPECT_EQ(Case{value}.run(), flags_of(expected)) << value.find("name")->as_string();
    });
    EXPECT_EQ(cases, 13U);
}

TEST(Qartod, TenSettingsOfARealSeriesEqualTheReference) {
    const SystemDisk disk;
    const auto text = disk.read(data_file("water_level_flags.csv"), 4 << 20);
    if (!text) GTEST_SKIP() << "the shared data are absent";
    std::vector<std::string> names;
    std::vector<std::int64_t> times;
    std::vector<double> level;
    std::map<std::string, Flags> expected;
    for (const std::string_view line : split(*text, '\n')) {
        const auto cells = split(trim(line), ',');
        if (names.empty()) {
            for (const auto cell : cells) names.emplace_back(cell);
            continue;
        }
        if (cells.size() != names.size()) continue;
        times.push_back(*parse_i64(cells[0]));
        level.push_back(parse_double(cells[1]).value_or(kNaN));
        for (std::size_t i = 2; i < cells.size(); ++i) {
            expected[names[i]].push_back(static_cast<Flag>(*parse_i64(cells[i])));
        }
    }
    ASSERT_EQ(expected.size(), 10U);
    const Flags range = gross_range(level, {-10, 10}, Span{-2, 3});
    const Flags flat = flat_line(level, times, 0.001, 10'800, 21'600);
    const Flags rate = rate_of_change(level, times, 0.001, std::nullopt);
    const Flags average = spike(level, SpikeMethod::kAverage, 0.8, 3);
    EXPECT_EQ(range, expected["gross_range"]);
    EXPECT_EQ(flat, expected["flat_line"]);
    EXPECT_EQ(rate, expected["rate_of_change"]);
    EXPECT_EQ(rate_of_change(level, times, 0.0001, 0.0002), expected["rate_of_change_strict"]);
    EXPECT_EQ(average, expected["spike_average"]);
    EXPECT_EQ(spike(level, SpikeMethod::kAverage, 0.1, 0.3), expected["spike_average_strict"]);
    EXPECT_EQ(spike(level, SpikeMethod::kDifferential, 0.1, 0.3), expected["spike_differential_strict"]);
    EXPECT_EQ(attenuated(level, times, Spread::kDeviation, 86'400, 0.10, 0.05, std::nullopt),
              expected["attenuated_std_1d"]);
    EXPECT_EQ(attenuated(level, times, Spread::kRange, 86'400, 0.30, 0.10, std::nullopt),
              expected["attenuated_range_1d"]);
    EXPECT_EQ(aggregate(std::vector<Flags>{range, flat, rate, average}), expected["aggregate_of_gross_flat_roc_spike"]);
}

TEST(Qartod, AnEmptySeriesHasNoFlags) {
    EXPECT_TRUE(gross_range({}, {0, 1}, std::nullopt).empty());
    EXPECT_TRUE(spike({}, SpikeMethod::kAverage, 1, 2).empty());
    EXPECT_TRUE(flat_line({}, {}, 1, 10, 20).empty());
    EXPECT_TRUE(aggregate({}).empty());
}

}  // namespace
}  // namespace tidegate::flood
