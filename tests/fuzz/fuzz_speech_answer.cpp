// Fuzzes what another server says a recording came to: whatever the bytes, what is believed has times that can be and text on one line,
// and an answer without a text is never an empty transcript.
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/assert.h"
#include "services/speech/remote/remote_answer.h"

namespace tidegate::speech {
namespace {

constexpr double kSeconds = 30;

void check_line(std::string_view text) {
    TG_ASSERT(!text.empty() && text.front() != ' ' && text.back() != ' ');
    for (const char c : text) TG_ASSERT(static_cast<unsigned char>(c) >= 0x20 && c != 0x7f);
}

void read_answer(std::string_view body, RemoteTimes times) {
    const auto read = read_remote_answer(body, times, kSeconds);
    if (!read) {
        TG_ASSERT(read.error().code == ErrorCode::kUnavailable);
        return;
    }
    TG_ASSERT(body.contains("\"text\"") || body.contains('\\'));
    TG_ASSERT(read->text.empty() || !read->segments.empty());
    double last = 0;
    for (const RemoteSegment& one : read->segments) {
        check_line(one.text);
        TG_ASSERT(one.start >= last && one.end >= one.start && std::isfinite(one.end));
        TG_ASSERT(!one.confidence || (*one.confidence >= 0 && *one.confidence <= 1));
        last = one.start;
    }
    TG_ASSERT(times == RemoteTimes::kWords || read->words.empty());
    for (const Word& one : read->words) {
        check_line(one.text);
        TG_ASSERT(one.start >= 0 && one.end >= one.start && std::isfinite(one.end));
    }
}

}  // namespace
}  // namespace tidegate::speech

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using tidegate::speech::RemoteTimes;
    const std::string_view bytes(reinterpret_cast<const char*>(data), size);
    for (const RemoteTimes times : {RemoteTimes::kWords, RemoteTimes::kSegments, RemoteTimes::kNone}) {
        tidegate::speech::read_answer(bytes, times);
    }
    return 0;
}
