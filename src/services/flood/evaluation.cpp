// `tidegate eval flood --data FOLDER`: basins, labelled gauges and the Numenta benchmark, each part where it lies in FOLDER.
#include <fmt/core.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <optional>

#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "base/json_writer.h"
#include "load/machine.h"
#include "services/flood/commands.h"
#include "services/flood/hydro/evaluate.h"
#include "services/flood/sensor/evaluate.h"
#include "services/module/evaluation.h"

namespace tidegate::flood {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kFileBytesMax = 64ULL * 1024 * 1024;

// Of the research note: the six catchments that its means are of.
constexpr std::array<std::string_view, 6> kOfTheNote{"33029", "39020", "73014", "L0123001", "L0123002", "X0310010"};

constexpr std::size_t kEventsMin = 20;  // A mean over a handful of events says nothing.
constexpr std::size_t kParts = 3;       // Of the development rows, where nothing else is there to judge on.

struct NabPart {
    std::string part;
    std::size_t files = 0, windows = 0;
    double plain = 0,
           with_range = 0;  // What the route for sensors answers, at its threshold; the range unknown, or declared.
    double best = 0, best_threshold = 0;  // Of the first, over the threshold.
};

struct GaugePart {
    std::string part;
    std::size_t series = 0;
    EventScore score;
};

struct Report {
    std::vector<BasinScore> basins;
    bool held_out = true;  // The basins' files hold the rows that are not for development.
    std::vector<GaugePart> gauges;
    std::vector<NabPart> nab;
};

std::string text_of(json::Value object, std::string_view name) {
    const auto found = object.find(name);
    return found && found->kind() == json::Kind::kString ? std::string(found->as_string()) : std::string();
}

/// First of the rows that are held out; 0 where the file ends before them.
std::size_t held_out_from(json::Value entry, std::size_t rows) {
    const auto range = entry.find("heldout_rows");
    if (!range || range->kind() != json::Kind::kArray) return 0;
    std::size_t first = 0;
    bool is_first = true;
    range->each([&](json::Value row) {
        if (std::exchange(is_first, false) && row.is_integer()) first = static_cast<std::size_t>(row.as_int());
    });
    return first < rows ? first : 0;
}

Result<void> evaluate_basins(const std::string& folder, Report& report) {
    const SystemDisk disk;
    const SystemClock clock;
    const auto index = disk.read(folder + "/basins/index.json", kFileBytesMax);
    if (!index) return {};
    TG_TRY(const json::Document document, json::parse(*index));
    Result<void> done;
    document.root().each([&](json::Value entry) {
        if (!done) return;
        const std::string id = text_of(entry, "id");
        const auto csv = disk.read(folder + "/" + text_of(entry, "file"), kFileBytesMax);
        if (!csv) {
            done = std::unexpected(csv.error());
            return;
        }
        const auto series = read_series(*csv);
        if (!series) {
            done = std::unexpected(series.error());
            return;
        }
        fmt::print(stderr, "tidegate: basin {}\n", id);
        const std::size_t held_out = held_out_from(entry, series->size());
        report.held_out = report.held_out && held_out > 0;
        auto score =
            held_out > 0 ? evaluate_basin(*series, held_out, clock) : cross_validate_basin(*series, kParts, clock);
        if (!score) {
            fmt::print(stderr, "tidegate: {}: {}\n", id, score.error().message);
            return;
        }
        score->id = id;
        report.basins.push_back(*std::move(score));
    });
    return done;
}

std::vector<std::string> files_below(const std::string& folder) {
    std::vector<std::string> out;
    std::error_code error;
    for (const fs::directory_entry& entry : fs::recursive_directory_iterator(folder, error)) {
        if (entry.path().extension() == ".csv") out.push_back(entry.path().string());
    }
    std::ranges::sort(out);
    return out;
}

Result<void> evaluate_gauges(const std::string& folder, const Thresholds& thresholds, Report& report) {
    const SystemDisk disk;
    for (const std::string part : {"dev", "heldout"}) {
        GaugePart out{.part = part};
        for (const std::string& path : files_below(folder + "/" + part)) {
            const std::string name = fs::path(path).filename().string();
            if (name.find("stage") == std::string::npos && name.find("level") == std::string::npos) continue;
            TG_TRY(const std::string csv, disk.read(path, kFileBytesMax));
            TG_TRY(const LabelledSeries series, read_labelled(csv));
            out.score.add(score_events(series, flags_of_device(series, thresholds)));
            ++out.series;
        }
        if (out.series > 0) report.gauges.push_back(std::move(out));
    }
    return {};
}

/// The windows of a file: first and last row by their times.
void read_windows(json::Value windows, const LabelledSeries& series, NabSeries& out) {
    windows.each([&](json::Value window) {
        std::vector<std::size_t> rows;
        window.each([&](json::Value time) {
            std::string text(time.as_string().substr(0, 19));
            std::ranges::replace(text, ' ', 'T');
            const auto at = parse_rfc3339(text + "Z");
            const double seconds = at ? static_cast<double>(*at) / 1000 : 0;
            const auto row = std::ranges::find(series.times_s, seconds);
            rows.push_back(static_cast<std::size_t>(row - series.times_s.begin()));
        });
        if (rows.size() == 2 && rows[1] < series.times_s.size()) out.windows.emplace_back(rows[0], rows[1]);
    });
}

Result<void> evaluate_nab(const std::string& folder, const Thresholds& thresholds, Report& report) {
    const SystemDisk disk;
    for (const std::string part : {"dev", "heldout"}) {
        const std::string place = folder + "/" + part;
        const auto text = disk.read(place + "/windows.json", kFileBytesMax);
        if (!text) continue;
        TG_TRY(const json::Document document, json::parse(*text));
        std::vector<NabSeries> plain;
        std::vector<NabSeries> with_range;
        NabPart out{.part = part};
        Result<void> done;
        document.root().each_member([&](std::string_view name, json::Value windows) {
            if (!done) return;
            const auto csv = disk.read(place + "/data/" + std::string(name), kFileBytesMax);
            const auto series = csv ? read_labelled(*csv) : Result<LabelledSeries>(std::unexpected(csv.error()));
            if (!series) {
                done = std::unexpected(series.error());
                return;
            }
            NabSeries& one = plain.emplace_back();
            one.scores = scores_of_device(*series, thresholds, false);
            read_windows(windows, *series, one);
            out.windows += one.windows.size();
            with_range.push_back({.scores = scores_of_device(*series, thresholds, true), .windows = one.windows});
        });
        TG_CHECK(done);
        out.files = plain.size();
        out.plain = nab_at(plain, thresholds.pattern).standard;
        out.with_range = nab_at(with_range, thresholds.pattern).standard;
        const NabScore best = nab_best(plain);
        out.best = best.standard;
        out.best_threshold = best.threshold;
        report.nab.push_back(out);
    }
    return {};
}

struct Mean {
    double f1 = 0, brier_skill = 0;
    std::size_t basins = 0;
};

/// Of the six of the note, where the threshold was passed often enough to tell.
Mean mean_of(const Report& report, std::size_t threshold) {
    Mean out;
    for (const BasinScore& basin : report.basins) {
        const ThresholdScore& score = basin.scores[threshold];
        const bool counts =
            std::ranges::any_of(kOfTheNote, [&](std::string_view id) { return basin.id.ends_with(id); });
        if (!counts || score.events < (report.held_out ? 1 : kEventsMin)) continue;
        out.f1 += score.f1;
        out.brier_skill += score.brier_skill;
        ++out.basins;
    }
    if (out.basins > 0) {
        out.f1 /= static_cast<double>(out.basins);
        out.brier_skill /= static_cast<double>(out.basins);
    }
    return out;
}

std::string_view judged_on(const Report& report) {
    return report.held_out ? "the held-out rows" : "three parts of the development rows, each by the fit to the others";
}

void print_report(const Report& report) {
    if (!report.basins.empty()) {
        fmt::print("Will the next step pass a threshold? Judged on {}\n", judged_on(report));
        fmt::print("{:<10} {:>6} {:>6} | {:>6} {:>6} {:>5} | {:>6} {:>5} {:>6} {:>6} | {:>6} {:>5} {:>6} {:>6}\n",
                   "basin", "fitted", "judged", "NSE", "NSE+1", "cover", "q98", "F1", "AUC", "Brier", "2-year", "F1",
                   "AUC", "Brier");
        for (const BasinScore& one : report.basins) {
            fmt::print("{:<10} {:>6} {:>6} | {:>6.3f} {:>6.3f} {:>5.2f}", one.id, one.fitted, one.judged,
                       one.nse_simulated, one.nse_corrected, one.coverage);
            for (const ThresholdScore& score : one.scores) {
                if (score.events == 0) {
                    fmt::print(" | {:>6} {:>5} {:>6} {:>6}", 0, "-", "-", "-");
                } else {
                    fmt::print(" | {:>6} {:>5.2f} {:>6.3f} {:>6.2f}", score.events, score.f1, score.auc,
                               score.brier_skill);
                }
            }
            fmt::print("\n");
        }
        for (std::size_t i = 0; i < 2; ++i) {
            const Mean mean = mean_of(report, i);
            fmt::print("mean over {} of the note's basins, {}: F1 {:.3f}, Brier skill {:.3f}\n", mean.basins,
                       i == 0 ? "q98" : "2-year", mean.f1, mean.brier_skill);
        }
    }
    for (const GaugePart& one : report.gauges) {
        fmt::print("gauges {}: {} of {} events, {} false alarms ({:.3f} a sensor-week), F1 {:.3f}\n", one.part,
                   one.score.found, one.score.events, one.score.false_alarms,
                   static_cast<double>(one.score.false_alarms) / one.score.weeks, one.score.f1());
    }
    for (const NabPart& one : report.nab) {
        fmt::print(
            "Numenta {}: {} files, {} windows, what the route answers: standard {:.2f}, with declared ranges {:.2f}; "
            "no "
            "higher threshold gives more than {:.2f} (at {:.2f})\n",
            one.part, one.files, one.windows, one.plain, one.with_range, one.best, one.best_threshold);
    }
}

void write_basin(JsonWriter& json, const BasinScore& one) {
    json.begin_object().field("id", one.id).field("fitted", one.fitted).field("judged", one.judged);
    json.field("nse_simulated", one.nse_simulated).field("nse_corrected", one.nse_corrected);
    json.field("interval_coverage", one.coverage).field("calibration_s", one.seconds);
    for (std::size_t i = 0; i < 2; ++i) {
        const ThresholdScore& score = one.scores[i];
        json.key(i == 0 ? "q98" : "two_year").begin_object().field("threshold_mm", score.threshold_mm);
        json.field("events", score.events);
        if (score.events > 0) {
            json.field("f1", score.f1).field("cut", score.cut).field("auc", score.auc);
            json.field("brier_skill", score.brier_skill);
        }
        json.end_object();
    }
    json.end_object();
}

std::string json_of(const Report& report, const Thresholds& thresholds, UnixMillis now) {
    std::string out;
    JsonWriter json(out);
    const auto machine = load::look_at_machine();
    json.begin_object().field("date", format_rfc3339(now));
    json.key("machine").begin_object().field("cpu", machine.cpu).field("cores", machine.cores).end_object();
    json.field("judged_on", judged_on(report));
    json.key("basins").begin_array();
    for (const BasinScore& one : report.basins) write_basin(json, one);
    json.end_array();
    for (std::size_t i = 0; i < 2; ++i) {
        const Mean mean = mean_of(report, i);
        json.key(i == 0 ? "mean_q98" : "mean_two_year").begin_object().field("basins", mean.basins);
        json.field("f1", mean.f1).field("brier_skill", mean.brier_skill).end_object();
    }
    json.key("gauges").begin_array();
    for (const GaugePart& one : report.gauges) {
        json.begin_object().field("part", one.part).field("series", one.series).field("events", one.score.events);
        json.field("found", one.score.found).field("false_alarms", one.score.false_alarms);
        json.field("sensor_weeks", one.score.weeks).field("f1", one.score.f1()).end_object();
    }
    json.end_array().key("numenta").begin_array();
    for (const NabPart& one : report.nab) {
        json.begin_object().field("part", one.part).field("files", one.files).field("windows", one.windows);
        json.field("threshold", thresholds.pattern).field("standard", one.plain);
        json.field("standard_with_declared_ranges", one.with_range);
        json.field("standard_at_best_higher_threshold", one.best);
        json.field("best_higher_threshold", one.best_threshold).end_object();
    }
    json.end_array().end_object();
    return out + "\n";
}

Result<void> measure(const service::CommandInput& input, const service::EvaluationArguments& arguments,
                     const Thresholds& thresholds) {
    Report report;
    TG_CHECK(evaluate_basins(arguments.data + "/flood", report));
    TG_CHECK(evaluate_gauges(arguments.data + "/gauges", thresholds, report));
    TG_CHECK(evaluate_nab(arguments.data + "/nab", thresholds, report));
    if (report.basins.empty() && report.gauges.empty() && report.nab.empty()) {
        return fail(ErrorCode::kNotFound, "neither flood/basins nor gauges nor nab lies in " + arguments.data);
    }
    print_report(report);
    const UnixMillis now = SystemClock().unix_ms();
    return service::store_evaluation(input, arguments, "flood", json_of(report, thresholds, now), now);
}

}  // namespace

int run_evaluation(const service::CommandInput& input, const FloodSettings& settings) {
    const auto arguments = service::read_evaluation(input, "eval takes: flood --data FOLDER [--out FILE]");
    if (!arguments) return service::wrong_use(arguments.error().message);
    const Thresholds thresholds{.trend = settings.anomaly_threshold, .pattern = settings.pattern_threshold};
    const auto done = measure(input, *arguments, thresholds);
    return done ? 0 : service::failed(done.error());
}

}  // namespace tidegate::flood
