// VoicePiece: stretches of one speaker's speech, one after the other, as the WAV that is sent to another server.
//
// Guarantee   Between two stretches lies silence, at most kPauseKept of it: no second of what was not judged to be speech leaves the
//             machine, and none is paid for. to_recording() gives a time in the piece back as one of the recording.
// Memory      2 bytes a sample: 32 kB a second.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "services/speech/audio/pauses.h"

namespace tidegate::speech {

class VoicePiece {
  public:
    static constexpr std::int64_t kPauseKept = kSampleRate;  // 1 s: enough to be heard as a pause.

    /// Later than what was added before.
    void add(const Chunk& chunk, Samples samples);
    bool empty() const noexcept { return stretches_.empty(); }
    /// Whether it would have at most `samples` with this stretch too.
    bool has_room(const Chunk& chunk, std::int64_t samples) const noexcept;
    /// Of the piece itself.
    double seconds() const noexcept { return to_seconds(size_); }
    /// Seconds of speech in it.
    double speech_seconds() const noexcept { return to_seconds(speech_); }
    /// Where a time of the piece lies in the recording; within a pause: at the end of what came before, or at the start of what comes.
    double start_in_recording(double seconds) const noexcept;
    double end_in_recording(double seconds) const noexcept;
    /// RIFF, 16 kHz, one channel, 16 bits. Appended to `out`.
    void append_wav(std::string& out) const;
    void clear();

  private:
    struct Stretch {
        std::int64_t in_piece;
        std::int64_t in_recording;
        std::int64_t samples;
    };
    std::int64_t pause_before(const Chunk& chunk) const noexcept;

    std::string samples_;  // Little endian.
    std::vector<Stretch> stretches_;
    std::int64_t size_ = 0;
    std::int64_t speech_ = 0;
};

}  // namespace tidegate::speech
