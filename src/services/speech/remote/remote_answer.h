// RemoteAnswer: what another server's transcription says, read strictly.
//
// Source      OpenAI's API: `POST /v1/audio/transcriptions` and `/translations`, response formats `json` and `verbose_json`.
// Guarantee   What is no transcript is an error, never an empty transcript: without a text, with a text and no segments, with times that
//             run backwards or far past the end, without the words that were asked for. No words are only what says so: an empty text and no segments.
//             So is what nobody can have said in so many seconds: answers of many pieces add up, and their sum is bounded by the recording.
// Memory      remote_text_max() bytes of text, of segments and of words each; segments and words: a few for each second, kSegmentsMax and kWordsMax at most.
// Threads     Any.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "services/speech/recognise/decoder.h"

namespace tidegate::speech {

/// What times the other server can tell.
enum class RemoteTimes : std::uint8_t {
    kWords,     // Of segments and of words.
    kSegments,  // Of segments.
    kNone,      // A text alone.
};

struct RemoteSegment {
    double start = 0;  // Seconds from the piece's start.
    double end = 0;
    std::string text;                  // One line.
    std::optional<double> confidence;  // Geometric mean of its tokens' probabilities, where the server tells.
};

struct RemoteAnswer {
    static constexpr std::size_t kSegmentsMax = 20'000;
    static constexpr std::size_t kWordsMax = 200'000;
    std::string text;
    std::string language;                 // `english`; empty: not told.
    std::vector<RemoteSegment> segments;  // None without words; with RemoteTimes::kNone: one over the whole piece.
    std::vector<Word> words;
};

/// Bytes of text that are believed of so many seconds: fast speech comes to less than a tenth of it.
constexpr std::size_t remote_text_max(double seconds) noexcept {
    return 4'096 + static_cast<std::size_t>(seconds * 1'024);
}

/// Whether it is a JSON object with a text: its server transcribes, whatever else is wrong with the answer.
bool has_remote_text(std::string_view body);

/// Of a piece of so many seconds. kUnavailable says what is wrong with the answer, in words without a piece of it.
Result<RemoteAnswer> read_remote_answer(std::string_view body, RemoteTimes times, double seconds);

}  // namespace tidegate::speech
