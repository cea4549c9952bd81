#include "audit/decision.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

namespace tidegate::audit {
namespace {

constexpr std::array<std::string_view, 5> kStatusNames{"success", "error", "refused", "timeout", "cancelled"};
constexpr std::array<std::string_view, 4> kCacheNames{"bypass", "miss", "hit", "stale"};

// Names that group Decisions: a database key has each of them, so they stay short.
constexpr std::size_t kNameBytesMax = 200;
// What a caller says about its input: 64 characters of any script.
constexpr std::size_t kTagBytesMax = 256;
// A whole answer with its segments for 50,000 characters is about 40 KiB; a transcript of an hour 1 MiB.
constexpr std::size_t kOutputBytesMax = 4 * 1024 * 1024;
constexpr std::size_t kErrorBytesMax = 4 * 1024;
constexpr std::size_t kListMax = 64;

void append_or_null(JsonWriter& writer, std::string_view name, std::string_view text) {
    writer.key(name);
    if (text.empty()) {
        writer.null();
    } else {
        writer.value(text);
    }
}

std::unexpected<Error> bad(std::string_view field, std::string_view why) {
    return fail(ErrorCode::kInvalidArgument, fmt::format("decision: {} {}", field, why));
}

bool lists_are_sound(const Decision& decision) {
    const auto short_name = [](std::string_view name) { return !name.empty() && name.size() <= kNameBytesMax; };
    return decision.stages.size() <= kListMax && decision.tags.size() <= kListMax &&
           std::ranges::all_of(decision.stages,
                               [&](const auto& stage) { return short_name(stage.name) && stage.us >= 0; }) &&
           std::ranges::all_of(decision.tags, [&](const auto& tag) {
               return short_name(tag.name) && tag.value.size() <= kTagBytesMax;
           });
}

}  // namespace

std::string_view to_string(Status status) noexcept {
    return kStatusNames[static_cast<std::size_t>(status)];
}
std::string_view to_string(CacheState state) noexcept {
    return kCacheNames[static_cast<std::size_t>(state)];
}

std::optional<Status> parse_status(std::string_view text) noexcept {
    for (std::size_t i = 0; i < kStatusNames.size(); ++i) {
        if (kStatusNames[i] == text) return static_cast<Status>(i);
    }
    return std::nullopt;
}

std::vector<StageLatency> stage_latencies(const observe::StageTimes& times) {
    std::vector<StageLatency> out;
    out.reserve(times.stages().size());
    for (const auto& stage : times.stages()) out.push_back({stage.name, std::max<std::int64_t>(0, stage.ns) / 1000});
    return out;
}

Decision own_event(std::string_view service, std::string_view operation, const Clock& clock, Random& random) {
    Decision event;
    event.kind = RecordKind::kEvent;
    event.id = make_uuid7(clock, random);
    event.request_id = to_string(event.id);
    event.service = service;
    event.operation = operation;
    event.latency_stated = event.input_size_stated = event.tokens_stated = false;
    return event;
}

std::string_view content_type_of(std::string_view operation) noexcept {
    const std::size_t slash = operation.rfind('/');
    return slash == std::string_view::npos ? operation : operation.substr(slash + 1);
}

void append_json(JsonWriter& writer, const Decision& decision) {
    writer.begin_object().field("id", to_string(decision.id)).field("request_id", decision.request_id);
    writer.field("time", format_rfc3339(decision.time()));
    append_or_null(writer, "tenant", decision.tenant);
    append_or_null(writer, "actor", decision.actor);
    writer.field("service", decision.service).field("operation", decision.operation);
    writer.field("input_hash", to_hex(decision.input_hash)).field("input_size", decision.stated_input_size());
    writer.field("model", decision.model).field("model_version", decision.model_version);
    writer.key("output").raw(decision.output.empty() ? std::string_view("null") : decision.output);
    append_or_null(writer, "band", decision.band);
    writer.field("confidence", decision.confidence).field("status", to_string(decision.status));
    append_or_null(writer, "error", decision.error);
    writer.field("latency_ms", decision.stated_latency_ms());
    writer.key("stages_ms").begin_object();
    for (const auto& stage : decision.stages) writer.field(stage.name, static_cast<double>(stage.us) / 1000);
    writer.end_object().field("cache", to_string(decision.cache));
    writer.key("spend_points").raw(to_string(decision.spend_points)).field("tokens", decision.stated_tokens());
    const bool traced = decision.trace_id != observe::TraceId{};
    append_or_null(writer, "trace_id", traced ? observe::trace_id_hex(decision.trace_id) : std::string());
    writer.key("tags").begin_object();
    for (const auto& tag : decision.tags) writer.field(tag.name, tag.value);
    writer.end_object().end_object();
}

std::string to_json(const Decision& decision) {
    std::string out;
    JsonWriter writer(out);
    append_json(writer, decision);
    return out;
}

Result<void> check(const Decision& decision) {
    if (decision.id.bytes[6] >> 4U != 7 || decision.id.bytes[8] >> 6U != 2) return bad("id", "is not a UUIDv7");
    if (!is_valid_request_id(decision.request_id))
        return bad("request_id", "must be 1 to 128 visible ASCII characters");
    if (decision.service.empty()) return bad("service", "is empty");
    if (decision.operation.empty()) return bad("operation", "is empty");
    for (const std::string* name : {&decision.tenant, &decision.actor, &decision.service, &decision.operation,
                                    &decision.model, &decision.model_version, &decision.band}) {
        if (name->size() > kNameBytesMax) return bad("a name", "is longer than 200 bytes");
    }
    if (decision.output.size() > kOutputBytesMax) return bad("output", "is over 4 MiB");
    if (decision.error.size() > kErrorBytesMax) return bad("error", "is over 4 KiB");
    if (decision.confidence && !(*decision.confidence >= 0 && *decision.confidence <= 1)) {
        return bad("confidence", "is not within 0 and 1");
    }
    if (decision.status == Status::kSuccess && !decision.error.empty()) return bad("error", "is set on a success");
    if (decision.status != Status::kSuccess && decision.error.empty()) return bad("error", "is missing on a failure");
    // So that the sums of 8 million of them in an hour still fit into 64 bits.
    constexpr std::int64_t kSumMax = std::int64_t{1} << 40;
    for (const std::int64_t number : {decision.latency_us, decision.spend_points.milli, decision.tokens}) {
        if (number < 0 || number > kSumMax)
            return bad("latency, spend or tokens", "is not within 0 and 2^40 (spend: thousandths)");
    }
    if (decision.input_size > (std::uint64_t{1} << 62U)) return bad("input_size", "is over 2^62");
    if ((!decision.input_size_stated && decision.input_size != 0) ||
        (!decision.latency_stated && decision.latency_us != 0) || (!decision.tokens_stated && decision.tokens != 0)) {
        return bad("input_size, latency or tokens", "is not stated and yet not 0");
    }
    if (!lists_are_sound(decision)) return bad("stages or tags", "are too many, unnamed or too long");
    return {};
}

}  // namespace tidegate::audit
