#include "services/speech/remote/remote_engine.h"

#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <tuple>

#include "base/hash.h"
#include "services/speech/remote/voice_piece.h"

namespace tidegate::speech {
namespace {

double worked_s() {
    rusage used{};
    getrusage(RUSAGE_THREAD, &used);
    const auto seconds = [](const timeval& time) {
        return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
    };
    return seconds(used.ru_utime) + seconds(used.ru_stime);
}

/// To the millisecond, as nobody measured more.
double to_ms_precision(double seconds) {
    return std::round(seconds * 1000) / 1000;
}

void add_field(std::string& body, const std::string& boundary, std::string_view name, std::string_view value) {
    body += "--" + boundary + "\r\nContent-Disposition: form-data; name=\"" + std::string(name) + "\"\r\n\r\n";
    body += value;
    body += "\r\n";
}

/// Each word to the segment in which its middle lies, or the last that began before it.
void share_out(std::vector<Word>&& words, std::vector<Segment>& segments, std::size_t first) {
    if (first == segments.size()) return;
    // Both are sorted by their starts; middles need not be, so each word is looked up.
    const auto begin = segments.begin() + static_cast<std::ptrdiff_t>(first);
    for (Word& word : words) {
        const double middle = (word.start + word.end) / 2;
        const auto after = std::upper_bound(begin + 1, segments.end(), middle,
                                            [](double at, const Segment& one) { return at < one.start; });
        (after - 1)->words.push_back(std::move(word));
    }
}

// Where nobody says when to ask again: doubled each time.
constexpr Duration kFirstRest = std::chrono::milliseconds(250);

}  // namespace

/// One recording on its way.
struct RemoteEngine::Walk {
    const TranscribeOptions& options;
    const RemoteWish& wish;
    Transcript out = {};
    VoicePiece piece = {};
    std::string_view speaker = {};
    double done_s = 0;
    std::optional<RemoteFailure> failure = std::nullopt;

    bool is_stopped() const { return options.limits.should_stop && options.limits.should_stop(); }
    void take(RemoteAnswer&& answer);
};

/// Times of the piece become times of the recording.
void RemoteEngine::Walk::take(RemoteAnswer&& answer) {
    if (out.language.empty()) out.language = answer.language;
    const std::size_t first = out.segments.size();
    for (RemoteSegment& one : answer.segments) {
        Segment segment;
        segment.speaker = speaker;
        segment.start = to_ms_precision(piece.start_in_recording(one.start));
        segment.end = std::max(segment.start, to_ms_precision(piece.end_in_recording(one.end)));
        segment.text = std::move(one.text);
        segment.confidence = one.confidence;
        out.segments.push_back(std::move(segment));
    }
    for (Word& word : answer.words) {
        word.start = to_ms_precision(piece.start_in_recording(word.start));
        word.end = std::max(word.start, to_ms_precision(piece.end_in_recording(word.end)));
    }
    share_out(std::move(answer.words), out.segments, first);
}

Result<std::unique_ptr<RemoteEngine>> RemoteEngine::create(RemoteOptions options, const Clock& clock, Random& random,
                                                           observe::Logger& log) {
    TG_TRY(auto caller, RemoteCaller::create(options.upstream, clock, random, log));
    return std::unique_ptr<RemoteEngine>(new RemoteEngine(std::move(options), random, std::move(caller)));
}

bool RemoteEngine::is_usable() const {
    return std::ranges::any_of(caller_->snapshot().targets, &upstream::TargetSnapshot::usable);
}

http::ClientRequest RemoteEngine::make_request(const Walk& walk, RemoteTimes times) const {
    std::array<std::byte, 16> drawn{};
    random_.fill(drawn);  // Nobody can write it into a prompt.
    const std::string boundary =
        "tidegate-" + to_hex(reinterpret_cast<const std::uint8_t*>(drawn.data()), drawn.size());
    http::ClientRequest request;
    request.method = "POST";
    request.target = options_.base_path + (walk.wish.translate ? "/audio/translations" : "/audio/transcriptions");
    request.headers.add("Accept", "application/json");
    request.headers.add("Content-Type", "multipart/form-data; boundary=" + boundary);
    request.headers.add("User-Agent", "tidegate");
    if (!options_.key.empty()) request.headers.add("Authorization", "Bearer " + options_.key);
    std::string& body = request.body;
    add_field(body, boundary, "model", options_.model);
    add_field(body, boundary, "response_format", times == RemoteTimes::kNone ? "json" : "verbose_json");
    if (times == RemoteTimes::kWords) {
        add_field(body, boundary, "timestamp_granularities[]", "segment");
        add_field(body, boundary, "timestamp_granularities[]", "word");
    }
    // A translation is into English, from whatever it finds.
    if (!walk.wish.language.empty() && !walk.wish.translate) add_field(body, boundary, "language", walk.wish.language);
    if (!walk.wish.prompt.empty()) add_field(body, boundary, "prompt", walk.wish.prompt);
    if (walk.wish.temperature) add_field(body, boundary, "temperature", fmt::format("{}", *walk.wish.temperature));
    body +=
        "--" + boundary +
        "\r\nContent-Disposition: form-data; name=\"file\"; filename=\"audio.wav\"\r\nContent-Type: audio/wav\r\n\r\n";
    walk.piece.append_wav(body);
    body += "\r\n--" + boundary + "--\r\n";
    return request;
}

/// Asks until there is an answer, or a failure that a rest within what is left of rest_max does not mend.
std::expected<std::string, RemoteFailure> RemoteEngine::ask_patiently(const Walk& walk,
                                                                      const http::ClientRequest& request,
                                                                      const RemoteCaller::Judge& judge) {
    const auto gives_up = [&walk] { return walk.is_stopped(); };
    Duration left = options_.rest_max;
    for (Duration pause = kFirstRest;; pause *= 2) {
        auto given = caller_->ask(request, judge, gives_up);
        if (given) return given;
        const RemoteFailure& failure = given.error();
        // A breaker that is open at the first piece has cost nothing yet: whoever waits, or who stands in, need not wait for it.
        const bool may_pass =
            failure.why == RemoteFailure::Why::kThrottled ||
            (failure.why == RemoteFailure::Why::kBreakerOpen && walk.done_s > 0 && failure.ask_again_in.has_value());
        const Duration rest = std::max(pause, failure.ask_again_in.value_or(Duration::zero()));
        if (!may_pass || rest > left) return given;
        left -= rest;
        if (!caller_->rest(rest, gives_up)) {
            return std::unexpected(
                RemoteFailure{.why = RemoteFailure::Why::kCancelled, .detail = "The work was cancelled."});
        }
    }
}

Result<void> RemoteEngine::send_piece(Walk& walk) {
    if (walk.piece.empty()) return {};
    // OpenAI's translations time no words.
    const RemoteTimes times =
        walk.wish.translate && options_.times == RemoteTimes::kWords ? RemoteTimes::kSegments : options_.times;
    RemoteAnswer answer;
    const auto judge = [&](std::string_view body) -> Result<void> {
        auto read = read_remote_answer(body, times, walk.piece.seconds());
        if (!read) {
            return fail(has_remote_text(body) ? ErrorCode::kFailedValidation : ErrorCode::kUnavailable,
                        read.error().message);
        }
        answer = *std::move(read);
        return {};
    };
    auto given = ask_patiently(walk, make_request(walk, times), judge);
    if (!given) {
        if (given.error().why == RemoteFailure::Why::kCancelled) {
            return fail(ErrorCode::kCancelled, given.error().detail);
        }
        walk.failure = std::move(given).error();
        return fail(ErrorCode::kUnavailable, walk.failure->detail);
    }
    walk.take(std::move(answer));
    walk.done_s += walk.piece.speech_seconds();
    if (walk.options.progress) walk.options.progress(std::min(1.0, walk.done_s / walk.out.speech_s));
    walk.piece.clear();
    return {};
}

std::expected<Transcript, RemoteNotHeard> RemoteEngine::transcribe(const std::string& path,
                                                                   const TranscribeOptions& options,
                                                                   const RemoteWish& wish) {
    const double began = worked_s();
    const auto heeded = listen(path, options.limits, options.separation, options.pauses);
    if (!heeded) return std::unexpected(RemoteNotHeard{.error = heeded.error(), .failure = {}});
    Walk walk{.options = options, .wish = wish};
    walk.out.info = heeded->info;
    walk.out.duration_s = to_seconds(heeded->samples);
    walk.out.speech_s = to_seconds(heeded->speech_samples());
    walk.out.separate = heeded->separate;
    walk.out.correlation = heeded->correlation;
    const std::int64_t samples_max =
        std::chrono::duration_cast<std::chrono::milliseconds>(options_.piece_max).count() * kSampleRate / 1000;
    for (std::size_t channel = 0; channel < heeded->chunks.size(); ++channel) {
        walk.speaker = !heeded->separate ? "speaker" : channel == 0 ? "left" : "right";
        auto walked = walk_chunks(path, options.limits, heeded->separate, channel, heeded->chunks[channel],
                                  [&](const Chunk& chunk, Samples samples) -> Result<void> {
                                      const bool alone = options_.times == RemoteTimes::kNone;
                                      if (alone || !walk.piece.has_room(chunk, samples_max)) TG_CHECK(send_piece(walk));
                                      walk.piece.add(chunk, samples);
                                      return {};
                                  });
        if (walked) walked = send_piece(walk);
        if (!walked) return std::unexpected(RemoteNotHeard{.error = walked.error(), .failure = walk.failure});
    }
    Transcript out = std::move(walk.out);
    std::ranges::sort(out.segments, {}, [](const Segment& one) { return std::tie(one.start, one.speaker); });
    out.cpu_s = worked_s() - began;
    return out;
}

}  // namespace tidegate::speech
