#include "services/speech/audio/listen.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "services/speech/audio/voice.h"

namespace tidegate::speech {
namespace {

// Two microphones of one room hear the same; two ends of a call do not.
constexpr double kSameCorrelation = 0.95;

/// The mean of both channels into the first.
void mix_down(SoundBlock& block) {
    auto& left = block.channels[0];
    const auto& right = block.channels[1];
    for (std::size_t i = 0; i < left.size(); ++i) {
        left[i] = static_cast<std::int16_t>((static_cast<int>(left[i]) + right[i]) / 2);
    }
}

/// Marks the frames of one channel as its samples come.
class FrameMarker {
  public:
    explicit FrameMarker(VoiceDetector detector) : detector_(std::move(detector)) {}
    void add(Samples samples) {
        while (!samples.empty()) {
            const auto wanted = static_cast<std::size_t>(kFrameSamples) - held_.size();
            const Samples piece = samples.first(std::min(wanted, samples.size()));
            held_.insert(held_.end(), piece.begin(), piece.end());
            samples = samples.subspan(piece.size());
            if (held_.size() < static_cast<std::size_t>(kFrameSamples)) return;
            marks_.emplace_back(level_db(held_), detector_.has_voice(held_));
            held_.clear();
        }
    }
    FrameMarks take() { return std::move(marks_); }

  private:
    VoiceDetector detector_;
    std::vector<std::int16_t> held_;
    FrameMarks marks_;
};

/// Pearson's, of samples as they come.
struct ChannelSums {
    double a = 0, b = 0, aa = 0, bb = 0, ab = 0, n = 0;
    void add(const SoundBlock& block) {
        for (std::size_t i = 0; i < block.size(); ++i) {
            const double x = block.channels[0][i];
            const double y = block.channels[1][i];
            a += x, b += y, aa += x * x, bb += y * y, ab += x * y;
        }
        n += static_cast<double>(block.size());
    }
    double correlation() const {
        const double spread = (n * aa - a * a) * (n * bb - b * b);
        return spread > 0 ? (n * ab - a * b) / std::sqrt(spread) : 0;
    }
};

Result<std::vector<FrameMarker>> make_markers(std::size_t count) {
    std::vector<FrameMarker> out;
    for (std::size_t i = 0; i < count; ++i) {
        TG_TRY(VoiceDetector detector, VoiceDetector::make());
        out.emplace_back(std::move(detector));
    }
    return out;
}

}  // namespace

std::int64_t Heeded::speech_samples() const noexcept {
    std::int64_t sum = 0;
    for (const auto& speaker : chunks) {
        for (const Chunk& one : speaker) sum += one.end - one.first;
    }
    return sum;
}

Result<Heeded> listen(const std::string& path, const SoundLimits& limits, Separation separation,
                      const PauseRules& rules) {
    TG_TRY(const auto file, SoundFile::open(path, limits));
    Heeded out;
    out.info = file->info();
    const bool stereo = file->channels() == 2;
    const bool may_separate = stereo && separation != Separation::kOff;
    const bool may_mix = !stereo || separation != Separation::kOn;
    // Which it is shows at the end only: until then both ways are heeded.
    TG_TRY(auto apart, make_markers(may_separate ? 2 : 0));
    TG_TRY(auto mixed, make_markers(may_mix ? 1 : 0));
    ChannelSums sums;
    SoundBlock block;
    for (;;) {
        TG_TRY(const bool more, file->next(block));
        if (!more) break;
        out.samples += static_cast<std::int64_t>(block.size());
        if (stereo) sums.add(block);
        for (std::size_t i = 0; i < apart.size(); ++i) apart[i].add(block.channels[i]);
        if (!may_mix) continue;
        if (stereo) mix_down(block);
        mixed[0].add(block.channels[0]);
    }
    out.correlation = stereo ? sums.correlation() : 0;
    out.separate = may_separate && (!may_mix || out.correlation <= kSameCorrelation);
    if (!out.separate) {
        out.chunks.push_back(find_chunks(mixed[0].take(), rules));
        return out;
    }
    FrameMarks left = apart[0].take();
    FrameMarks right = apart[1].take();
    gate_crosstalk(left, right);
    out.chunks.push_back(find_chunks(left, rules));
    out.chunks.push_back(find_chunks(right, rules));
    return out;
}

Result<void> walk_chunks(const std::string& path, const SoundLimits& limits, bool separate, std::size_t channel,
                         std::span<const Chunk> chunks,
                         const std::function<Result<void>(const Chunk&, Samples)>& take) {
    if (chunks.empty()) return {};
    TG_TRY(const auto file, SoundFile::open(path, limits));
    SoundBlock block;
    std::vector<std::int16_t> held;
    std::int64_t at = 0;  // Of the block's first sample.
    std::size_t next = 0;
    while (next < chunks.size()) {
        TG_TRY(const bool more, file->next(block));
        if (!more) break;
        if (!separate && file->channels() == 2) mix_down(block);
        const auto& samples = block.channels[separate ? channel : 0];
        const auto end = at + static_cast<std::int64_t>(samples.size());
        // A block may hold the end of one chunk and the whole of the next.
        while (next < chunks.size() && chunks[next].first < end) {
            const Chunk& chunk = chunks[next];
            const auto from = std::max(chunk.first, at) - at;
            const auto to = std::min(chunk.end, end) - at;
            held.insert(held.end(), samples.begin() + from, samples.begin() + to);
            if (chunk.end > end) break;
            TG_CHECK(take(chunk, held));
            held.clear();
            ++next;
        }
        at = end;
    }
    // The last frame of a plan may be one that the file did not fill.
    if (next < chunks.size() && !held.empty()) return take(chunks[next], held);
    return {};
}

}  // namespace tidegate::speech
