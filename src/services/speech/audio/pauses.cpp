#include "services/speech/audio/pauses.h"

#include <algorithm>
#include <cmath>

#include "base/assert.h"

namespace tidegate::speech {
namespace {

/// Frames, from the first up to and without the end.
struct Stretch {
    std::int64_t first = 0;
    std::int64_t end = 0;
};

std::int64_t to_frames(Duration duration) {
    return std::chrono::duration_cast<std::chrono::milliseconds>(duration).count() / 10;
}

std::vector<Stretch> find_bursts(std::span<const FrameMark> marks) {
    std::vector<Stretch> out;
    const auto count = static_cast<std::int64_t>(marks.size());
    for (std::int64_t at = 0; at < count; ++at) {
        if (!marks[static_cast<std::size_t>(at)].voice()) continue;
        if (!out.empty() && out.back().end == at) {
            out.back().end = at + 1;
        } else {
            out.push_back({at, at + 1});
        }
    }
    return out;
}

/// Joins those with at most so many frames between them.
std::vector<Stretch> join(const std::vector<Stretch>& bursts, std::int64_t between) {
    std::vector<Stretch> out;
    for (const Stretch& one : bursts) {
        if (!out.empty() && one.first - out.back().end <= between) {
            out.back().end = one.end;
        } else {
            out.push_back(one);
        }
    }
    return out;
}

/// Where to cut [first, first + longest): in the middle of the longest pause of its last third, else at its quietest frame.
std::int64_t best_cut(std::span<const FrameMark> marks, std::int64_t first, std::int64_t longest) {
    const std::int64_t from = first + longest * 2 / 3;
    const std::int64_t to = first + longest;
    Stretch pause{from, from};
    Stretch running{from, from};
    std::int64_t quietest = to - 1;
    for (std::int64_t at = from; at < to; ++at) {
        const FrameMark mark = marks[static_cast<std::size_t>(at)];
        if (mark.level_db() <= marks[static_cast<std::size_t>(quietest)].level_db()) quietest = at;
        if (mark.voice()) {
            running = {at + 1, at + 1};
            continue;
        }
        running.end = at + 1;
        if (running.end - running.first > pause.end - pause.first) pause = running;
    }
    return pause.end > pause.first ? (pause.first + pause.end) / 2 : quietest;
}

}  // namespace

FrameMark::FrameMark(double level, bool voice)
    : byte_(static_cast<std::uint8_t>(static_cast<unsigned>(std::clamp(std::lround(level), 0L, 100L)) |
                                      (voice ? 0x80U : 0U))) {}

double level_db(Samples samples) noexcept {
    if (samples.empty()) return 0;
    double sum = 0;
    for (const std::int16_t one : samples) sum += static_cast<double>(one) * one;
    const double power = sum / static_cast<double>(samples.size());
    return power <= 1 ? 0 : 10 * std::log10(power);
}

std::vector<Chunk> find_chunks(std::span<const FrameMark> marks, const PauseRules& rules) {
    const auto count = static_cast<std::int64_t>(marks.size());
    const std::int64_t pad = to_frames(rules.pad);
    const std::int64_t longest = to_frames(rules.longest);
    TG_ASSERT(longest >= 3);
    // A burst counts once it is as long as `shortest`; the detector's own dropouts of a frame or two do not part it.
    std::vector<Stretch> bursts = join(find_bursts(marks), 2);
    std::erase_if(bursts, [&](const Stretch& one) { return one.end - one.first < to_frames(rules.shortest); });
    for (Stretch& one : bursts) one.end = std::min(count, one.end + to_frames(rules.hangover));
    std::vector<Chunk> out;
    std::int64_t taken = 0;
    for (Stretch stretch : join(bursts, to_frames(rules.bridge))) {
        stretch.first = std::max(taken, stretch.first - pad);
        stretch.end = std::min(count, stretch.end + pad);
        while (stretch.end - stretch.first > longest) {
            const std::int64_t cut = best_cut(marks, stretch.first, longest);
            out.push_back({stretch.first * kFrameSamples, cut * kFrameSamples});
            stretch.first = cut;
        }
        if (stretch.end <= stretch.first) continue;
        out.push_back({stretch.first * kFrameSamples, stretch.end * kFrameSamples});
        taken = stretch.end;
    }
    return out;
}

void gate_crosstalk(FrameMarks& left, FrameMarks& right, int gate_db) {
    TG_ASSERT(left.size() == right.size());
    for (std::size_t i = 0; i < left.size(); ++i) {
        const int difference = left[i].level_db() - right[i].level_db();
        if (difference > gate_db) right[i].silence();
        if (difference < -gate_db) left[i].silence();
    }
}

}  // namespace tidegate::speech
