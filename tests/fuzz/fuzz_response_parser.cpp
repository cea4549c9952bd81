// Fuzzes the client's reader of answers: whatever the bytes, however they are split and wherever the handler pauses, it stays
// within its input, tells the same story, and keeps what its header promises.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/assert.h"
#include "base/strings.h"
#include "http/client/answer_reader.h"
#include "http/client/fields.h"

namespace tidegate::http {
namespace {

using Status = AnswerReader::Status;

constexpr std::size_t kHeadMax = 2048;

void check_headers(const Headers& headers) {
    TG_ASSERT(headers.fields().size() <= ResponseParser::kFieldsMax);
    TG_ASSERT(headers.count("Content-Length") <= 1);
    for (const auto& [name, value] : headers.fields()) {
        TG_ASSERT(syntax::is_token(name) && !is_connection_field(name));
        TG_ASSERT(value.find_first_of(std::string_view("\r\n\0", 3)) == std::string::npos);
    }
}

/// The story: everything that a handler could tell apart, except how the body was cut into pieces.
struct Story final : AnswerSink {
    std::string heads;
    std::string body;
    int finals = 0;
    unsigned pauses = 0;  // Every so many pieces; 0: never.
    unsigned pieces = 0;

    void tell(char kind, int status, const Headers& headers) {
        check_headers(headers);
        heads += kind + std::to_string(status) + "\n";
        for (const auto& [name, value] : headers.fields()) heads.append(name).append("=").append(value).append("\n");
    }
    void on_interim(int status, const Headers& headers) override {
        TG_ASSERT(status > 100 && status < 200 && status != 101 && finals == 0);
        tell('i', status, headers);
    }
    void on_head(ResponseHead head) override {
        TG_ASSERT(head.status >= 200 && head.status <= 599 && ++finals == 1);
        tell('h', head.status, head.headers);
    }
    void on_tunnel(ResponseHead head) override {
        TG_ASSERT(head.status == 101 && ++finals == 1);
        tell('t', head.status, head.headers);
    }
    bool on_body(std::string_view bytes) override {
        TG_ASSERT(finals == 1 && !bytes.empty());
        body.append(bytes);
        return pauses == 0 || ++pieces % pauses != 0;
    }
};

struct Outcome {
    Story story;
    Status status = Status::kNeedMore;
    std::size_t consumed = 0;
    bool keep_alive = false;
    bool good_end = false;
};

Outcome read(std::string_view bytes, std::size_t step, unsigned pauses, bool to_head, bool upgrade) {
    Outcome out;
    out.story.pauses = pauses;
    AnswerReader reader(kHeadMax);
    reader.reset(to_head, upgrade ? "websocket" : "");
    std::size_t end = std::min(step, bytes.size());
    for (;;) {
        const std::string_view input = bytes.substr(out.consumed, end - out.consumed);
        std::size_t used = 0;
        out.status = reader.read(input, used, out.story);
        TG_ASSERT(used <= input.size());
        out.consumed += used;
        if (out.status == Status::kPaused) {
            TG_ASSERT(pauses != 0 && reader.paused());
            reader.resume();
            if (out.consumed < end) continue;
        } else if (out.status != Status::kNeedMore) {
            break;
        } else {
            // A body is never held back.
            TG_ASSERT(!reader.head_seen() || used == input.size());
        }
        if (end == bytes.size()) break;
        end = std::min(end + step, bytes.size());
    }
    out.keep_alive = reader.keep_alive();
    TG_ASSERT(!out.keep_alive || out.status == Status::kEnd);
    if (out.status == Status::kPaused) out.status = Status::kNeedMore;
    out.good_end =
        out.status == Status::kEnd || (out.status == Status::kNeedMore && reader.end_of_input() == Status::kEnd);
    return out;
}

}  // namespace
}  // namespace tidegate::http

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace tidegate::http;
    if (size < 2) return 0;
    const std::size_t step = data[0] % 16 + 1U;
    const unsigned pauses = data[1] % 4;
    const bool to_head = (data[1] & 0x10) != 0;
    const bool upgrade = (data[1] & 0x20) != 0;
    const std::string_view bytes(reinterpret_cast<const char*>(data) + 2, size - 2);
    const Outcome whole = read(bytes, bytes.size(), 0, to_head, upgrade);
    const Outcome parts = read(bytes, step, pauses, to_head, upgrade);
    TG_ASSERT(whole.status == parts.status && whole.good_end == parts.good_end);
    TG_ASSERT(whole.story.heads == parts.story.heads && whole.story.body == parts.story.body);
    TG_ASSERT(whole.keep_alive == parts.keep_alive);
    if (whole.status == Status::kEnd) TG_ASSERT(whole.consumed == parts.consumed);
    TG_ASSERT(whole.story.body.size() <= bytes.size());
    return 0;
}
