// `tidegate detect [--json] [FILE...]`: the detector of the server, without one.
#include <fmt/core.h>

#include <iostream>
#include <iterator>

#include "app/commands.h"
#include "base/file.h"
#include "base/utf8.h"
#include "services/provenance/provenance.h"
#include "services/provenance/text_answer.h"

namespace tidegate::app {
namespace {

/// 50,000 characters of 4 bytes, and one byte so that a longer file is seen to be longer.
constexpr std::uint64_t kFileBytesMax = provenance::kTextCharactersMax * 4 + 1;

Result<std::string> read_input(const std::string& path) {
    if (path != "-") return SystemDisk().read(path, kFileBytesMax);
    std::string text;
    char buffer[65536];
    while (std::cin.read(buffer, sizeof buffer) || std::cin.gcount() > 0) {
        text.append(buffer, static_cast<std::size_t>(std::cin.gcount()));
        if (text.size() > kFileBytesMax) return fail(ErrorCode::kTooLarge, "the text is too long");
    }
    return text;
}

/// The limits of the server's route, for the same answers.
Result<void> check_text(std::string_view text) {
    if (!utf8::is_valid(text)) return fail(ErrorCode::kInvalidArgument, "not valid UTF-8");
    if (text.find('\0') != std::string_view::npos) return fail(ErrorCode::kInvalidArgument, "holds a NUL character");
    const std::size_t length = utf8::length(text);
    if (length == 0) return fail(ErrorCode::kFailedValidation, "is empty");
    if (length > provenance::kTextCharactersMax) {
        return fail(ErrorCode::kTooLarge,
                    fmt::format("has {} characters, at most {} are read", length, provenance::kTextCharactersMax));
    }
    return {};
}

void print_json(const std::string& path, const provenance::TextAnswer& answer) {
    std::string out;
    JsonWriter writer(out);
    writer.begin_object().field("file", path);
    write_members(writer, answer);
    writer.end_object();
    fmt::print("{}\n", out);
}

void print_table(const std::string& path, const provenance::TextAnswer& answer) {
    const provenance::TextAnalysis& analysis = answer.analysis;
    fmt::print("{}: {}  P(machine) {:.3f}  interval {:.3f} to {:.3f}  {} words  {:.2f} ms\n", path,
               to_string(analysis.band), analysis.confidence, analysis.interval_low, analysis.interval_high,
               analysis.word_count, answer.processing_time_ms);
    fmt::print("  {}\n", analysis.explanation);
    for (const std::string& flag : analysis.uncertainty_flags) fmt::print("  flag: {}\n", flag);
    fmt::print("  {:<24} {:>10} {:>14} {:>22}\n", "signal", "value", "contribution", "human range");
    for (const provenance::Signal& signal : analysis.signals) {
        fmt::print("  {:<24} {:>10.3f} {:>+14.3f} {:>10.3f} .. {:>8.3f}\n", signal.name, signal.value,
                   signal.contribution, signal.human_low, signal.human_high);
    }
    fmt::print("  {:<24} {:>10} {:>+14.3f}\n  {:<24} {:>10} {:>+14.3f}\n", "intercept", "", analysis.intercept,
               "log-odds", "", analysis.log_odds);
}

Result<void> detect_one(const provenance::TextModel& detector, const std::string& path, bool as_json,
                        const Clock& clock) {
    TG_TRY(const std::string text, read_input(path));
    TG_CHECK(check_text(text));
    const SteadyTime start = clock.now();
    TG_TRY(const provenance::TextAnalysis analysis, provenance::analyse_text(detector, text, {}));
    const double took_ms = std::chrono::duration<double, std::milli>(clock.now() - start).count();
    SystemRandom random;
    const std::string id = to_string(make_uuid7(clock, random));
    const provenance::TextAnswer answer{analysis, id, detector.model_version(), detector.calibration_version(),
                                        took_ms};
    as_json ? print_json(path, answer) : print_table(path, answer);
    return {};
}

}  // namespace

int run_detect(const Invocation& invocation) {
    bool as_json = false;
    std::vector<std::string> files;
    for (const std::string& word : invocation.words) {
        if (word == "--json") {
            as_json = true;
        } else if (word.starts_with("--")) {
            return wrong_use("detect does not know " + word);
        } else {
            files.push_back(word);
        }
    }
    if (files.empty()) files.emplace_back("-");
    const auto detector = provenance::text::TextDetector::embedded();
    if (!detector) return wrong_use("the detector cannot be loaded: " + detector.error().message);
    const SystemClock clock;
    int status = 0;
    for (const std::string& path : files) {
        const auto done = detect_one(**detector, path, as_json, clock);
        if (done) continue;
        fmt::print(stderr, "tidegate: {}: {}\n", path, done.error().message);
        status = 1;
    }
    return status;
}

}  // namespace tidegate::app
