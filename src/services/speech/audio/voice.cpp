#include "services/speech/audio/voice.h"

#include <webrtc/modules/audio_processing/include/audio_processing.h>
#include <webrtc/modules/interface/module_common_types.h>
#include <algorithm>

#include "base/assert.h"

namespace tidegate::speech {

struct VoiceDetector::Parts {
    std::unique_ptr<webrtc::AudioProcessing> processing;
    webrtc::AudioFrame frame;
};

VoiceDetector::VoiceDetector(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
VoiceDetector::~VoiceDetector() = default;
VoiceDetector::VoiceDetector(VoiceDetector&&) noexcept = default;
VoiceDetector& VoiceDetector::operator=(VoiceDetector&&) noexcept = default;

Result<VoiceDetector> VoiceDetector::make() {
    auto parts = std::make_unique<Parts>();
    parts->processing.reset(webrtc::AudioProcessing::Create());
    if (!parts->processing) return fail(ErrorCode::kUnavailable, "The voice detector cannot be made.");
    webrtc::VoiceDetection& detection = *parts->processing->voice_detection();
    if (detection.Enable(true) != 0 || detection.set_likelihood(webrtc::VoiceDetection::kLowLikelihood) != 0) {
        return fail(ErrorCode::kUnavailable, "The voice detector cannot be set.");
    }
    return VoiceDetector(std::move(parts));
}

bool VoiceDetector::has_voice(Samples frame) {
    TG_ASSERT(frame.size() == static_cast<std::size_t>(kFrameSamples));
    webrtc::AudioFrame& held = parts_->frame;
    held.sample_rate_hz_ = static_cast<int>(kSampleRate);
    held.num_channels_ = 1;
    held.samples_per_channel_ = static_cast<std::size_t>(kFrameSamples);
    std::ranges::copy(frame, held.data_);
    if (parts_->processing->ProcessStream(&held) != 0) return false;
    return parts_->processing->voice_detection()->stream_has_voice();
}

}  // namespace tidegate::speech
