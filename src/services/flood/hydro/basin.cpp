#include "services/flood/hydro/basin.h"

#include <algorithm>

#include "base/json.h"
#include "base/json_writer.h"

namespace tidegate::flood {
namespace {

constexpr int kFormat = 1;

void write_numbers(JsonWriter& json, std::string_view name, std::span<const double> numbers) {
    json.key(name).begin_array();
    for (const double number : numbers) json.value(number);
    json.end_array();
}

std::array<double, 8> list_of(const HydroParameters& p) {
    return {p.production_mm, p.exchange_mm, p.routing_mm,    p.base_steps,
            p.melt_mm,       p.cold_memory, p.band_spread_c, p.precip_factor};
}

void write_errors(JsonWriter& json, const ErrorModel& errors) {
    json.key("errors").begin_object();
    json.field("memory_steps", errors.memory_steps).field("fresh", errors.fresh);
    json.field("width_unobserved", errors.width_unobserved);
    write_numbers(json, "bias", errors.bias);
    write_numbers(json, "width", errors.width);
    write_numbers(json, "knots", errors.knots);
    json.end_object();
}

void write_state(JsonWriter& json, const Basin& basin) {
    const HydroState& state = basin.state;
    json.key("state").begin_object().field("time_ms", basin.state_time);
    json.field("production", state.production).field("routing", state.routing);
    write_numbers(json, "slow", state.slow);
    write_numbers(json, "quick", state.quick);
    write_numbers(json, "snow", state.snow);
    write_numbers(json, "cold", state.cold);
    json.field("log_sim", basin.last_log_sim).field("error", basin.last_error);
    json.field("age_steps", basin.last_age_steps).field("flow_mm", basin.last_flow_mm).end_object();
}

/// Reads members by name; the first that is missing or no number is remembered.
class Reader {
  public:
    explicit Reader(json::Value object) : object_(object) {}

    double number(std::string_view name) {
        const auto found = object_.find(name);
        if (found && found->is_number()) return found->as_double();
        if (!found || found->kind() != json::Kind::kNull) sound_ = false;
        return std::numeric_limits<double>::quiet_NaN();  // JSON has no NaN: null stands for it.
    }
    void numbers(std::string_view name, std::span<double> out) {
        const auto found = object_.find(name);
        if (!found || found->kind() != json::Kind::kArray || found->size() != out.size()) {
            sound_ = false;
            return;
        }
        std::size_t at = 0;
        found->each([&](json::Value value) {
            if (value.is_number()) {
                out[at++] = value.as_double();
            } else {
                sound_ = false;
            }
        });
    }
    std::string text(std::string_view name) {
        const auto found = object_.find(name);
        if (found && found->kind() == json::Kind::kString) return std::string(found->as_string());
        sound_ = false;
        return {};
    }
    std::optional<json::Value> object(std::string_view name) {
        const auto found = object_.find(name);
        if (found && found->kind() == json::Kind::kObject) return found;
        sound_ = false;
        return std::nullopt;
    }
    bool sound() const noexcept { return sound_; }

  private:
    json::Value object_;
    bool sound_ = true;
};

bool read_head(Reader& reader, Basin& basin) {
    if (reader.number("format") != kFormat) return false;
    basin.id = reader.text("id");
    basin.version = reader.text("version");
    basin.area_km2 = reader.number("area_km2");
    basin.latitude = reader.number("latitude");
    basin.longitude = reader.number("longitude");
    basin.step_hours = reader.number("step_hours");
    basin.response_steps = reader.number("response_steps");
    basin.has_temperature = reader.number("has_temperature") != 0;
    std::array<double, 8> p{};
    reader.numbers("parameters", p);
    basin.parameters = {p[0], p[1], p[2], p[3], p[4], p[5], p[6], p[7]};
    std::array<double, 6> thresholds{};
    reader.numbers("thresholds", thresholds);
    basin.thresholds = {thresholds[0],
                        {thresholds[1], thresholds[2], thresholds[3]},
                        thresholds[4],
                        static_cast<std::uint32_t>(std::clamp(thresholds[5], 0.0, 1e4))};
    std::array<double, 3> fit{};
    reader.numbers("fit", fit);
    basin.fit = {fit[0], fit[1], static_cast<std::uint32_t>(std::clamp(fit[2], 0.0, 1e7))};
    std::array<double, 36> usual{};
    reader.numbers("usual", usual);
    for (std::size_t i = 0; i < 12; ++i) basin.usual[i] = {usual[3 * i], usual[3 * i + 1], usual[3 * i + 2]};
    return reader.sound() && basin.area_km2 > 0 && (basin.step_hours == 24 || basin.step_hours == 1);
}

bool read_errors(Reader& head, Basin& basin) {
    const auto object = head.object("errors");
    if (!object) return false;
    Reader reader(*object);
    ErrorModel& errors = basin.errors;
    errors.memory_steps = reader.number("memory_steps");
    errors.fresh = reader.number("fresh");
    reader.numbers("bias", errors.bias);
    errors.width_unobserved = reader.number("width_unobserved");
    reader.numbers("width", errors.width);
    reader.numbers("knots", errors.knots);
    return reader.sound() && errors.memory_steps > 0 && std::ranges::is_sorted(errors.knots);
}

bool read_state(Reader& head, Basin& basin) {
    const auto object = head.object("state");
    if (!object) return false;
    Reader reader(*object);
    HydroState& state = basin.state;
    basin.state_time = static_cast<UnixMillis>(reader.number("time_ms"));
    state.production = reader.number("production");
    state.routing = reader.number("routing");
    reader.numbers("slow", state.slow);
    reader.numbers("quick", state.quick);
    reader.numbers("snow", state.snow);
    reader.numbers("cold", state.cold);
    basin.last_log_sim = reader.number("log_sim");
    const double error = reader.number("error");
    if (std::isfinite(error)) basin.last_error = error;
    basin.last_age_steps = reader.number("age_steps");
    basin.last_flow_mm = reader.number("flow_mm");
    return reader.sound() && std::isfinite(state.production + state.routing + basin.last_log_sim);
}

}  // namespace

Standing standing_of(const Basin& basin) noexcept {
    return {basin.state, basin.last_log_sim, basin.last_error, basin.last_age_steps};
}

void forecast(const Basin& basin, const HydroModel& model, const Standing& now, std::span<const Weather> ahead,
              std::span<FlowForecast> out) noexcept {
    HydroState state = now.state;
    double water = 0;
    for (std::size_t i = 0; i < ahead.size(); ++i) {
        water = std::max(water, ahead[i].precip_mm);
        const double flow = model.step(state, ahead[i]);
        if (i >= out.size()) continue;
        FlowForecast& at = out[i];
        at.lead = static_cast<double>(i + 1);
        at.inputs.log_sim = std::log(flow + kFlowFloorMm);
        at.inputs.change = at.inputs.log_sim - now.log_sim;
        at.inputs.water_mm = water;
        at.inputs.last_error = now.error.value_or(0);
        at.inputs.lead = now.error ? now.age_steps + at.lead : std::numeric_limits<double>::infinity();
        at.spread = basin.errors.spread(at.inputs);
    }
}

std::string to_json(const Basin& basin) {
    std::string out;
    JsonWriter json(out);
    json.begin_object().field("format", kFormat).field("id", basin.id).field("version", basin.version);
    json.field("area_km2", basin.area_km2).field("latitude", basin.latitude).field("longitude", basin.longitude);
    json.field("step_hours", basin.step_hours).field("response_steps", basin.response_steps);
    json.field("has_temperature", basin.has_temperature ? 1 : 0);
    write_numbers(json, "parameters", list_of(basin.parameters));
    const FlowThresholds& t = basin.thresholds;
    write_numbers(json, "thresholds",
                  std::array<double, 6>{t.q98, t.levels[0], t.levels[1], t.levels[2], t.two_year_error,
                                        static_cast<double>(t.years)});
    write_numbers(
        json, "fit",
        std::array<double, 3>{basin.fit.nse_simulated, basin.fit.nse_corrected, static_cast<double>(basin.fit.rows)});
    json.key("usual").begin_array();
    for (const UsualWeather& month : basin.usual) json.value(month.precip_mm).value(month.pet_mm).value(month.temp_c);
    json.end_array();
    write_errors(json, basin.errors);
    write_state(json, basin);
    json.end_object();
    return out;
}

Result<Basin> basin_from_json(std::string_view text) {
    const auto document = json::parse(text);
    if (!document || document->root().kind() != json::Kind::kObject) {
        return fail(ErrorCode::kDataLoss, "a stored basin is not readable");
    }
    Basin basin;
    Reader reader(document->root());
    const bool sound = read_head(reader, basin) && read_errors(reader, basin) && read_state(reader, basin);
    if (!sound) return fail(ErrorCode::kDataLoss, "a stored basin is damaged or of another version");
    return basin;
}

}  // namespace tidegate::flood
