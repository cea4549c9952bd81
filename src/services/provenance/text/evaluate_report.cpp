#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <thread>

#include "base/file.h"
#include "base/json_writer.h"
#include "base/strings.h"
#include "services/provenance/text/evaluate.h"

namespace tidegate::provenance::text {
namespace {

std::string show(double value, int digits) {
    return std::isnan(value) ? std::string("-") : fmt::format("{:.{}f}", value, digits);
}

std::string with_interval(const Estimate& e, int digits) {
    if (std::isnan(e.value)) return "-";
    return fmt::format("{} [{}, {}]", show(e.value, digits), show(e.low, digits), show(e.high, digits));
}

std::string short_form(const Ranking& r) {
    return fmt::format("{}/{}/{}", show(r.auroc.value, 3), show(r.tpr1.value, 2), show(r.tpr5.value, 2));
}

std::string rates(const BandCounts& counts) {
    if (counts.total() == 0) return "-";
    const double n = static_cast<double>(counts.total());
    return fmt::format("{:.1f}/{:.1f}/{:.1f} %", 100.0 * static_cast<double>(counts.human) / n,
                       100.0 * static_cast<double>(counts.uncertain) / n, 100.0 * static_cast<double>(counts.ai) / n);
}

void append_groups(std::string& out, std::string_view title, const std::vector<GroupReport>& groups) {
    if (groups.empty()) return;
    out += fmt::format("\n{}\n  {:<38} {:>11} {:>22} {:>19} {:>16} {:>16} {:>6}  {:<20} {}\n", title, "", "human/ai",
                       "AUROC [95 %]", "TPR@1% [95 %]", "char LR", "compression", "ECE", "humans h/u/ai",
                       "machines h/u/ai");
    for (const GroupReport& g : groups) {
        out += fmt::format("  {:<38} {:>11} {:>22} {:>19} {:>16} {:>16} {:>6}  {:<20} {}\n", g.name,
                           fmt::format("{}/{}", g.humans, g.machines), with_interval(g.detector.auroc, 3),
                           with_interval(g.detector.tpr1, 2), short_form(g.char_baseline),
                           g.compression_baseline ? short_form(*g.compression_baseline) : "absent",
                           show(g.calibration_error, 3), rates(g.human_bands), rates(g.machine_bands));
    }
}

void write_estimate(JsonWriter& json, std::string_view name, const Estimate& e) {
    json.key(name).begin_object().field("value", e.value).field("low", e.low).field("high", e.high).end_object();
}

void write_ranking(JsonWriter& json, std::string_view name, const Ranking& r) {
    json.key(name).begin_object();
    write_estimate(json, "auroc", r.auroc);
    write_estimate(json, "tpr_at_1_percent_fpr", r.tpr1);
    write_estimate(json, "tpr_at_5_percent_fpr", r.tpr5);
    json.end_object();
}

void write_bands(JsonWriter& json, std::string_view name, const BandCounts& c) {
    json.key(name)
        .begin_object()
        .field("human", c.human)
        .field("uncertain", c.uncertain)
        .field("ai", c.ai)
        .end_object();
}

void write_groups(JsonWriter& json, std::string_view name, const std::vector<GroupReport>& groups) {
    json.key(name).begin_array();
    for (const GroupReport& g : groups) {
        json.begin_object().field("name", g.name).field("humans", g.humans).field("machines", g.machines);
        write_ranking(json, "detector", g.detector);
        write_ranking(json, "char_ngram_baseline", g.char_baseline);
        if (g.compression_baseline) write_ranking(json, "compression_baseline", *g.compression_baseline);
        json.field("calibration_error", g.calibration_error);
        write_bands(json, "human_bands", g.human_bands);
        write_bands(json, "machine_bands", g.machine_bands);
        json.end_object();
    }
    json.end_array();
}

}  // namespace

std::string evaluation_table(const Evaluation& e) {
    std::string out = fmt::format(
        "{} texts (data {}), model {}, calibration {}\nbaselines: char LR = {}; compression = {}\n"
        "AUROC is 1 for perfect, 0.5 for chance; TPR@1% is the share of machine texts found when 1 % of humans are "
        "flagged;\n"
        "baselines show AUROC/TPR@1%/TPR@5%; h/u/ai are the shares put in the bands human, uncertain, ai.\n",
        e.samples, e.data_digest.substr(0, 12), e.model_version, e.calibration_version, e.char_baseline_name,
        e.train_digest.empty() ? "absent (no training texts beside the data)"
                               : "zstd-19 with two preludes, trained in this run");
    append_groups(out, "Gate groups", e.gate_groups);
    append_groups(out, "By length", e.by_length);
    append_groups(out, "By generator (against humans of the same domains)", e.by_model);
    append_groups(out, "By slice and domain", e.by_slice);
    out += fmt::format(
        "\nInterval: {} % of texts lie in confidence bins whose share of machines is within the mean interval "
        "(nominal 90 %)\nSpeed: {:.0f} texts/s on one thread\n\nGates\n",
        show(100 * e.interval_coverage, 1), static_cast<double>(e.samples) / std::max(e.seconds, 1e-9));
    for (const Gate& gate : e.gates) {
        out += fmt::format("  {:<45} {:>8} (goal {} {})  {}\n", gate.name, show(gate.value, 4),
                           gate.at_most ? "<=" : ">=", gate.goal, gate.passed() ? "pass" : "FALLS SHORT");
    }
    return out;
}

MachineFacts machine_facts() {
    MachineFacts facts{"unknown", std::thread::hardware_concurrency()};
    const auto info = SystemDisk().read("/proc/cpuinfo", 1U << 20U);
    if (!info) return facts;
    for (const std::string_view line : split(*info, '\n')) {
        if (!line.starts_with("model name")) continue;
        facts.cpu = trim(line.substr(std::min(line.size(), line.find(':') + 1)));
        break;
    }
    return facts;
}

std::string evaluation_json(const Evaluation& e, UnixMillis date, const MachineFacts& machine) {
    std::string out;
    JsonWriter json(out);
    json.begin_object().field("date", format_rfc3339(date)).field("samples", e.samples);
    json.field("data_sha256", e.data_digest).field("train_sha256", e.train_digest);
    json.field("model_version", e.model_version).field("model_sha256", e.model_hash);
    json.field("calibration_version", e.calibration_version);
    json.key("machine").begin_object().field("cpu", machine.cpu).field("cores", machine.cores).end_object();
    json.field("char_ngram_baseline_is", e.char_baseline_name);
    json.field("interval_coverage", e.interval_coverage).field("detector_seconds", e.seconds);
    json.key("gates").begin_array();
    for (const Gate& gate : e.gates) {
        json.begin_object().field("name", gate.name).field("value", gate.value).field("goal", gate.goal);
        json.field("direction", gate.at_most ? "at_most" : "at_least").field("passed", gate.passed()).end_object();
    }
    json.end_array();
    write_groups(json, "gate_groups", e.gate_groups);
    write_groups(json, "by_length", e.by_length);
    write_groups(json, "by_model", e.by_model);
    write_groups(json, "by_slice", e.by_slice);
    json.end_object();
    out += '\n';
    return out;
}

}  // namespace tidegate::provenance::text
