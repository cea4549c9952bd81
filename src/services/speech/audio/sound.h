// Sound: what every part of speech means by samples and seconds.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace tidegate::speech {

/// Of everything after the decoder; what the recogniser's model was trained on.
inline constexpr std::int64_t kSampleRate = 16'000;
/// What the voice detector judges at once: 10 ms.
inline constexpr std::int64_t kFrameSamples = kSampleRate / 100;
inline constexpr std::size_t kChannelsMax = 2;

using Samples = std::span<const std::int16_t>;

constexpr double to_seconds(std::int64_t samples) noexcept {
    return static_cast<double>(samples) / static_cast<double>(kSampleRate);
}

/// Some time of a recording, each channel by itself; all of one length.
struct SoundBlock {
    std::array<std::vector<std::int16_t>, kChannelsMax> channels;
    std::size_t size() const noexcept { return channels[0].size(); }
};

}  // namespace tidegate::speech
