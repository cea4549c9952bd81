// `tidegate eval drift --data FOLDER`: every drift detector on the labelled streams in FOLDER/tornado, beside the published
// baseline; on our own held-out streams; on streams without change; the windowed tests beside fixed thresholds; and the monitor of
// live decisions on simulated traffic.
#include <fmt/core.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <iterator>
#include <map>
#include <optional>

#include "app/commands.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/json_writer.h"
#include "base/strings.h"
#include "drift/benchmark.h"
#include "drift/monitor_runs.h"
#include "services/provenance/text/evaluate.h"

namespace tidegate::app {
namespace {

using drift::FamilyScore;
using drift::LabelledStream;
using drift::Score;

struct DriftEvalArguments {
    std::string data;
    std::string out;           // Empty: printed only.
    std::size_t runs = 1'000;  // Without change.
    std::size_t streams = 0;   // Of each public family at most; 0: all.
};

struct Public {
    std::string_view prefix;  // Of the file name.
    std::string_view family;
    std::size_t every;
    std::size_t acceptance;
};
// Where the public streams change, by their README.
constexpr std::array<Public, 3> kPublic{
    {{"sine1", "Sine1", 20'000, 250}, {"mixed", "Mixed", 20'000, 250}, {"circles", "Circles", 25'000, 1000}}};

struct Cell {
    double delay, hits, false_alarms;
};
struct Baseline {
    std::string_view detector;
    std::array<Cell, 3> families;  // As kPublic.
};
// Measured for this project's research note on all 15 streams, by independent implementations.
constexpr std::array<Baseline, 7> kBaseline{{{"adwin", {{{61, 4, 0}, {65, 4, 0}, {188, 3, 0}}}},
                                             {"hddm_w", {{{34, 4, 0}, {33, 4, 2.6}, {156, 3, 1.4}}}},
                                             {"fhddm", {{{47, 3.8, 0.2}, {47, 4, 0.6}, {131, 3, 0.4}}}},
                                             {"hddm_a", {{{85, 3.8, 0.2}, {72, 4, 0.2}, {236, 3, 0.4}}}},
                                             {"page_hinkley", {{{82, 3.8, 0.4}, {87, 4, 0.2}, {300, 3, 0.2}}}},
                                             {"ddm", {{{136, 3.4, 1}, {160, 3.4, 0.6}, {584, 2, 1.8}}}},
                                             {"eddm", {{{145, 0.8, 23}, {133, 0.2, 15}, {650, 1, 34}}}}}};

constexpr double kErrorRate = 0.15;  // Of the stationary runs: what the public streams' model has.
constexpr std::size_t kValuesARun = 10'000;
constexpr std::size_t kWindows = 400;

struct DetectorReport {
    std::string name;
    std::vector<FamilyScore> open;      // The public streams.
    std::vector<FamilyScore> held_out;  // Ours.
    drift::StationaryRuns stationary;
    double ns_per_update = 0;
};

/// The monitor of live decisions.
struct MonitorReport {
    drift::QuietRuns quiet;
    std::vector<drift::ShiftFound> shifts;
    double ns_per_decision = 0;
};
// Decisions of a quiet run: 30 days of one each 65 s, 40 windows.
constexpr std::size_t kDecisionsARun = 40'000;
constexpr std::size_t kShiftRunsMax = 100;
constexpr std::size_t kPatience = 6'000;

struct DriftEvalReport {
    std::size_t streams = 0;
    std::size_t runs = 0;
    MonitorReport monitor;
    std::vector<DetectorReport> detectors;
    std::vector<drift::WindowRow> windows;
};

Result<DriftEvalArguments> read_drift_eval_arguments(const std::vector<std::string>& words) {
    DriftEvalArguments arguments;
    std::string runs = "1000";
    std::string streams = "0";
    const std::map<std::string_view, std::string*> options{
        {"--data", &arguments.data}, {"--out", &arguments.out}, {"--runs", &runs}, {"--streams", &streams}};
    for (std::size_t i = 1; i < words.size(); i += 2) {
        const auto option = options.find(words[i]);
        if (option == options.end() || i + 1 == words.size()) {
            arguments.data.clear();
            break;
        }
        *option->second = words[i + 1];
    }
    const auto runs_wanted = parse_u64(runs);
    const auto streams_wanted = parse_u64(streams);
    if (arguments.data.empty() || !runs_wanted || *runs_wanted == 0 || *runs_wanted > 100'000 || !streams_wanted) {
        return fail(ErrorCode::kInvalidArgument,
                    "eval takes: drift --data FOLDER [--out FILE] [--runs 1 to 100000] [--streams OF EACH KIND]");
    }
    arguments.runs = *runs_wanted;
    arguments.streams = *streams_wanted;
    return arguments;
}

// A file that may be gzipped, whole.
Result<std::string> read_unpacked(const std::string& path) {
    constexpr std::size_t kBytesMax = 64U << 20U;
    gzFile file = gzopen(path.c_str(), "rb");
    if (file == nullptr) return fail(ErrorCode::kNotFound, "cannot open " + path);
    std::string text;
    std::array<char, 1U << 16U> block{};
    int got = 0;
    while ((got = gzread(file, block.data(), block.size())) > 0 && text.size() < kBytesMax) {
        text.append(block.data(), static_cast<std::size_t>(got));
    }
    const bool whole = gzclose(file) == Z_OK && got == 0;
    if (!whole) return fail(ErrorCode::kDataLoss, path + " is damaged or too large");
    return text;
}

bool read_row(std::string_view line, LabelledStream& stream) {
    const std::vector<std::string_view> cells = split(line, ',');
    if (cells.size() < 2 || (stream.features != 0 && cells.size() != stream.features + 1)) return false;
    stream.features = cells.size() - 1;
    for (std::size_t i = 0; i < stream.features; ++i) {
        std::optional<double> value = parse_double(cells[i]);
        if (cells[i] == "True" || cells[i] == "False") value = cells[i] == "True" ? 1 : 0;
        if (!value) return false;
        stream.cells.push_back(*value);
    }
    stream.labels.push_back(cells.back() == "p");
    return cells.back() == "p" || cells.back() == "n";
}

Result<LabelledStream> read_stream(const std::string& path, const Public& shape) {
    TG_TRY(const std::string text, read_unpacked(path));
    LabelledStream stream;
    stream.name = std::filesystem::path(path).filename().string();
    stream.family = shape.family;
    stream.acceptance = shape.acceptance;
    for (const std::string_view raw : split(text, '\n')) {
        const std::string_view line = trim(raw);
        if (line.empty() || line.front() == '@' || line.front() == '%') continue;
        if (!read_row(line, stream)) return fail(ErrorCode::kInvalidArgument, stream.name + " holds an unknown row");
    }
    for (std::size_t at = shape.every; at < stream.rows(); at += shape.every) stream.changes.push_back(at);
    return stream;
}

Result<std::vector<LabelledStream>> read_streams(const std::string& folder, std::size_t streams_max) {
    namespace fs = std::filesystem;
    std::error_code error;
    std::vector<std::string> paths;
    for (const fs::directory_entry& entry : fs::directory_iterator(fs::path(folder) / "tornado", error)) {
        if (entry.path().string().find(".arff") != std::string::npos) paths.push_back(entry.path().string());
    }
    std::ranges::sort(paths);
    std::vector<LabelledStream> streams;
    for (const Public& shape : kPublic) {
        std::size_t taken = 0;
        for (const std::string& path : paths) {
            if (!fs::path(path).filename().string().starts_with(shape.prefix)) continue;
            if (streams_max != 0 && taken == streams_max) break;
            TG_TRY(LabelledStream stream, read_stream(path, shape));
            streams.push_back(std::move(stream));
            ++taken;
        }
    }
    if (streams.empty()) return fail(ErrorCode::kNotFound, "no labelled streams in " + folder + "/tornado");
    return streams;
}

// What one update costs, on the errors that the detector itself saw; the best of three.
double time_update(const drift::MakeDetector& make, std::span<const LabelledStream> streams, const Clock& clock) {
    std::vector<double> errors;
    for (const LabelledStream& stream : streams) drift::score(stream, make, &errors);
    double best = 0;
    for (int round = 0; round < 3; ++round) {
        const auto detector = make();
        const SteadyTime start = clock.now();
        for (const double error : errors) detector->update(error);
        const double ns = static_cast<double>((clock.now() - start).count()) / static_cast<double>(errors.size());
        best = round == 0 ? ns : std::min(best, ns);
    }
    return best;
}

// Of one decision through the monitor with one stream, looks and all; the tables of the first looks are made before.
double time_monitor(const Clock& clock) {
    constexpr std::size_t kTimed = 50'000;
    constexpr std::size_t kFirstLooks = 50;
    drift::MonitorOptions options;
    drift::Monitor monitor(options);
    drift::Dice dice(1);
    std::vector<drift::Observation> decisions;
    for (std::size_t i = 0; i < options.baseline + kFirstLooks * options.window + kTimed; ++i) {
        decisions.push_back(drift::draw_decision(dice, static_cast<UnixMillis>(i) * 1'000, {}));
    }
    std::vector<drift::Finding> findings;
    const std::size_t warm = options.baseline + kFirstLooks * options.window;
    for (std::size_t i = 0; i < warm; ++i) monitor.add(decisions[i], findings);
    const SteadyTime start = clock.now();
    for (std::size_t i = warm; i < decisions.size(); ++i) monitor.add(decisions[i], findings);
    return static_cast<double>((clock.now() - start).count()) / static_cast<double>(kTimed);
}

MonitorReport evaluate_monitor(std::size_t runs, const Clock& clock) {
    fmt::print(stderr, "tidegate: the monitor\n");
    drift::MonitorOptions options;
    options.all_tests = false;  // What is shown only does not change an alarm.
    MonitorReport report;
    report.quiet = drift::quiet_runs(options, runs, kDecisionsARun, 1);
    for (const drift::ShiftRun& shift : drift::shifts_of_each_kind()) {
        report.shifts.push_back(drift::shift_runs(options, shift, std::min(runs, kShiftRunsMax), kPatience, 1'000'000));
    }
    report.ns_per_decision = time_monitor(clock);
    return report;
}

DriftEvalReport evaluate(std::span<const LabelledStream> streams, std::size_t runs, const Clock& clock) {
    DriftEvalReport report;
    report.streams = streams.size();
    report.runs = runs;
    const std::vector<LabelledStream> held_out = drift::held_out_streams();
    for (const drift::Contestant& one : drift::contestants()) {
        fmt::print(stderr, "tidegate: {}\n", one.name);
        report.detectors.push_back({one.name, drift::score_families(streams, one.make),
                                    drift::score_families(held_out, one.make),
                                    drift::stationary_runs(one.make, kErrorRate, runs, kValuesARun, 1),
                                    time_update(one.make, streams, clock)});
    }
    report.windows = drift::window_table(std::min(kWindows, runs), 1);
    report.monitor = evaluate_monitor(runs, clock);
    return report;
}

const Baseline* baseline_of(std::string_view detector) {
    const auto found = std::ranges::find(kBaseline, detector, &Baseline::detector);
    return found == kBaseline.end() ? nullptr : &*found;
}

std::string score_text(const Score& score) {
    return fmt::format("{:5.1f} {:4.2f} {:5.2f}", score.delay_mean(), score.hits_a_stream(),
                       score.false_alarms_a_stream());
}

void print_families(std::string_view title, const DriftEvalReport& report,
                    std::vector<FamilyScore> DetectorReport::* part, bool with_baseline) {
    fmt::print("{}\n{:<14}", title, "detector");
    for (const FamilyScore& family : report.detectors.front().*part) {
        fmt::print(" | {:<17}", fmt::format("{} ({})", family.family, family.score.streams));
    }
    fmt::print("{}\n", with_baseline ? " | ns/update | note: Sine1, Mixed, Circles" : "");
    for (const DetectorReport& one : report.detectors) {
        fmt::print("{:<14}", one.name);
        for (const FamilyScore& family : one.*part) fmt::print(" | {:<17}", score_text(family.score));
        if (with_baseline) {
            fmt::print(" | {:9.1f} |", one.ns_per_update);
            if (const Baseline* baseline = baseline_of(one.name)) {
                for (const Cell& cell : baseline->families) {
                    fmt::print(" {:.0f} {:.1f} {:.1f};", cell.delay, cell.hits, cell.false_alarms);
                }
            }
        }
        fmt::print("\n");
    }
}

void print_report(const DriftEvalReport& report) {
    print_families("Public labelled streams: mean delay of the hits, hits and false alarms a stream", report,
                   &DetectorReport::open, true);
    print_families("\nOur streams from seeds that nothing was chosen on: the same", report, &DetectorReport::held_out,
                   false);
    fmt::print("\nWithout change: {} runs of {} errors at a rate of {}\n{:<14} | runs with an alarm | alarms\n",
               report.runs, kValuesARun, kErrorRate, "detector");
    for (const DetectorReport& one : report.detectors) {
        fmt::print("{:<14} | {:>17.1f}% | {:>6}\n", one.name,
                   100.0 * static_cast<double>(one.stationary.runs_with_alarm) / static_cast<double>(report.runs),
                   one.stationary.alarms);
    }
    fmt::print("\nWindows of n against 10,000 values, alarms in % of {} windows\n{:>5} {:>6}",
               report.windows.front().windows, "n", "shift");
    for (const drift::WindowRule& rule : report.windows.front().rules) fmt::print(" | {}", rule.name);
    fmt::print("\n");
    for (const drift::WindowRow& row : report.windows) {
        fmt::print("{:>5} {:>6.2f}", row.n, row.shift);
        for (const drift::WindowRule& rule : row.rules) {
            fmt::print(" | {:>{}.1f}", 100 * rule.alarms, std::max<std::size_t>(rule.name.size(), 5));
        }
        fmt::print("\n");
    }
}

void print_monitor(const MonitorReport& report) {
    const drift::QuietRuns& quiet = report.quiet;
    fmt::print(
        "\nThe monitor on traffic without change: {} runs of {:.0f} days, {} looks: {} alarms ({} by a detector), "
        "the budget is {:.0f}; {} alerts opened, {} runs with an alarm\n",
        quiet.runs, quiet.days_a_run, quiet.looks, quiet.alarms, quiet.by_detector, quiet.budget, quiet.alerts,
        quiet.runs_with_alarm);
    fmt::print(
        "The monitor where something changes, a decision a second, at most {} decisions waited\n{:<34} | found | "
        "mean delay | worst | alarms before\n",
        kPatience, "change");
    for (const drift::ShiftFound& one : report.shifts) {
        fmt::print("{:<34} | {:>3}/{} | {:>10.0f} | {:>5} | {:>5}\n", one.shift.kind, one.found, one.runs,
                   one.delay_mean, one.delay_worst, one.before);
    }
    fmt::print("{:.0f} ns a decision, with its part of the looks\n", report.ns_per_decision);
}

void write_monitor(JsonWriter& json, const MonitorReport& report) {
    const drift::QuietRuns& quiet = report.quiet;
    json.begin_object().field("ns_per_decision", report.ns_per_decision);
    json.key("without_change").begin_object().field("runs", quiet.runs).field("days_a_run", quiet.days_a_run);
    json.field("decisions_a_run", quiet.decisions_a_run).field("looks", quiet.looks).field("alarms", quiet.alarms);
    json.field("alarms_by_detector", quiet.by_detector).field("budget", quiet.budget);
    json.field("alerts_opened", quiet.alerts).field("runs_with_alarm", quiet.runs_with_alarm).end_object();
    json.key("changes").begin_array();
    for (const drift::ShiftFound& one : report.shifts) {
        json.begin_object().field("change", one.shift.kind).field("feature", one.shift.feature);
        json.field("runs", one.runs).field("found", one.found).field("delay_mean", one.delay_mean);
        json.field("delay_worst", one.delay_worst).field("alarms_before", one.before).end_object();
    }
    json.end_array().end_object();
}

void write_families(JsonWriter& json, std::string_view name, const std::vector<FamilyScore>& families) {
    json.key(name).begin_array();
    for (const FamilyScore& family : families) {
        const Score& score = family.score;
        json.begin_object().field("family", family.family).field("streams", score.streams);
        json.field("changes", score.changes).field("hits", score.hits).field("false_alarms", score.false_alarms);
        json.field("delay_mean", score.delay_mean()).field("hits_a_stream", score.hits_a_stream());
        json.field("false_alarms_a_stream", score.false_alarms_a_stream()).end_object();
    }
    json.end_array();
}

void write_detector(JsonWriter& json, const DetectorReport& one) {
    json.begin_object().field("detector", one.name).field("ns_per_update", one.ns_per_update);
    write_families(json, "public_streams", one.open);
    write_families(json, "held_out_streams", one.held_out);
    json.key("stationary").begin_object().field("error_rate", kErrorRate).field("runs", one.stationary.runs);
    json.field("values_a_run", one.stationary.values_a_run).field("alarms", one.stationary.alarms);
    json.field("runs_with_alarm", one.stationary.runs_with_alarm).end_object();
    if (const Baseline* baseline = baseline_of(one.name)) {
        json.key("baseline_of_the_note").begin_array();
        for (std::size_t i = 0; i < kPublic.size(); ++i) {
            const Cell& cell = baseline->families[i];
            json.begin_object().field("family", kPublic[i].family).field("delay_mean", cell.delay);
            json.field("hits_a_stream", cell.hits).field("false_alarms_a_stream", cell.false_alarms).end_object();
        }
        json.end_array();
    }
    json.end_object();
}

std::string drift_eval_json(const DriftEvalReport& report, UnixMillis now) {
    std::string out;
    JsonWriter json(out);
    const auto machine = provenance::text::machine_facts();
    json.begin_object().field("date", format_rfc3339(now)).field("public_streams", report.streams);
    json.field("baseline_streams", 15);
    json.key("machine").begin_object().field("cpu", machine.cpu).field("cores", machine.cores).end_object();
    json.key("detectors").begin_array();
    for (const DetectorReport& one : report.detectors) write_detector(json, one);
    json.end_array().key("windows").begin_array();
    for (const drift::WindowRow& row : report.windows) {
        json.begin_object().field("n", row.n).field("shift_in_deviations", row.shift).field("windows", row.windows);
        json.key("alarm_share").begin_object();
        for (const drift::WindowRule& rule : row.rules) json.field(rule.name, rule.alarms);
        json.end_object().end_object();
    }
    json.end_array();
    write_monitor(json.key("monitor"), report.monitor);
    json.end_object();
    return out + "\n";
}

Result<void> run_drift_eval(const DriftEvalArguments& arguments) {
    const SystemClock clock;
    TG_TRY(const std::vector<LabelledStream> streams, read_streams(arguments.data, arguments.streams));
    const DriftEvalReport report = evaluate(streams, arguments.runs, clock);
    print_report(report);
    print_monitor(report.monitor);
    if (arguments.out.empty()) return {};
    SystemDisk disk;
    TG_CHECK(disk.write_atomic(arguments.out, drift_eval_json(report, clock.unix_ms())));
    fmt::print("stored in {}\n", arguments.out);
    return {};
}

}  // namespace

int run_eval_drift(const Invocation& invocation) {
    const auto arguments = read_drift_eval_arguments(invocation.words);
    if (!arguments) return wrong_use(arguments.error().message);
    const auto done = run_drift_eval(*arguments);
    if (done) return 0;
    fmt::print(stderr, "tidegate: {}\n", done.error().message);
    return 1;
}

}  // namespace tidegate::app
