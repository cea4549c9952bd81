// Pauses: from frames with and without voice to the chunks that are recognised, each of one speaker's breath.
//
// Algorithm   Voice holds on for 300 ms; shorter bursts than 100 ms are dropped; pauses of up to `bridge` belong to the speech; the rest
//             is padded with 300 ms (200 ms: 0.3 % more words wrong). What is longer than `longest` is cut at its longest pause, or its quietest frame, behind two thirds.
//             Cross-talk: a frame in which the other channel is 15 dB louder is the other speaker's.
// Memory      A byte a frame and channel: 0.4 MB an hour.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/clock.h"
#include "services/speech/audio/sound.h"

namespace tidegate::speech {

/// 10 ms of a channel: how loud, and whether there is voice in it.
class FrameMark {
  public:
    FrameMark() = default;
    /// `level_db`: 0 (silence) to 100 (full scale); clamped.
    FrameMark(double level_db, bool voice);
    int level_db() const noexcept { return byte_ & 0x7fU; }
    bool voice() const noexcept { return (byte_ & 0x80U) != 0; }
    void silence() noexcept { byte_ &= 0x7fU; }

  private:
    std::uint8_t byte_ = 0;
};
using FrameMarks = std::vector<FrameMark>;

/// Root mean square of the samples, in dB over one step of a 16-bit sample: 0 to 90.
double level_db(Samples samples) noexcept;

/// Where to listen: samples of the recording.
struct Chunk {
    std::int64_t first = 0;
    std::int64_t end = 0;
    friend bool operator==(const Chunk&, const Chunk&) = default;
};

struct PauseRules {
    Duration hangover = std::chrono::milliseconds(300);
    Duration shortest = std::chrono::milliseconds(100);
    Duration bridge = std::chrono::milliseconds(400);
    Duration pad = std::chrono::milliseconds(300);
    Duration longest = std::chrono::seconds(30);
};

/// In order, apart from each other, within `marks`.
std::vector<Chunk> find_chunks(std::span<const FrameMark> marks, const PauseRules& rules);

/// Takes the voice of those frames away in which the other channel is louder by `gate_db`. Of equal length.
void gate_crosstalk(FrameMarks& left, FrameMarks& right, int gate_db = 15);

}  // namespace tidegate::speech
