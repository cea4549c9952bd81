// `tidegate eval speech`: how many words are wrong, who is told of whose words, and what it costs.
//
// Algorithm   Each utterance of FOLDER/speech/dev/manifest.jsonl (or every N-th of each set) through the whole way: decode, find speech,
//             recognise; word errors of the joined segments. The two-channel call beside it: its words per channel, and the share of words
//             that lie in the other speaker's turn and in none of their own.
// Threads     The caller's; one decoder.
#pragma once

#include <string_view>

#include "services/module/module.h"
#include "services/speech/settings.h"

namespace tidegate::speech {

inline constexpr std::string_view kSpeechEvaluationUsage = "--data FOLDER [--every N] [--out FILE]";
/// The exit status.
int run_speech_evaluation(const service::CommandInput& input, const SpeechSettings& settings);

}  // namespace tidegate::speech
