// What the embedded recogniser was measured at: said with every transcript, and nothing else is.
//
// Source      `tidegate eval speech` on the date below; docs/speech.md has the whole table and how to repeat it.
#pragma once

#include <string_view>

namespace tidegate::speech {

inline constexpr std::string_view kRecogniser = "pocketsphinx-en-us";
/// Of Debian 12's library and model, and of our way to cut and to listen.
inline constexpr std::string_view kRecogniserVersion = "0.8+5prealpha+1-15/2";

struct Measured {
    double word_error_rate;
    unsigned words;
    double audio_s;
    double cpu_per_audio;
    double wrong_side;  // Of the words of a two-channel call, those told of the other speaker.
    std::string_view data;
    std::string_view date;
};

// clang-format off
inline constexpr Measured kMeasured{
    .word_error_rate = 0.529, .words = 1311, .audio_s = 512, .cpu_per_audio = 0.298, .wrong_side = 0.0,
    .data = "67 utterances of read speech, most of them LibriSpeech test-other; wrong_side: a call of 180 words", .date = "2026-11-22"};
// clang-format on

}  // namespace tidegate::speech
