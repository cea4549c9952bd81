// What a request about a place looks like, and its answer.
#include "services/flood/risk.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "base/json_writer.h"

namespace tidegate::flood {
namespace {

using pipeline::optional;
using pipeline::required;
using pipeline::Schema;

constexpr double kRainMax = 2'000;  // mm a step: more than any record of a day.

std::optional<double> number_of(json::Value object, std::string_view name) {
    const auto found = object.find(name);
    if (!found || !found->is_number()) return std::nullopt;
    return found->as_double();
}

Schema rain_schema() {
    return Schema::number().range(0, kRainMax);
}

/// JSON already: the same few texts for thousands of places.
std::string_view advice(Level level) {
    switch (level) {
        case Level::kVeryLow:
            return R"("No action needed. Only the responsible authority warns.")";
        case Level::kLow:
            return R"("Keep an eye on the river and the forecast. Only the responsible authority warns.")";
        case Level::kModerate:
            return R"("Be prepared: move what must not get wet. Follow the responsible authority.")";
        case Level::kHigh:
            return R"("Act now: stay away from the river and low ground. Follow the responsible authority.")";
        case Level::kExtreme:
            break;
    }
    return R"("Leave low ground while the way is dry, and do not drive through water. Follow the responsible authority.")";
}

/// Six decimals: a probability is not known better, and a batch holds thousands of numbers.
void append_number(std::string& out, double value) {
    if (!(std::abs(value) < 1e9)) return append_json_number(out, value);
    auto millionths = static_cast<std::int64_t>(std::llround(value * 1e6));
    if (millionths < 0) {
        out += '-';
        millionths = -millionths;
    }
    std::array<char, 24> digits{};
    const auto whole = std::to_chars(digits.data(), digits.data() + digits.size(), millionths / 1'000'000);
    out.append(digits.data(), whole.ptr);
    std::int64_t rest = millionths % 1'000'000;
    if (rest == 0) return;
    std::array<char, 7> tail{'.', '0', '0', '0', '0', '0', '0'};
    for (std::size_t i = 6; i > 0; --i, rest /= 10) tail[i] = static_cast<char>('0' + rest % 10);
    std::size_t size = tail.size();
    while (tail[size - 1] == '0') --size;
    out.append(tail.data(), size);
}

void append_list(std::string& out, std::span<const double> numbers) {
    out += '[';
    for (const double number : numbers) {
        if (out.back() != '[') out += ',';
        append_number(out, number);
    }
    out += ']';
}

/// Names of our own need no escapes.
void append_names(std::string& out, const std::vector<std::string_view>& names) {
    out += '[';
    for (const std::string_view name : names) {
        if (out.back() != '[') out += ',';
        out.append("\"").append(name).append("\"");
    }
    out += ']';
}

void append_drivers(std::string& out, const Risk& risk) {
    out += R"(,"drivers":[)";
    for (const Driver& driver : risk.drivers) {
        if (out.back() != '[') out += ',';
        out.append(R"({"name":")").append(driver.name).append(R"(","value":)");
        if (driver.value) {
            append_number(out, *driver.value);
        } else {
            out += "null";
        }
        out += R"(,"contribution":)";
        append_number(out, driver.contribution);
        out += '}';
    }
    out += R"(],"top_contributing_factors":[)";
    for (const Driver& driver : risk.drivers) {
        if (driver.contribution <= 0) continue;
        if (out.back() != '[') out += ',';
        out.append("\"").append(driver.name).append("\"");
    }
    out += ']';
}

}  // namespace

Schema place_schema() {
    const Schema stage = Schema::number().range(-1000, 10'000);
    return Schema::object({
        required("latitude", Schema::number().range(-90, 90)),
        required("longitude", Schema::number().range(-180, 180)),
        optional("location_name", Schema::string().size(0, 200)),
        optional("rainfall_mm",
                 rain_schema().doc("Of the coming step (a day, an hour in an hourly basin), liquid or not.")),
        optional("rainfall_series", Schema::array(rain_schema())
                                        .size(1, kSeriesMax)
                                        .doc("Of the coming steps, instead of rainfall_mm; the worst of them counts.")),
        optional("temperature", Schema::number().range(-90, 70).nullable().doc("Degrees Celsius: rain or snow.")),
        optional("humidity", Schema::number().range(0, 100).nullable().doc("%; taken, and not used: `unused_inputs`.")),
        optional("date", Schema::string().size(10, 35).nullable().doc(
                             "Of the coming step: 2026-01-31 or RFC 3339. Default: now.")),
        optional("rainfall_7d_mean", rain_schema().nullable().doc("mm a day over the last 7 days.")),
        optional("rainfall_30d_mean", rain_schema().nullable().doc("mm a day over the last 30 days.")),
        optional("basin", Schema::string().size(1, 64).doc("A loaded basin; default: the one the place lies in.")),
        optional("river_flow_m3s", Schema::number().range(0, 400'000).nullable().doc("Now, at the basin's gauge.")),
        optional("river_stage_m", stage.nullable()),
        optional("stage_thresholds", Schema::object({optional("action", stage), optional("minor", stage),
                                                     optional("moderate", stage), optional("major", stage)})),
        optional("hand_m", Schema::number().range(0, 9000).nullable().doc("Height above the nearest drainage.")),
        optional("slope", Schema::number().range(0, 5).nullable().doc("Metres a metre.")),
        optional("curve_number", Schema::number().range(30, 99).nullable().doc("SCS, at mean wetness.")),
        optional("imperviousness", Schema::number().range(0, 1).nullable().doc("Share of sealed ground.")),
        optional("tide_m", stage.nullable().doc("Taken, and not used yet: `unused_inputs`.")),
    });
}

std::optional<pipeline::FieldError> read_place(json::Value object, Place& place) {
    std::optional<double> latitude, longitude, rain, imperviousness, curve;
    const std::array<std::pair<std::string_view, std::optional<double>*>, 14> numbers{{
        {"latitude", &latitude},
        {"longitude", &longitude},
        {"rainfall_mm", &rain},
        {"temperature", &place.temperature},
        {"humidity", &place.humidity},
        {"rainfall_7d_mean", &place.mean_7d},
        {"rainfall_30d_mean", &place.mean_30d},
        {"river_flow_m3s", &place.flow_m3s},
        {"river_stage_m", &place.stage_m},
        {"hand_m", &place.hand_m},
        {"tide_m", &place.tide_m},
        {"slope", &place.ground.slope},
        {"imperviousness", &imperviousness},
        {"curve_number", &curve},
    }};
    std::optional<json::Value> series, stages;
    std::string_view date;
    // One walk: a batch asks for thousands of members.
    object.each_member([&](std::string_view name, json::Value value) {
        if (value.is_number()) {
            const auto found =
                std::ranges::find(numbers, name, &std::pair<std::string_view, std::optional<double>*>::first);
            if (found != numbers.end() && !*found->second) *found->second = value.as_double();
        } else if (value.kind() == json::Kind::kString) {
            if (name == "location_name") place.name = value.as_string();
            if (name == "basin") place.basin = value.as_string();
            if (name == "date") date = value.as_string();
        } else if (name == "rainfall_series") {
            series = value;
        } else if (name == "stage_thresholds") {
            stages = value;
        }
    });
    place.latitude = latitude.value_or(0);
    place.longitude = longitude.value_or(0);
    place.ground.imperviousness = imperviousness.value_or(0);
    place.curve_number_told = curve.has_value();
    place.ground.curve_number = curve.value_or(place.ground.curve_number);
    if (series) {
        if (rain) {
            return pipeline::FieldError{"rainfall_series", "stands beside rainfall_mm: one of the two", "not_allowed"};
        }
        series->each([&](json::Value mm) { place.rain.push_back(mm.as_double()); });
    } else if (rain) {
        place.rain.push_back(*rain);
    } else {
        return pipeline::FieldError{"rainfall_mm", "is missing, and so is rainfall_series", "missing"};
    }
    if (stages) {
        constexpr std::array<std::string_view, 4> kNames{"action", "minor", "moderate", "major"};
        double last = -1e9;
        for (std::size_t i = 0; i < 4; ++i) {
            place.stages[i] = number_of(*stages, kNames[i]);
            if (place.stages[i] && *place.stages[i] < last) {
                return pipeline::FieldError{"stage_thresholds", "do not rise from action to major", "not_allowed"};
            }
            last = place.stages[i].value_or(last);
        }
    }
    if (!date.empty()) {
        const auto time = parse_rfc3339(date.size() == 10 ? std::string(date) + "T00:00:00Z" : std::string(date));
        if (!time) return pipeline::FieldError{"date", "is neither a date nor an RFC 3339 time", "bad_format"};
        place.date = *time;
    }
    return std::nullopt;
}

void append_risk(std::string& out, const Prepared& prepared, const Risk& risk, std::string_view predicted_at) {
    const double p = risk.probabilities[0];
    if (!prepared.place.name.empty()) {
        out += R"("location_name":)";
        append_json_string(out, prepared.place.name);
        out += ',';
    }
    out += R"("flood_probability":)";
    append_number(out, p);
    out += R"(,"risk_score":)";
    append_number(out, std::round(p * 1000) / 10);
    out.append(R"(,"risk_level":")").append(to_string(risk.level)).append(R"(","confidence":)");
    append_number(out, confidence_of(risk));
    out += R"(,"interval":)";
    append_list(out, std::array<double, 2>{risk.low, risk.high});
    out.append(R"(,"method":")").append(risk.method).append("\"");
    if (!risk.basin.empty())
        out.append(R"(,"basin":")").append(risk.basin).append("\"");  // Its letters are checked when it is loaded.
    out += R"(,"return_period_probabilities":{"2":)";
    append_number(out, p);
    out += R"(,"5":)";
    append_number(out, risk.probabilities[1]);
    out += R"(,"20":)";
    append_number(out, risk.probabilities[2]);
    out += '}';
    if (risk.flow_m3s) {
        out += R"(,"flow_m3s":)";
        append_list(out, *risk.flow_m3s);
    }
    if (risk.observation_age_s) {
        out += R"(,"observation_age_s":)";
        append_number(out, *risk.observation_age_s);
    }
    out += R"(,"log_odds":)";
    append_number(out, risk.log_odds);
    out += R"(,"baseline":)";
    append_number(out, risk.baseline);
    append_drivers(out, risk);
    out.append(R"(,"recommended_action":)").append(advice(risk.level)).append(R"(,"missing_inputs":)");
    append_names(out, risk.missing);
    out += R"(,"unused_inputs":)";
    append_names(out, risk.unused);
    out.append(R"(,"model_version":")").append(risk.version).append("\"");
    if (!predicted_at.empty()) out.append(R"(,"predicted_at":")").append(predicted_at).append("\"");
}

Schema risk_schema() {
    const Schema share = Schema::number().range(0, 1);
    const Schema names = Schema::array(Schema::string());
    return Schema::object({
        optional("decision_id", Schema::string().format("uuid").doc("In the record.")),
        optional("location_name", Schema::string()),
        required("flood_probability", share.doc("Of a flood that comes every two years or more seldom.")),
        required("risk_score", Schema::number().range(0, 100).doc("The probability in %.")),
        required("risk_level", Schema::string()
                                   .one_of({"very_low", "low", "moderate", "high", "extreme"})
                                   .doc("By the rule of GloFAS: the 20-, 5-, 2-year flood likelier than 30 %.")),
        required("confidence", share.doc("1 less the width of the interval.")),
        required("interval", Schema::array(Schema::number()).size(2, 2).doc("Of the probability, 5 to 95 %.")),
        required("method", Schema::string().one_of({"gauged", "indicative", "observed_stage"})),
        optional("basin", Schema::string()),
        required("return_period_probabilities", Schema::object({}).open().doc("Floods of 2, 5 and 20 years.")),
        optional("flow_m3s", Schema::array(Schema::number()).size(3, 3).doc("5 %, middle, 95 %.")),
        optional("observation_age_s", Schema::number()),
        required("log_odds", Schema::number().doc("The baseline and all contributions add up to it.")),
        required("baseline", Schema::number()),
        required("drivers", Schema::array(Schema::object({required("name", Schema::string()),
                                                          required("value", Schema::number().nullable()),
                                                          required("contribution", Schema::number())}))),
        required("top_contributing_factors", names.doc("Names of the drivers that raise the risk.")),
        required("recommended_action", Schema::string()),
        required("missing_inputs", names.doc("What would have narrowed the interval.")),
        required("unused_inputs", names.doc("What was sent and says nothing to this model.")),
        required("model_version", Schema::string()),
        required("predicted_at", Schema::string().format("date-time")),
        optional("warnings", names),
    });
}

}  // namespace tidegate::flood
