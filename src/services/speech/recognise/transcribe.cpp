#include "services/speech/recognise/transcribe.h"

#include <sys/resource.h>

#include <algorithm>
#include <cmath>
#include <tuple>

namespace tidegate::speech {
namespace {

double cpu_seconds(const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
}

/// CPU of this thread: what work cost is no question to a clock.
double thread_cpu_s() {
    rusage used{};
    getrusage(RUSAGE_THREAD, &used);
    return cpu_seconds(used.ru_utime) + cpu_seconds(used.ru_stime);
}

/// Seconds, without the digits that nobody measured.
double to_milliseconds(double seconds) {
    return std::round(seconds * 1000) / 1000;
}

Segment make_segment(std::string_view speaker, const Chunk& chunk, std::vector<Word> words) {
    Segment out;
    out.speaker = speaker;
    const double offset = to_seconds(chunk.first);
    double sum = 0;
    for (Word& word : words) {
        word.start = to_milliseconds(word.start + offset);
        word.end = to_milliseconds(std::min(word.end + offset, to_seconds(chunk.end)));
        if (!out.text.empty()) out.text += ' ';
        out.text += word.text;
        sum += word.confidence.value_or(0);
    }
    out.start = words.front().start;
    out.end = words.back().end;
    out.confidence = sum / static_cast<double>(words.size());
    out.words = std::move(words);
    return out;
}

}  // namespace

std::size_t count_words(const Segment& segment) {
    if (!segment.words.empty()) return segment.words.size();
    std::size_t count = 0;
    for (std::size_t i = 0; i < segment.text.size(); ++i) {
        if (segment.text[i] != ' ' && (i == 0 || segment.text[i - 1] == ' ')) ++count;
    }
    return count;
}

Result<Transcript> transcribe(const std::string& path, DecoderPool& pool, const TranscribeOptions& options) {
    const double began = thread_cpu_s();
    const auto& should_stop = options.limits.should_stop;
    TG_TRY(const Heeded heeded, listen(path, options.limits, options.separation, options.pauses));
    // Loading the model, once, is no work of this recording.
    const double listened = thread_cpu_s() - began;
    TG_TRY(const DecoderPool::Lease decoder, pool.lease(should_stop));
    const double leased = thread_cpu_s();
    Transcript out;
    out.info = heeded.info;
    out.duration_s = to_seconds(heeded.samples);
    out.speech_s = to_seconds(heeded.speech_samples());
    out.separate = heeded.separate;
    out.correlation = heeded.correlation;
    out.language = "english";  // What its model knows.
    double done_s = 0;
    for (std::size_t channel = 0; channel < heeded.chunks.size(); ++channel) {
        const std::string_view speaker = !heeded.separate ? "speaker" : channel == 0 ? "left" : "right";
        TG_CHECK(walk_chunks(path, options.limits, heeded.separate, channel, heeded.chunks[channel],
                             [&](const Chunk& chunk, Samples samples) -> Result<void> {
                                 if (should_stop && should_stop()) {
                                     return fail(ErrorCode::kCancelled, "The work was cancelled.");
                                 }
                                 TG_TRY(std::vector<Word> words, decoder->hear(samples));
                                 if (!words.empty()) {
                                     out.segments.push_back(make_segment(speaker, chunk, std::move(words)));
                                 }
                                 done_s += to_seconds(chunk.end - chunk.first);
                                 if (options.progress) options.progress(std::min(1.0, done_s / out.speech_s));
                                 return {};
                             }));
    }
    std::ranges::sort(out.segments, {}, [](const Segment& one) { return std::tie(one.start, one.speaker); });
    out.cpu_s = listened + thread_cpu_s() - leased;
    return out;
}

}  // namespace tidegate::speech
