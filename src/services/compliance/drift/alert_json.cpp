#include "services/compliance/drift/alert_json.h"

#include "base/clock.h"
#include "base/hash.h"

namespace tidegate::compliance {
namespace {

using drift::Alert;
using drift::AlertState;
using drift::Evidence;
using drift::FeatureLook;
using drift::Look;
using drift::Stream;

void append_moved(JsonWriter& writer, const std::vector<drift::MovedCell>& moved) {
    writer.begin_array();
    for (const drift::MovedCell& cell : moved) {
        writer.begin_object().field("cell", cell.cell).field("before", cell.before).field("now", cell.now);
        writer.field("contribution", cell.contribution).end_object();
    }
    writer.end_array();
}

void append_evidence(JsonWriter& writer, const Evidence& evidence) {
    writer.begin_object().field("test", evidence.test).field("statistic", evidence.statistic);
    writer.field("effect", evidence.effect).field("p", evidence.p).field("threshold", evidence.threshold);
    writer.field("n", evidence.n).field("reference_n", evidence.m).field("contribution", evidence.contribution);
    append_moved(writer.key("what_changed"), evidence.moved);
    writer.end_object();
}

void append_result(JsonWriter& writer, const drift::TestResult& result, bool decides) {
    writer.begin_object().field("test", to_string(result.kind)).field("decides", decides);
    writer.field("n", result.n).field("reference_n", result.m).field("enough", result.enough);
    writer.field("statistic", result.statistic).field("p", result.p).field("threshold", result.threshold);
    writer.field("effect", result.effect).field("effect_min", result.effect_min);
    if (!result.note.empty()) writer.field("note", result.note);
    writer.end_object();
}

void append_feature(JsonWriter& writer, const FeatureLook& feature) {
    writer.begin_object().field("feature", feature.feature).field("drifted", feature.drifted);
    writer.field("p", feature.p).field("p_adjusted", feature.p_adjusted).field("contribution", feature.contribution);
    writer.key("tests").begin_array();
    for (std::size_t i = 0; i < feature.results.size(); ++i) append_result(writer, feature.results[i], i == 0);
    writer.end_array();
    if (!feature.moved.empty()) append_moved(writer.key("what_changed"), feature.moved);
    writer.end_object();
}

void append_look(JsonWriter& writer, const Look& look) {
    if (look.number == 0) {
        writer.null();
        return;
    }
    writer.begin_object().field("number", look.number).field("at", format_rfc3339(look.at)).field("n", look.n);
    writer.field("level", look.level).key("features").begin_array();
    for (const FeatureLook& feature : look.features) append_feature(writer, feature);
    writer.end_array().end_object();
}

void append_baseline(JsonWriter& writer, const drift::Baseline& baseline) {
    writer.begin_object().field("number", baseline.number).field("from", format_rfc3339(baseline.from));
    writer.field("to", format_rfc3339(baseline.to)).field("n", baseline.n).field("reason", baseline.reason);
    writer.key("features").begin_array();
    for (const drift::FeatureSummary& one : baseline.features) {
        writer.begin_object().field("feature", one.feature).field("n", one.n);
        const bool numeric = one.feature != "band" && one.feature != "language" && one.feature != "error_rate";
        if (numeric) writer.field("mean", one.mean).field("deviation", one.deviation);
        writer.end_object();
    }
    writer.end_array().end_object();
}

}  // namespace

std::string stream_id(const drift::StreamKey& key) {
    std::string text;
    for (const std::string* part : {&key.service, &key.operation, &key.model, &key.tenant, &key.segment}) {
        text += std::to_string(part->size()) + ":" + *part;
    }
    return to_hex(sha256(text)).substr(0, 16);
}

void append_json(JsonWriter& writer, const Alert& alert) {
    const drift::AlertKey& key = alert.key;
    writer.begin_object().field("id", alert.id).field("state", to_string(alert.state));
    writer.field("stream", stream_id({key.service, key.operation, key.model, key.tenant, key.segment}));
    writer.field("service", key.service).field("operation", key.operation).field("model", key.model);
    writer.field("tenant", key.tenant).field("segment", key.segment).field("feature", key.feature);
    writer.field("opened_at", format_rfc3339(alert.opened)).field("last_seen_at", format_rfc3339(alert.last_seen));
    writer.key("suppressed_until");
    if (alert.state == AlertState::kSuppressed) {
        writer.value(format_rfc3339(alert.suppressed_until));
    } else {
        writer.null();
    }
    writer.field("seen", alert.seen);
    append_evidence(writer.key("latest"), alert.latest);
    append_evidence(writer.key("worst"), alert.worst);
    writer.key("history").begin_array();
    for (const drift::AlertChange& change : alert.history) {
        writer.begin_object().field("at", format_rfc3339(change.at)).field("from", to_string(change.from));
        writer.field("to", to_string(change.to)).field("actor", change.actor).field("note", change.note).end_object();
    }
    writer.end_array().end_object();
}

std::string to_json(const Alert& alert) {
    std::string out;
    JsonWriter writer(out);
    append_json(writer, alert);
    return out;
}

void append_json(JsonWriter& writer, const Stream& stream, const drift::MonitorOptions& options) {
    const drift::StreamKey& key = stream.key();
    writer.begin_object().field("id", stream_id(key)).field("service", key.service);
    writer.field("operation", key.operation).field("model", key.model).field("tenant", key.tenant);
    writer.field("segment", key.segment).field("state", stream.watching() ? "watching" : "collecting");
    writer.field("decisions", stream.decisions()).field("last_at", format_rfc3339(stream.last_at()));
    writer.key("baseline_progress").begin_object().field("n", stream.collected());
    writer.field("needed", options.baseline).end_object();
    writer.key("window_progress")
        .begin_object()
        .field("n", stream.fresh())
        .field("needed", options.window)
        .end_object();
    writer.field("findings", stream.findings()).field("values_between_false_alarms", stream.expected_run());
    append_look(writer.key("last_look"), stream.last_look());
    writer.key("baselines").begin_array();
    for (const drift::Baseline& baseline : stream.baselines()) append_baseline(writer, baseline);
    writer.end_array().end_object();
}

}  // namespace tidegate::compliance
