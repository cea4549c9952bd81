// Listening: a first walk over a recording that finds where somebody speaks, and on which channel.
//
// Position    Between SoundFile and the recogniser: what it gives is the plan of the second walk.
// Memory      A byte each 10 ms and channel, and one block.
#pragma once

#include <string>
#include <vector>

#include "services/speech/audio/pauses.h"
#include "services/speech/audio/sound_file.h"

namespace tidegate::speech {

/// Whether the channels of a stereo recording are speakers.
enum class Separation : std::uint8_t {
    kAuto,  // Unless they are nearly the same.
    kOn,
    kOff,
};

struct Heeded {
    SoundInfo info;
    std::int64_t samples = 0;                // Of each channel.
    bool separate = false;                   // Each channel is a speaker.
    double correlation = 0;                  // Of the two channels, -1 to 1; 0 of one.
    std::vector<std::vector<Chunk>> chunks;  // Of each speaker: one, or two (left, right).
    std::int64_t speech_samples() const noexcept;
};

/// As SoundFile fails.
Result<Heeded> listen(const std::string& path, const SoundLimits& limits, Separation separation,
                      const PauseRules& rules);

/// The samples of a channel, or of both mixed (`separate` false), chunk by chunk: the second walk. `take` says false to end it.
Result<void> walk_chunks(const std::string& path, const SoundLimits& limits, bool separate, std::size_t channel,
                         std::span<const Chunk> chunks, const std::function<Result<void>(const Chunk&, Samples)>& take);

}  // namespace tidegate::speech
