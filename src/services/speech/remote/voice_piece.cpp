#include "services/speech/remote/voice_piece.h"

#include <algorithm>
#include <cmath>

namespace tidegate::speech {
namespace {

constexpr std::int64_t kSampleBytes = 2;

void append_little(std::string& out, std::uint64_t value, int bytes) {
    for (int i = 0; i < bytes; ++i) out.push_back(static_cast<char>(value >> (8 * i) & 0xffU));
}

std::int64_t to_samples(double seconds) noexcept {
    return std::llround(seconds * static_cast<double>(kSampleRate));
}

}  // namespace

std::int64_t VoicePiece::pause_before(const Chunk& chunk) const noexcept {
    if (stretches_.empty()) return 0;
    const Stretch& last = stretches_.back();
    return std::clamp<std::int64_t>(chunk.first - (last.in_recording + last.samples), 0, kPauseKept);
}

bool VoicePiece::has_room(const Chunk& chunk, std::int64_t samples) const noexcept {
    return size_ + pause_before(chunk) + (chunk.end - chunk.first) <= samples;
}

void VoicePiece::add(const Chunk& chunk, Samples samples) {
    const std::int64_t pause = pause_before(chunk);
    samples_.append(static_cast<std::size_t>(pause * kSampleBytes), '\0');
    const auto count = static_cast<std::int64_t>(samples.size());
    stretches_.push_back({.in_piece = size_ + pause, .in_recording = chunk.first, .samples = count});
    samples_.reserve(samples_.size() + samples.size() * kSampleBytes);
    for (const std::int16_t one : samples) append_little(samples_, static_cast<std::uint16_t>(one), kSampleBytes);
    size_ += pause + count;
    speech_ += count;
}

double VoicePiece::start_in_recording(double seconds) const noexcept {
    const std::int64_t at = to_samples(seconds);
    // A start within a pause belongs to what comes.
    for (const Stretch& one : stretches_) {
        if (at < one.in_piece + one.samples)
            return to_seconds(one.in_recording + std::max<std::int64_t>(0, at - one.in_piece));
    }
    return stretches_.empty() ? 0 : to_seconds(stretches_.back().in_recording + stretches_.back().samples);
}

double VoicePiece::end_in_recording(double seconds) const noexcept {
    const std::int64_t at = to_samples(seconds);
    const Stretch* within = nullptr;
    for (const Stretch& one : stretches_) {
        if (within != nullptr && one.in_piece >= at) break;
        within = &one;
    }
    if (within == nullptr) return 0;
    return to_seconds(within->in_recording + std::clamp<std::int64_t>(at - within->in_piece, 0, within->samples));
}

void VoicePiece::append_wav(std::string& out) const {
    out += "RIFF";
    append_little(out, 36 + samples_.size(), 4);
    out += "WAVEfmt ";
    append_little(out, 16, 4);
    append_little(out, 1, 2);
    append_little(out, 1, 2);
    append_little(out, static_cast<std::uint64_t>(kSampleRate), 4);
    append_little(out, static_cast<std::uint64_t>(kSampleRate * kSampleBytes), 4);
    append_little(out, static_cast<std::uint64_t>(kSampleBytes), 2);
    append_little(out, static_cast<std::uint64_t>(8 * kSampleBytes), 2);
    out += "data";
    append_little(out, samples_.size(), 4);
    out += samples_;
}

void VoicePiece::clear() {
    samples_.clear();
    stretches_.clear();
    size_ = 0;
    speech_ = 0;
}

}  // namespace tidegate::speech
