// POST /api/v1/predict/flood-risk and /api/v1/predict/batch
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>
#include <span>
#include <utility>

#include "base/json_writer.h"

#include "pipeline/context.h"
#include "services/flood/risk.h"

namespace tidegate::flood {
namespace {

using pipeline::ContextPtr;
using pipeline::FieldError;
using pipeline::required;
using pipeline::Schema;

constexpr std::uint64_t kPlaceBytesMax = 16 * 1024;  // A series of 240 numbers, twice.
constexpr std::uint64_t kBatchBytesMax = 64 * 1024 * 1024;
constexpr std::string_view kRiskExample =
    R"({"latitude":6.5244,"longitude":3.3792,"location_name":"Lagos","rainfall_mm":85.5,"temperature":28.5,"humidity":85,"rainfall_7d_mean":18.2,"rainfall_30d_mean":9.4})";

/// Counts one answer of the model, however it ends.
class Use {
  public:
    Use(ModelUse& use, const Clock& clock) : use_(use), clock_(clock), start_(clock.now()) {}
    void done(std::uint64_t answers, std::uint64_t failures) {
        use_.answers.fetch_add(answers, std::memory_order_relaxed);
        use_.failures.fetch_add(failures, std::memory_order_relaxed);
        use_.spent_ns.fetch_add(static_cast<std::uint64_t>((clock_.now() - start_).count()), std::memory_order_relaxed);
    }

  private:
    ModelUse& use_;
    const Clock& clock_;
    const SteadyTime start_;
};

/// A member more, behind others.
void append_warnings(std::string& out, const std::vector<std::string>& warnings) {
    if (warnings.empty()) return;
    out += R"(,"warnings":)";
    JsonWriter writer(out);
    writer.begin_array();
    for (const std::string& warning : warnings) writer.value(std::string_view(warning));
    writer.end_array();
}

/// What the record keeps of one risk.
void write_kept(JsonWriter& writer, const Risk& risk) {
    writer.begin_object().field("flood_probability", risk.probabilities[0]);
    writer.field("risk_level", to_string(risk.level)).field("method", risk.method);
    writer.key("interval").begin_array().value(risk.low).value(risk.high).end_array();
    if (!risk.basin.empty()) writer.field("basin", risk.basin);
    writer.end_object();
}

void answer_risk(const ContextPtr& context, Flood& flood) {
    Use use(flood.use_of(false), flood.clock());
    Prepared prepared;
    const auto basins = flood.basins();
    const UnixMillis now = flood.clock().unix_ms();
    auto wrong = read_place(context->body(), prepared.place);
    if (!wrong) wrong = prepare(prepared, *basins, now);
    if (wrong) {
        use.done(0, 1);
        return context->fail({*std::move(wrong)});
    }
    Risk risk;
    assess({&prepared, 1}, now, {&risk, 1});
    audit::Decision decision = context->make_decision(kService, "predict/flood-risk", context->raw_body());
    decision.model = kRiskModel;
    decision.model_version = risk.version;
    decision.band = to_string(risk.level);
    decision.confidence = risk.probabilities[0];
    JsonWriter kept(decision.output);
    write_kept(kept, risk);
    std::string body;
    body.reserve(1536);
    body.append(R"({"decision_id":")").append(to_string(decision.id)).append(R"(",)");
    append_risk(body, prepared, risk, format_rfc3339(now));
    append_warnings(body, context->warnings());
    body += '}';
    use.done(1, 0);
    context->end_stage("risk");
    std::vector<audit::Decision> decisions;
    decisions.push_back(std::move(decision));
    context->reply_recorded(std::move(decisions), std::move(body));
}

/// A batch on its way: those items that got as far as the model, and why the others did not.
struct Batch {
    std::vector<Prepared> places;
    std::vector<std::optional<FieldError>> errors;  // Of every item.
};

void read_item(json::Value item, const Schema& schema, const BasinSet& basins, UnixMillis now, Batch& batch) {
    pipeline::Findings findings;
    schema.validate(item, "", findings);
    std::optional<FieldError>& wrong = batch.errors.emplace_back();
    if (!findings.errors.empty()) {
        wrong = std::move(findings.errors.front());
        return;
    }
    Prepared& prepared = batch.places.emplace_back();
    wrong = read_place(item, prepared.place);
    if (!wrong) wrong = prepare(prepared, basins, now);
    if (wrong) batch.places.pop_back();
}

void append_item_error(std::string& out, const FieldError& error) {
    JsonWriter writer(out);
    writer.begin_object().field("status", "failed").key("error").begin_object();
    writer.field("error", "validation_failed").field("field", error.field).field("type", error.type);
    writer.field("message", error.field.empty() ? error.message : error.field + " " + error.message);
    writer.end_object().end_object();
}

/// The items of either name; nothing when the request was refused.
std::optional<json::Value> items_of(const ContextPtr& context) {
    const auto locations = context->body().find("locations");
    const auto predictions = context->body().find("predictions");
    if (locations && predictions) {
        context->fail({{"predictions", "is another name of locations: one of the two", "not_allowed"}});
        return std::nullopt;
    }
    if (!locations && !predictions) {
        context->fail({{"locations", "is missing", "missing"}});
        return std::nullopt;
    }
    return locations ? locations : predictions;
}

/// The risks of a batch, some at a time and in order.
class Risks {
  public:
    Risks(const std::vector<Prepared>& places, UnixMillis now)
        : places_(places), now_(now), risks_(std::min(places.size(), kAssessedMax)) {}
    /// Of the next place.
    const Risk& next() {
        if (at_ % kAssessedMax == 0) {
            const std::span<const Prepared> left = std::span(places_).subspan(at_);
            assess(left.first(std::min(left.size(), kAssessedMax)), now_, risks_);
        }
        return risks_[at_++ % kAssessedMax];
    }
    const Prepared& place() const { return places_[at_ - 1]; }

  private:
    const std::vector<Prepared>& places_;
    const UnixMillis now_;
    std::vector<Risk> risks_;
    std::size_t at_ = 0;
};

/// Four digits tell a probability; the whole batch stands in one record.
void append_four_digits(std::string& out, double probability) {
    const auto parts = static_cast<unsigned>(std::lround(std::clamp(probability, 0.0, 1.0) * 1e4));
    if (parts == 0 || parts == 10'000) {
        out += parts == 0 ? '0' : '1';
        return;
    }
    std::array<char, 6> text{'0', '.', '0', '0', '0', '0'};
    unsigned rest = parts;
    for (std::size_t i = 5; i > 1; --i, rest /= 10) text[i] = static_cast<char>('0' + rest % 10);
    std::size_t size = text.size();
    while (text[size - 1] == '0') --size;
    out.append(text.data(), size);
}

/// Answer and record of the items, in order: a risk or an error each; in the record the probability, or null.
Level append_items(const Batch& batch, UnixMillis now, std::string& body, std::string& kept) {
    Risks risks(batch.places, now);
    Level worst = Level::kVeryLow;
    bool is_first = true;
    for (const auto& error : batch.errors) {
        if (!std::exchange(is_first, false)) {
            body += ',';
            kept += ',';
        }
        if (error) {
            append_item_error(body, *error);
            kept += "null";
            continue;
        }
        const Risk& risk = risks.next();
        body += R"({"status":"succeeded",)";
        append_risk(body, risks.place(), risk, "");
        body += '}';
        append_four_digits(kept, risk.probabilities[0]);
        worst = std::max(worst, risk.level);
    }
    return worst;
}

void answer_batch(const ContextPtr& context, Flood& flood, const Schema& schema) {
    Use use(flood.use_of(false), flood.clock());
    const auto items = items_of(context);
    if (!items) return;
    const auto basins = flood.basins();
    const UnixMillis now = flood.clock().unix_ms();
    Batch batch;
    batch.places.reserve(items->size());
    batch.errors.reserve(items->size());
    items->each([&](json::Value item) { read_item(item, schema, *basins, now, batch); });
    const std::size_t total = batch.errors.size();
    const std::size_t succeeded = batch.places.size();
    // Its one Decision: level and probability of each place.
    audit::Decision decision = context->make_decision(kService, "predict/batch", context->raw_body());
    decision.model = kRiskModel;
    decision.model_version = kRiskVersion;
    decision.output = fmt::format(R"({{"total":{},"failed":{},"probabilities":[)", total, total - succeeded);
    std::string body;
    body.reserve(256 + total * 900);
    fmt::format_to(std::back_inserter(body),
                   R"({{"batch_id":"{}","total":{},"succeeded":{},"failed":{},"predicted_at":"{}","predictions":[)",
                   to_string(decision.id), total, succeeded, total - succeeded, format_rfc3339(now));
    const Level worst = append_items(batch, now, body, decision.output);
    decision.output += "]}";
    decision.band = succeeded == 0 ? std::string_view() : to_string(worst);
    body += ']';
    append_warnings(body, context->warnings());
    body += '}';
    use.done(succeeded, total - succeeded);
    context->end_stage("risk");
    std::vector<audit::Decision> decisions;
    decisions.push_back(std::move(decision));
    context->reply_recorded(std::move(decisions), std::move(body));
}

Schema batch_answer_schema() {
    return Schema::object({
        required("batch_id", Schema::string().format("uuid").doc("Also the id of the decision in the record.")),
        required("total", Schema::integer()),
        required("succeeded", Schema::integer()),
        required("failed", Schema::integer()),
        required("predicted_at", Schema::string().format("date-time")),
        required(
            "predictions",
            Schema::array(Schema::object({required("status", Schema::string().one_of({"succeeded", "failed"}))}).open())
                .doc("In the order of the request: as POST /api/v1/predict/flood-risk answers, or `error` alone.")),
        pipeline::optional("warnings", Schema::array(Schema::string())),
    });
}

/// Risks hold until a basin is loaded anew: reload() drops them by this tag.
pipeline::KeptAnswer kept_for(Duration ttl) {
    constexpr unsigned kDecimals = 4;  // Ten metres of place, a tenth of a thousandth of a mm.
    return {.ttl = ttl,
            .decimals = kDecimals,
            .tags = {"model:" + std::string(kRiskModel)},
            .version = std::string(kRiskVersion) + " " + kIndicativeVersion};
}

}  // namespace

void register_risk_routes(std::vector<pipeline::Route>& routes, Flood& flood) {
    routes.push_back({
        .method = http::Method::kPost,
        .path = "/api/v1/predict/flood-risk",
        .operation = "predict_flood_risk",
        .family = "flood",
        .summary = "How likely is a flood here? A probability with its interval, its level and what drives it.",
        .work = pipeline::Work::kCpu,
        .request = place_schema(),
        .response = risk_schema(),
        .spend_points = Points::whole(1),
        .keep = kept_for(flood.settings().risk_ttl),
        .scopes = {"flood:predict"},
        .body_bytes_max = kPlaceBytesMax,
        .example = std::string(kRiskExample),
        .handler = [&flood](const ContextPtr& context) { answer_risk(context, flood); },
    });
    const std::uint32_t items_max = flood.settings().batch_items_max;
    // Any: what is no place at all fails alone, too.
    const Schema items = Schema::array(Schema::any()).size(1, items_max);
    routes.push_back({
        .method = http::Method::kPost,
        .path = "/api/v1/predict/batch",
        .operation = "predict_batch",
        .family = "flood",
        .summary = "The risks of many places; one that cannot be judged gets an error of its own, never a level.",
        .work = pipeline::Work::kCpu,
        .request =
            Schema::object({pipeline::optional("locations", items.doc("As the body of POST predict/flood-risk.")),
                            pipeline::optional("predictions", items.doc("Another name of locations."))}),
        .response = batch_answer_schema(),
        .spend_points = Points::whole(5),
        .keep = kept_for(flood.settings().batch_ttl),
        .scopes = {"flood:predict"},
        .body_bytes_max = std::min(kBatchBytesMax, items_max * kPlaceBytesMax),
        .example = fmt::format(R"({{"locations":[{}]}})", kRiskExample),
        .handler = [&flood,
                    schema = place_schema()](const ContextPtr& context) { answer_batch(context, flood, schema); },
    });
}

}  // namespace tidegate::flood
