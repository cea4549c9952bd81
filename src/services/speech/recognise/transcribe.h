// Transcribing: a recording to who said what, when.
//
// Position    Over audio/ (where somebody speaks) and Decoder (what is said); below it there is no HTTP and no database.
// Algorithm   Two walks over the file: the first finds the stretches of speech of each speaker, the second recognises them one by one.
//             A stretch is a segment. Channels are speakers unless they hear the same; nobody is told apart by voice.
// Memory      A byte each 10 ms and channel, a stretch (30 s at most), and the words.
// Threads     One recording on one thread, with one decoder.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "services/speech/audio/listen.h"
#include "services/speech/recognise/decoder_pool.h"

namespace tidegate::speech {

struct Segment {
    std::string speaker;  // `left`, `right`, or `speaker` where there is one only.
    double start = 0;     // Seconds from the recording's start.
    double end = 0;
    std::string text;
    std::optional<double> confidence = std::nullopt;  // Mean of its words; none: the engine tells none.
    std::vector<Word> words;
    friend bool operator==(const Segment&, const Segment&) = default;
};

/// Of an engine that tells no words: what blanks part.
std::size_t count_words(const Segment& segment);

struct Transcript {
    SoundInfo info;
    double duration_s = 0;
    double speech_s = 0;  // Of all speakers together.
    bool separate = false;
    double correlation = 0;
    double cpu_s = 0;               // Of the thread that worked.
    std::string language;           // `english`; empty: the engine does not tell.
    std::vector<Segment> segments;  // By their start; none is empty.
};

struct TranscribeOptions {
    SoundLimits limits;
    Separation separation = Separation::kAuto;
    PauseRules pauses;
    /// 0 to 1; may be empty.
    std::function<void(double)> progress = {};
};

/// As SoundFile and DecoderPool fail.
Result<Transcript> transcribe(const std::string& path, DecoderPool& pool, const TranscribeOptions& options);

}  // namespace tidegate::speech
