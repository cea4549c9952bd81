#include "services/speech/remote/remote_answer.h"

#include <algorithm>
#include <cmath>

#include "base/json.h"

namespace tidegate::speech {
namespace {

// Engines work in windows of 30 s, and the last one may reach past the end of what they were given.
constexpr double kPastTheEndS = 31;
constexpr std::size_t kLanguageBytesMax = 32;
// More than anybody says, and than a recogniser that repeats itself makes up.
constexpr double kSegmentsEachS = 8;
constexpr double kWordsEachS = 32;
constexpr std::size_t kAtLeast = 256;

std::size_t count_max(double seconds, double each_s, std::size_t most) {
    return std::min(most, kAtLeast + static_cast<std::size_t>(seconds * each_s));
}

std::unexpected<Error> no_transcript(std::string what) {
    return fail(ErrorCode::kUnavailable, "The upstream's answer is no transcript: " + std::move(what) + ".");
}

/// On one line: line ends and other controls would be structure in subtitles.
std::string one_line(std::string_view text) {
    std::string out;
    for (const char c : text) {
        const bool blank = static_cast<unsigned char>(c) <= 0x20 || c == 0x7f;
        if (!blank) {
            out.push_back(c);
        } else if (!out.empty() && out.back() != ' ') {
            out.push_back(' ');
        }
    }
    if (out.ends_with(' ')) out.pop_back();
    return out;
}

struct Span {
    double start, end;
};

/// `start` and `end` of a segment or a word; nothing where they cannot be.
std::optional<Span> read_span(json::Value one, double seconds) {
    const auto start = one.find("start");
    const auto end = one.find("end");
    if (!start || !end || !start->is_number() || !end->is_number()) return std::nullopt;
    const Span span{start->as_double(), end->as_double()};
    const bool sound = std::isfinite(span.start) && std::isfinite(span.end) && span.start >= 0 &&
                       span.end >= span.start && span.start <= seconds + kPastTheEndS &&
                       span.end <= seconds + kPastTheEndS;
    return sound ? std::optional(span) : std::nullopt;
}

std::optional<double> confidence_of(json::Value segment) {
    const auto log = segment.find("avg_logprob");
    if (!log || !log->is_number()) return std::nullopt;
    const double value = log->as_double();
    return std::isfinite(value) && value <= 0 ? std::optional(std::exp(value)) : std::nullopt;
}

/// What is in order stays as it is, also where times are equal.
template <class Timed>
void sort_by_start(std::vector<Timed>& all) {
    if (!std::ranges::is_sorted(all, {}, &Timed::start)) std::ranges::sort(all, {}, &Timed::start);
}

Result<void> read_segments(json::Value root, double seconds, RemoteAnswer& out) {
    const auto found = root.find("segments");
    if (!found || found->kind() != json::Kind::kArray) {
        return no_transcript("it has no segments (an engine that knows none needs speech.upstream.times: none)");
    }
    if (found->size() > count_max(seconds, kSegmentsEachS, RemoteAnswer::kSegmentsMax)) {
        return no_transcript("it has too many segments");
    }
    bool sound = true;
    std::size_t bytes = 0;
    found->each([&](json::Value one) {
        if (!sound) return;
        const auto text = one.kind() == json::Kind::kObject ? one.find("text") : std::nullopt;
        const auto span = text && text->kind() == json::Kind::kString ? read_span(one, seconds) : std::nullopt;
        sound = span.has_value();
        if (!sound) return;
        RemoteSegment segment{.start = span->start,
                              .end = span->end,
                              .text = one_line(text->as_string()),
                              .confidence = confidence_of(one)};
        bytes += segment.text.size();
        if (!segment.text.empty() && bytes <= remote_text_max(seconds)) out.segments.push_back(std::move(segment));
    });
    if (!sound) return no_transcript("a segment has no text, or times that cannot be");
    if (bytes > remote_text_max(seconds))
        return no_transcript("its segments have more text than anybody says in that time");
    sort_by_start(out.segments);
    return {};
}

Result<void> read_words(json::Value root, double seconds, RemoteAnswer& out) {
    const auto found = root.find("words");
    if (!found || found->kind() != json::Kind::kArray) {
        if (out.segments.empty()) return {};
        return no_transcript("it has no words (an engine that times none needs speech.upstream.times: segments)");
    }
    if (found->size() > count_max(seconds, kWordsEachS, RemoteAnswer::kWordsMax)) {
        return no_transcript("it has too many words");
    }
    bool sound = true;
    std::size_t bytes = 0;
    found->each([&](json::Value one) {
        if (!sound) return;
        const auto word = one.kind() == json::Kind::kObject ? one.find("word") : std::nullopt;
        const auto span = word && word->kind() == json::Kind::kString ? read_span(one, seconds) : std::nullopt;
        sound = span.has_value();
        if (!sound) return;
        std::string text = one_line(word->as_string());
        bytes += text.size();
        if (text.empty() || bytes > remote_text_max(seconds)) return;
        out.words.push_back({.text = std::move(text), .start = span->start, .end = span->end});
    });
    if (!sound) return no_transcript("a word has no text, or times that cannot be");
    if (bytes > remote_text_max(seconds)) return no_transcript("its words are longer than anybody says in that time");
    if (out.words.empty() && !out.segments.empty()) return no_transcript("its segments have no words");
    sort_by_start(out.words);
    return {};
}

}  // namespace

bool has_remote_text(std::string_view body) {
    const auto document = json::parse(body);
    if (!document || document->root().kind() != json::Kind::kObject) return false;
    const auto text = document->root().find("text");
    return text && text->kind() == json::Kind::kString;
}

Result<RemoteAnswer> read_remote_answer(std::string_view body, RemoteTimes times, double seconds) {
    const auto document = json::parse(body);
    if (!document || document->root().kind() != json::Kind::kObject) return no_transcript("it is no JSON object");
    const json::Value root = document->root();
    const auto text = root.find("text");
    if (!text || text->kind() != json::Kind::kString) return no_transcript("it has no text");
    RemoteAnswer out;
    out.text = one_line(text->as_string());
    if (out.text.size() > remote_text_max(seconds))
        return no_transcript("its text is longer than anybody says in that time");
    if (const auto language = root.find("language"); language && language->kind() == json::Kind::kString) {
        out.language = one_line(language->as_string().substr(0, kLanguageBytesMax));
    }
    if (times == RemoteTimes::kNone) {
        if (!out.text.empty()) out.segments.push_back({.start = 0, .end = seconds, .text = out.text, .confidence = {}});
        return out;
    }
    TG_CHECK(read_segments(root, seconds, out));
    if (times == RemoteTimes::kWords) TG_CHECK(read_words(root, seconds, out));
    if (out.segments.empty() && !out.text.empty()) return no_transcript("it has a text, and no segment with words");
    return out;
}

}  // namespace tidegate::speech
