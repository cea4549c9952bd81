// RemoteAnswer: what another server's transcription says, read strictly.
//
// Source      OpenAI's API: `POST /v1/audio/transcriptions` and `/translations`, response formats `json` and `verbose_json`.
// Guarantee   What is no transcript is an error, never an empty transcript: without a text, with a text and no segments, with times that
//             run backwards or far past the end, without the words that were asked for. No words are only what says so: an empty text and no segments.
// Memory      kSegmentsMax segments, kWordsMax words.
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

/// Of a piece of so many seconds. kUnavailable says what is wrong with the answer, in words without a piece of it.
Result<RemoteAnswer> read_remote_answer(std::string_view body, RemoteTimes times, double seconds);

}  // namespace tidegate::speech
