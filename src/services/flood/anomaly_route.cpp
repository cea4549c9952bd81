// POST /api/v1/predict/anomaly
#include <algorithm>
#include <array>
#include <cmath>

#include "pipeline/context.h"
#include "services/flood/flood.h"

namespace tidegate::flood {
namespace {

using pipeline::ContextPtr;
using pipeline::optional;
using pipeline::required;
using pipeline::Schema;

constexpr std::uint64_t kBodyBytesMax = 64 * 1024;
constexpr std::string_view kAnomalyExample =
    R"({"device_id":"bridge-1","timestamp":"2026-01-31T12:00:00Z","water_level_cm":84.2,"rainfall_mm":0,"temperature":6.5,"humidity":81,"battery_voltage":3.9})";
/// Members by name; any other goes into `values`.
constexpr std::array<std::string_view, 14> kFields{"water_level_cm",   "water_level_m",        "river_stage_m",
                                                   "flow_m3s",         "rainfall_mm",          "temperature",
                                                   "humidity",         "battery_voltage",      "soil_moisture",
                                                   "turbidity_ntu",    "conductivity_us_cm",   "signal_strength",
                                                   "rainfall_7d_mean", "temperature_deviation"};
constexpr std::size_t kNameMax = 64;

Schema request_schema() {
    std::vector<Schema::Member> members{
        required("device_id", Schema::string().size(1, 128)),
        required("timestamp", Schema::string().format("date-time").doc("Of the reading; after the device's last one.")),
        optional("location_name", Schema::string().size(0, 200)),
        optional("rain_upstream_mm", Schema::number().range(0, 2000).nullable().doc(
                                         "Of the last hours: a rise is an event then, no fault.")),
        optional("values", Schema::object({}).open().doc("Further fields of the device: name to number or null.")),
        optional("ranges", Schema::object({}).open().doc(
                               "Of fields in this reading, what can be measured: name to [low, high]. Kept for the "
                               "readings after it; what lies outside is a fault.")),
    };
    for (const std::string_view name : kFields) {
        members.push_back(optional(std::string(name), Schema::number().nullable()));
    }
    return Schema::object(std::move(members));
}

/// Two numbers, the first one less.
std::optional<Span> range_of(json::Value value) {
    std::vector<double> ends;
    bool sound = value.kind() == json::Kind::kArray;
    if (sound) {
        value.each([&](json::Value end) {
            sound = sound && end.is_number() && std::isfinite(end.as_double());
            if (sound && ends.size() < 3) ends.push_back(end.as_double());
        });
    }
    if (!sound || ends.size() != 2 || ends[0] >= ends[1]) return std::nullopt;
    return Span{ends[0], ends[1]};
}

/// The declared ranges, to their fields. An error names what is wrong.
std::optional<pipeline::FieldError> read_ranges(json::Value body, std::vector<FieldReading>& fields) {
    std::optional<pipeline::FieldError> wrong;
    const auto ranges = body.find("ranges");
    if (!ranges) return wrong;
    ranges->each_member([&](std::string_view name, json::Value value) {
        if (wrong) return;
        const auto field = std::ranges::find(fields, name, &FieldReading::name);
        if (field == fields.end()) {
            wrong = {"ranges", "names a field that is not in this reading", "not_allowed"};
            return;
        }
        field->range = range_of(value);
        if (!field->range) wrong = {"ranges", "holds what is not [low, high] with low < high", "wrong_type"};
    });
    return wrong;
}

/// What the device sent. An error names the field.
std::optional<pipeline::FieldError> read_fields(json::Value body, std::vector<FieldReading>& out) {
    const auto add = [&](std::string_view name, json::Value value) {
        out.push_back(
            {.name = name, .value = value.is_number() ? value.as_double() : std::nan(""), .range = std::nullopt});
    };
    for (const std::string_view name : kFields) {
        if (const auto value = body.find(name)) add(name, *value);
    }
    std::optional<pipeline::FieldError> wrong;
    if (const auto values = body.find("values")) {
        values->each_member([&](std::string_view name, json::Value value) {
            if (wrong) return;
            const auto is_it = [&](const FieldReading& one) { return one.name == name; };
            if (name.empty() || name.size() > kNameMax) {
                wrong = {"values", "holds a name that is empty or longer than 64 bytes", "not_allowed"};
            } else if (!value.is_number() && value.kind() != json::Kind::kNull) {
                wrong = {"values", "holds what is neither a number nor null", "wrong_type"};
            } else if (std::ranges::any_of(out, is_it)) {
                wrong = {"values", "holds a field twice", "not_allowed"};
            } else {
                add(name, value);
            }
        });
    }
    if (!wrong && out.empty()) wrong = {"", "holds no measured field", "missing"};
    if (!wrong && out.size() > Device::kFieldsMax) wrong = {"values", "holds too many fields", "too_long"};
    return wrong ? wrong : read_ranges(body, out);
}

void write_flags(JsonWriter& writer, const FieldFlags& flags) {
    writer.key("quality_flags").begin_object().field("gross_range", to_string(flags.gross_range));
    writer.field("spike", to_string(flags.spike)).field("rate_of_change", to_string(flags.rate_of_change));
    writer.field("flat_line", to_string(flags.flat_line)).field("gap", to_string(flags.gap)).end_object();
}

std::string_view advice(const Verdict& verdict) {
    if (verdict.requires_maintenance) return "Send somebody to look at the device; do not use its values until then.";
    if (verdict.state == State::kFault) return "Do not use this value; wait for the next readings.";
    const auto follows_pattern = [](const FieldVerdict& field) {
        return field.state != State::kUnsure || field.detector == Detector::kPattern;
    };
    if (verdict.state == State::kUnsure && std::ranges::all_of(verdict.fields, follows_pattern)) {
        return "Look at what happened there: the values do not go on as before.";
    }
    if (verdict.state == State::kUnsure) return "Compare with rain and neighbouring gauges: a flood or a fault.";
    if (verdict.state == State::kEvent) return "The water rises with the rain: look at the flood risk of the place.";
    return "None.";
}

void write_verdict(JsonWriter& writer, const Verdict& verdict) {
    writer.field("is_anomaly", verdict.is_anomaly).field("anomaly_score", verdict.score);
    writer.field("threshold", verdict.threshold).field("severity", to_string(verdict.severity));
    // One less the chance that a usual reading of this device is so far off. What is impossible or stuck has no chance to tell.
    writer.key("confidence");
    verdict.is_anomaly&& verdict.score > 0 ? writer.value(1 - std::pow(10, -verdict.score)) : writer.null();
    writer.field("state", to_string(verdict.state)).key("anomalous_features").begin_array();
    for (const FieldVerdict& field : verdict.fields) {
        if (field.state == State::kFault || field.state == State::kUnsure) writer.value(std::string_view(field.name));
    }
    writer.end_array();
    write_flags(writer, verdict.flags);
    writer.field("requires_maintenance", verdict.requires_maintenance).key("reasons").begin_array();
    for (const std::string& reason : verdict.reasons) writer.value(std::string_view(reason));
    writer.end_array().key("fields").begin_array();
    for (const FieldVerdict& field : verdict.fields) {
        writer.begin_object().field("name", field.name).field("value", field.value).field("expected", field.expected);
        writer.field("score", field.score).field("threshold", field.threshold);
        writer.field("detector", to_string(field.detector)).field("state", to_string(field.state));
        write_flags(writer, field.flags);
        writer.end_object();
    }
    writer.end_array();
    writer.field("recommended_action", advice(verdict)).field("model_version", kAnomalyVersion);
}

void answer(const ContextPtr& context, Flood& flood) {
    const json::Value body = context->body();
    std::vector<FieldReading> fields;
    const SteadyTime start = flood.clock().now();
    if (auto wrong = read_fields(body, fields)) return context->fail({*std::move(wrong)});
    // Checked by the schema already.
    Reading reading{.time = parse_rfc3339(body.find("timestamp")->as_string()).value_or(0), .fields = fields};
    if (const auto rain = body.find("rain_upstream_mm"); rain && rain->is_number()) {
        reading.rain_upstream_mm = rain->as_double();
    }
    audit::Decision decision = context->make_decision(kService, "predict/anomaly", context->raw_body());
    ModelUse& use = flood.use_of(true);
    const auto verdict = flood.take(decision.tenant, body.find("device_id")->as_string(), reading);
    use.spent_ns.fetch_add(static_cast<std::uint64_t>((flood.clock().now() - start).count()));
    (verdict ? use.answers : use.failures).fetch_add(1);
    if (!verdict) return context->fail(verdict.error());
    decision.model = kAnomalyModel;
    decision.model_version = kAnomalyVersion;
    decision.band = to_string(verdict->severity);
    JsonWriter kept(decision.output);
    kept.begin_object().field("is_anomaly", verdict->is_anomaly).field("state", to_string(verdict->state));
    kept.field("anomaly_score", verdict->score)
        .field("requires_maintenance", verdict->requires_maintenance)
        .end_object();
    std::string out;
    JsonWriter writer(out);
    writer.begin_object().field("decision_id", to_string(decision.id));
    writer.field("device_id", body.find("device_id")->as_string());
    write_verdict(writer, *verdict);
    writer.field("detected_at", format_rfc3339(flood.clock().unix_ms())).key("warnings").begin_array();
    for (const std::string& warning : context->warnings()) writer.value(std::string_view(warning));
    writer.end_array().end_object();
    context->end_stage("anomaly");
    std::vector<audit::Decision> decisions;
    decisions.push_back(std::move(decision));
    context->reply_recorded(std::move(decisions), std::move(out));
}

Schema flags_schema() {
    const Schema flag = Schema::string().one_of({"good", "not_evaluated", "suspect", "fail", "missing"});
    return Schema::object({required("gross_range", flag),
                           required("spike", flag.doc("Of the reading before: its neighbours are known now.")),
                           required("rate_of_change", flag), required("flat_line", flag), required("gap", flag)});
}

Schema answer_schema() {
    const Schema state = Schema::string().one_of({"normal", "learning", "unsure", "hydrological_event", "fault"});
    return Schema::object({
        required("decision_id", Schema::string().format("uuid")),
        required("device_id", Schema::string()),
        required("is_anomaly", Schema::boolean()),
        required("anomaly_score",
                 Schema::number().doc("-log10 of the chance of such a reading by the device's own past, of the field "
                                      "that is nearest to its threshold or farthest over it.")),
        required("threshold", Schema::number().doc("Of that field's detector.")),
        required("severity", Schema::string().one_of({"normal", "low", "medium", "high"})),
        required("confidence", Schema::number().range(0, 1).nullable().doc("Of an anomaly by its score; else null.")),
        required("state", state),
        required("anomalous_features", Schema::array(Schema::string())),
        required("quality_flags", flags_schema().doc("The worst of all fields, as QARTOD names them.")),
        required("requires_maintenance", Schema::boolean()),
        required("reasons", Schema::array(Schema::string())),
        required(
            "fields",
            Schema::array(Schema::object({
                required("name", Schema::string()),
                required("value", Schema::number().nullable()),
                required("expected", Schema::number().nullable()),
                required("score", Schema::number()),
                required("threshold", Schema::number()),
                required("detector",
                         Schema::string().one_of({"trend", "pattern"}).doc("pattern: of a field of no known kind.")),
                required("state", state),
                required("quality_flags", flags_schema()),
            }))),
        required("recommended_action", Schema::string()),
        required("model_version", Schema::string()),
        required("detected_at", Schema::string().format("date-time")),
        required("warnings", Schema::array(Schema::string())),
    });
}

}  // namespace

void register_anomaly_route(std::vector<pipeline::Route>& routes, Flood& flood) {
    routes.push_back({
        .method = http::Method::kPost,
        .path = "/api/v1/predict/anomaly",
        .operation = "predict_anomaly",
        .family = "flood",
        .summary = "Can this reading of a sensor be believed? Judged by the device's own past.",
        .work = pipeline::Work::kCpu,
        .request = request_schema(),
        .response = answer_schema(),
        .spend_points = Points::whole(1),
        // The same reading sent again gets the same answer: nobody counts a retry as a new one.
        .keep = pipeline::KeptAnswer{.ttl = flood.settings().anomaly_ttl,
                                     .tags = {"model:" + std::string(kAnomalyModel)},
                                     .version = std::string(kAnomalyVersion)},
        .scopes = {"flood:predict"},
        .body_bytes_max = kBodyBytesMax,
        .example = std::string(kAnomalyExample),
        .handler = [&flood](const ContextPtr& context) { answer(context, flood); },
    });
}

}  // namespace tidegate::flood
