#include "services/speech/text/subtitles.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>

namespace tidegate::speech {

std::string format_cue_time(double seconds, char point) {
    const auto all = static_cast<std::int64_t>(std::llround(std::max(0.0, seconds) * 1000));
    return fmt::format("{:02}:{:02}:{:02}{}{:03}", all / 3'600'000, all / 60'000 % 60, all / 1000 % 60, point,
                       all % 1000);
}

std::string to_srt(std::span<const Segment> segments, bool named) {
    std::string out;
    std::size_t number = 0;
    for (const Segment& one : segments) {
        fmt::format_to(std::back_inserter(out), "{}\n{} --> {}\n{}{}{}\n\n", ++number, format_cue_time(one.start, ','),
                       format_cue_time(one.end, ','), named ? one.speaker : "", named ? ": " : "", one.text);
    }
    return out;
}

std::string to_vtt(std::span<const Segment> segments, bool named) {
    std::string out = "WEBVTT\n\n";
    for (const Segment& one : segments) {
        fmt::format_to(std::back_inserter(out), "{} --> {}\n", format_cue_time(one.start, '.'),
                       format_cue_time(one.end, '.'));
        if (named) fmt::format_to(std::back_inserter(out), "<v {}>", one.speaker);
        out += one.text + "\n\n";
    }
    return out;
}

std::string to_text(std::span<const Segment> segments, bool named) {
    std::string out;
    for (const Segment& one : segments) {
        if (named) {
            out += one.speaker + ": " + one.text + "\n";
        } else {
            if (!out.empty()) out += ' ';
            out += one.text;
        }
    }
    if (!named) out += '\n';
    return out;
}

}  // namespace tidegate::speech
