// SoundFile: a recording of any format libav reads, as 16 kHz samples, block by block.
//
// Position    The one place that knows libav. Above it there are samples.
// Guarantee   Only the one file is read, through our own reads: no other file, no address, whatever the bytes ask for. Only named
//             containers and codecs are tried. One or two channels come out as they are, more are mixed to one.
// Memory      One packet, one frame and its resampled samples: the same for a minute and for a day. What libav allocates at once is
//             bounded (64 MiB) for the whole process, whatever number of samples a file claims.
// Threads     One at a time.
// When it fails  kUnsupportedMedia: no container or codec we read, or no sound in it. kFailedValidation: broken or cut short.
//             kTooLarge: longer than allowed, or more channels. kCancelled: `should_stop` said so. kUnavailable: the file is gone.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/result.h"
#include "services/speech/audio/sound.h"

namespace tidegate::speech {

struct SoundLimits {
    double seconds_max = 3600;
    unsigned channels_max = 8;  // In the file.
    /// Asked at each read; empty: never.
    std::function<bool()> should_stop = {};
};

/// As the container tells it.
struct SoundInfo {
    std::string container;  // `wav`, `mov,mp4,m4a,3gp,3g2,mj2`: libav's names.
    std::string codec;
    unsigned sample_rate = 0;
    unsigned channels = 0;
    std::optional<double> duration_s;  // Where it says so.
};

class SoundFile {
  public:
    static Result<std::unique_ptr<SoundFile>> open(const std::string& path, const SoundLimits& limits);
    ~SoundFile();
    SoundFile(const SoundFile&) = delete;
    SoundFile& operator=(const SoundFile&) = delete;

    const SoundInfo& info() const noexcept;
    /// Channels of a block: 1 or 2.
    std::size_t channels() const noexcept;
    /// The next samples; false at the end, when all that the container promised has come.
    Result<bool> next(SoundBlock& out);

  private:
    struct Parts;
    explicit SoundFile(std::unique_ptr<Parts> parts);
    Result<void> configure();
    Result<bool> read_packet();
    Result<void> take_frames(SoundBlock& out);
    Result<void> convert(SoundBlock& out, bool flush);
    Result<void> judge_end() const;

    const std::unique_ptr<Parts> parts_;
};

}  // namespace tidegate::speech
