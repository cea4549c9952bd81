#include "services/speech/evaluation.h"

#include <fmt/core.h>

#include <algorithm>
#include <map>
#include <optional>

#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "base/json_writer.h"
#include "base/strings.h"
#include "load/machine.h"
#include "services/module/evaluation.h"
#include "services/speech/measured.h"
#include "services/speech/recognise/transcribe.h"
#include "services/speech/text/word_errors.h"

namespace tidegate::speech {
namespace {

constexpr std::uint64_t kManifestBytesMax = 64ULL * 1024 * 1024;
constexpr double kTurnTolerance = 0.25;  // Seconds; references are cut at words.

struct SetScore {
    WordErrors errors;
    std::size_t recordings = 0;
    double audio_s = 0, cpu_s = 0;
    void add(const WordErrors& more, const Transcript& transcript) {
        errors += more;
        ++recordings;
        audio_s += transcript.duration_s;
        cpu_s += transcript.cpu_s;
    }
};

struct CallScore {
    SetScore score;
    std::size_t heard = 0, wrong_side = 0;
};

struct SpeechReport {
    std::size_t every = 1;
    std::map<std::string, SetScore> sets;
    SetScore all;
    std::optional<CallScore> call;
};

struct Listener {
    DecoderPool& pool;
    TranscribeOptions options;
};

std::string text_member(json::Value object, std::string_view name) {
    const auto found = object.find(name);
    return found && found->kind() == json::Kind::kString ? std::string(found->as_string()) : std::string();
}

double number_member(json::Value object, std::string_view name) {
    const auto found = object.find(name);
    return found && found->is_number() ? found->as_double() : 0;
}

std::string joined(const std::vector<Segment>& segments, std::string_view speaker) {
    std::string out;
    for (const Segment& one : segments) {
        if (speaker.empty() || one.speaker == speaker) out += one.text + " ";
    }
    return out;
}

Result<void> judge_utterances(const std::string& folder, const Listener& listener, SpeechReport& report) {
    SystemDisk disk;
    TG_TRY(const std::string manifest, disk.read(folder + "/manifest.jsonl", kManifestBytesMax));
    std::map<std::string, std::size_t> seen;
    for (const std::string_view line : split(manifest, '\n')) {
        if (trim(line).empty()) continue;
        TG_TRY(const json::Document document, json::parse(line));
        const std::string set = text_member(document.root(), "set");
        if (seen[set]++ % report.every != 0) continue;
        TG_TRY(const Transcript heard,
               transcribe(folder + "/" + text_member(document.root(), "file"), listener.pool, listener.options));
        const WordErrors errors = count_word_errors(text_member(document.root(), "text"), joined(heard.segments, ""));
        report.sets[set].add(errors, heard);
        report.all.add(errors, heard);
    }
    return {};
}

struct ReferenceTurn {
    std::string speaker, text;
    double start = 0, end = 0;
};

/// Whether this moment lies in a turn of the speaker; `slack` seconds around it count.
bool is_in_turn(const std::vector<ReferenceTurn>& turns, std::string_view speaker, double at, double slack) {
    return std::ranges::any_of(turns, [&](const ReferenceTurn& one) {
        return one.speaker == speaker && at >= one.start - slack && at <= one.end + slack;
    });
}

Result<void> judge_call(const std::string& folder, const Listener& listener, SpeechReport& report) {
    SystemDisk disk;
    if (!disk.exists(folder + "/stereo/call.json")) return {};
    TG_TRY(const std::string text, disk.read(folder + "/stereo/call.json", kManifestBytesMax));
    TG_TRY(const json::Document document, json::parse(text));
    std::vector<ReferenceTurn> turns;
    if (const auto segments = document.root().find("segments")) {
        segments->each([&](json::Value one) {
            turns.push_back({.speaker = text_member(one, "speaker"),
                             .text = text_member(one, "text"),
                             .start = number_member(one, "start"),
                             .end = number_member(one, "end")});
        });
    }
    TG_TRY(const Transcript heard, transcribe(folder + "/stereo/call.flac", listener.pool, listener.options));
    CallScore call;
    WordErrors errors;
    for (const std::string_view side : {"left", "right"}) {
        const std::string_view other = side == "left" ? "right" : "left";
        std::string said;
        for (const ReferenceTurn& one : turns) {
            if (one.speaker == side) said += one.text + " ";
        }
        errors += count_word_errors(said, joined(heard.segments, side));
        for (const Segment& segment : heard.segments) {
            if (segment.speaker != side) continue;
            for (const Word& word : segment.words) {
                const double middle = (word.start + word.end) / 2;
                ++call.heard;
                const bool own = is_in_turn(turns, side, middle, kTurnTolerance);
                if (!own && is_in_turn(turns, other, middle, 0)) ++call.wrong_side;
            }
        }
    }
    call.score.add(errors, heard);
    report.call = call;
    return {};
}

void write_score(JsonWriter& json, const SetScore& score) {
    json.field("recordings", score.recordings).field("words", score.errors.words);
    json.field("errors", score.errors.errors).field("word_error_rate", score.errors.rate());
    json.field("audio_s", score.audio_s).field("cpu_s", score.cpu_s);
    json.field("cpu_s_per_audio_s", score.audio_s > 0 ? score.cpu_s / score.audio_s : 0);
}

std::string report_json(const SpeechReport& report, const std::string& folder, UnixMillis now) {
    std::string out;
    JsonWriter json(out);
    const auto machine = load::look_at_machine();
    json.begin_object().field("date", format_rfc3339(now));
    json.key("machine").begin_object().field("cpu", machine.cpu).field("cores", machine.cores).end_object();
    json.field("model", kRecogniser).field("model_version", kRecogniserVersion).field("data", folder);
    json.field("every", report.every).key("sets").begin_object();
    for (const auto& [name, score] : report.sets) {
        json.key(name).begin_object();
        write_score(json, score);
        json.end_object();
    }
    json.end_object().key("all").begin_object();
    write_score(json, report.all);
    json.end_object().key("call");
    if (report.call) {
        json.begin_object();
        write_score(json, report.call->score);
        json.field("words_heard", report.call->heard).field("words_on_the_wrong_side", report.call->wrong_side);
        json.end_object();
    } else {
        json.null();
    }
    json.end_object();
    return out + "\n";
}

void print_score(std::string_view name, const SetScore& score) {
    fmt::print("{}: {} recordings, {:.0f} s, {} words, {:.1f} % wrong, {:.3f} CPU s a second\n", name, score.recordings,
               score.audio_s, score.errors.words, 100 * score.errors.rate(),
               score.audio_s > 0 ? score.cpu_s / score.audio_s : 0);
}

void print_report(const SpeechReport& report) {
    for (const auto& [name, score] : report.sets) print_score(name, score);
    print_score("all", report.all);
    if (!report.call) return;
    print_score("call, each channel", report.call->score);
    fmt::print("call: {} of {} words on the wrong side\n", report.call->wrong_side, report.call->heard);
}

/// Takes `--every N` out of the words.
Result<std::size_t> take_every(std::vector<std::string>& words) {
    const auto found = std::ranges::find(words, "--every");
    if (found == words.end()) return 1;
    const auto value = found + 1 == words.end() ? std::nullopt : parse_u64(*(found + 1));
    if (!value || *value < 1 || *value > 1000) {
        return fail(ErrorCode::kInvalidArgument, "eval takes: speech " + std::string(kSpeechEvaluationUsage));
    }
    words.erase(found, found + 2);
    return static_cast<std::size_t>(*value);
}

Result<void> evaluate_speech(const service::CommandInput& input, const service::EvaluationArguments& arguments,
                             std::size_t every, const SpeechSettings& settings) {
    DecoderPool pool(settings.model_dir, 1);
    Listener listener{.pool = pool, .options = {}};
    listener.options.pauses.longest = settings.chunk_max;
    SpeechReport report;
    report.every = every;
    const std::string folder = arguments.data + "/speech/dev";
    TG_CHECK(judge_utterances(folder, listener, report));
    TG_CHECK(judge_call(folder, listener, report));
    print_report(report);
    const UnixMillis now = SystemClock().unix_ms();
    return service::store_evaluation(input, arguments, "speech", report_json(report, "speech/dev", now), now);
}

}  // namespace

int run_speech_evaluation(const service::CommandInput& input, const SpeechSettings& settings) {
    std::vector<std::string> words = input.words;
    const auto every = take_every(words);
    if (!every) return service::wrong_use(every.error().message);
    const service::CommandInput rest{
        .words = words, .data_dir = input.data_dir, .database_path = input.database_path, .database = input.database};
    const auto arguments = service::read_evaluation(rest, "eval takes: speech " + std::string(kSpeechEvaluationUsage));
    if (!arguments) return service::wrong_use(arguments.error().message);
    const auto done = evaluate_speech(rest, *arguments, *every, settings);
    return done ? 0 : service::failed(done.error());
}

}  // namespace tidegate::speech
