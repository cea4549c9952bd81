// What a request about a place looks like, and its answer.
#include "services/flood/risk.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <utility>

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

/// Text into a buffer of its own, given to the answer in one piece: the parts of one risk are thirty, and a batch has hundreds of risks.
class Text {
  public:
    explicit Text(std::string& out) : out_(out) {}
    ~Text() { flush(); }
    Text(const Text&) = delete;
    Text& operator=(const Text&) = delete;

    Text& operator<<(std::string_view text) {
        make_room(text.size());
        if (text.size() > kRoom) {
            out_ += text;
        } else {
            std::memcpy(at_, text.data(), text.size());
            at_ += text.size();
        }
        return *this;
    }
    Text& operator<<(char letter) {
        make_room(1);
        *at_++ = letter;
        return *this;
    }
    /// Six decimals: a probability is not known better.
    Text& operator<<(double value) {
        if (!(std::abs(value) < 1e9)) {
            flush();
            append_json_number(out_, value);
            return *this;
        }
        constexpr std::size_t kNumberMax = 24;
        make_room(kNumberMax);
        auto millionths = static_cast<std::int64_t>(value * 1e6 + std::copysign(0.5, value));
        if (millionths < 0) {
            *at_++ = '-';
            millionths = -millionths;
        }
        at_ = std::to_chars(at_, end(), millionths / 1'000'000).ptr;
        auto rest = static_cast<std::uint32_t>(millionths % 1'000'000);
        if (rest == 0) return *this;
        at_[0] = '.';
        for (std::size_t i = 6; i > 0; --i, rest /= 10) at_[i] = static_cast<char>('0' + rest % 10);
        at_ += 7;
        while (at_[-1] == '0') --at_;
        return *this;
    }
    /// For what is written by others.
    std::string& flush() {
        out_.append(buffer_.data(), static_cast<std::size_t>(at_ - buffer_.data()));
        at_ = buffer_.data();
        return out_;
    }

  private:
    static constexpr std::size_t kRoom = 2048;  // More than a risk takes.
    char* end() noexcept { return buffer_.data() + buffer_.size(); }
    void make_room(std::size_t size) {
        if (static_cast<std::size_t>(end() - at_) < size) flush();
    }

    std::string& out_;
    std::array<char, kRoom> buffer_;
    char* at_ = buffer_.data();
};

void write_list(Text& text, std::span<const double> numbers) {
    char before = '[';
    for (const double number : numbers) {
        text << before << number;
        before = ',';
    }
    text << ']';
}

/// Names of our own need no escapes.
template <class Names, class Name>
void write_names(Text& text, const Names& names, Name&& name_of) {
    text << '[';
    bool is_first = true;
    for (const auto& one : names) {
        const std::string_view name = name_of(one);
        if (name.empty()) continue;
        text << (std::exchange(is_first, false) ? R"(")" : R"(,")") << name << '"';
    }
    text << ']';
}

void write_drivers(Text& text, const Risk& risk) {
    text << R"(,"drivers":[)";
    bool is_first = true;
    for (const Driver& driver : risk.drivers) {
        text << (std::exchange(is_first, false) ? R"({"name":")" : R"(,{"name":")") << driver.name << R"(","value":)";
        if (driver.value) {
            text << *driver.value;
        } else {
            text << "null";
        }
        text << R"(,"contribution":)" << driver.contribution << '}';
    }
    text << R"(],"top_contributing_factors":)";
    write_names(text, risk.drivers,
                [](const Driver& one) { return one.contribution > 0 ? one.name : std::string_view(); });
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
    // One walk: a batch asks for thousands of members. Most clients send them in this order.
    std::size_t next = 0;
    object.each_member([&](std::string_view name, json::Value value) {
        if (value.is_number()) {
            for (std::size_t tried = 0; tried < numbers.size(); ++tried) {
                const auto& [known, target] = numbers[next];
                next = (next + 1) % numbers.size();
                if (known != name) continue;
                if (!*target) *target = value.as_double();
                break;
            }
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
        series->each([&](json::Value mm) { place.rainfall_series.push_back(mm.as_double()); });
    } else if (rain) {
        place.rainfall_mm = *rain;
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
    Text text(out);
    if (!prepared.place.name.empty()) {
        append_json_string((text << R"("location_name":)").flush(), prepared.place.name);
        text << ',';
    }
    text << R"("flood_probability":)" << p << R"(,"risk_score":)" << std::round(p * 1000) / 10;
    text << R"(,"risk_level":")" << to_string(risk.level) << R"(","confidence":)" << confidence_of(risk);
    text << R"(,"interval":)";
    write_list(text, std::array<double, 2>{risk.low, risk.high});
    text << R"(,"method":")" << risk.method << '"';
    // Its letters are checked when it is loaded.
    if (!risk.basin.empty()) text << R"(,"basin":")" << risk.basin << '"';
    text << R"(,"return_period_probabilities":{"2":)" << p << R"(,"5":)" << risk.probabilities[1];
    text << R"(,"20":)" << risk.probabilities[2] << '}';
    if (risk.flow_m3s) {
        text << R"(,"flow_m3s":)";
        write_list(text, *risk.flow_m3s);
    }
    if (risk.observation_age_s) text << R"(,"observation_age_s":)" << *risk.observation_age_s;
    text << R"(,"log_odds":)" << risk.log_odds << R"(,"baseline":)" << risk.baseline;
    write_drivers(text, risk);
    const auto as_it_is = [](std::string_view name) { return name; };
    text << R"(,"recommended_action":)" << advice(risk.level) << R"(,"missing_inputs":)";
    write_names(text, risk.missing, as_it_is);
    text << R"(,"unused_inputs":)";
    write_names(text, risk.unused, as_it_is);
    text << R"(,"model_version":")" << risk.version << '"';
    if (!predicted_at.empty()) text << R"(,"predicted_at":")" << predicted_at << '"';
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
