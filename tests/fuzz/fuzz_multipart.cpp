// Fuzzes the reader of forms: whatever the bytes, whole or piece by piece, they come to the same parts or the same failure, and no
// part holds bytes that were not sent.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/assert.h"
#include "http/multipart.h"

namespace tidegate::http {
namespace {

class FuzzParts final : public PartHandler {
  public:
    Result<void> on_part(const PartHead& head) override {
        TG_ASSERT(!open_ && !head.name.empty());
        open_ = true;
        told += "[" + head.name + "|" + head.file_name.value_or("-") + "]";
        return {};
    }
    Result<void> on_data(std::string_view bytes) override {
        TG_ASSERT(open_);
        told += bytes;
        taken += bytes.size();
        return {};
    }
    Result<void> on_part_end() override {
        TG_ASSERT(open_);
        open_ = false;
        told += "[end]";
        return {};
    }
    std::string told;
    std::size_t taken = 0;

  private:
    bool open_ = false;
};

struct Read {
    std::string told;
    bool whole = false;
};

Read read_form(std::string_view body, std::size_t piece) {
    FuzzParts parts;
    MultipartReader reader("b", {.parts_max = 6, .head_bytes_max = 256}, parts);
    bool sound = true;
    for (std::size_t at = 0; at < body.size() && sound; at += piece) {
        sound = reader.feed(body.substr(at, piece)).has_value();
    }
    TG_ASSERT(parts.taken <= body.size());
    return {.told = std::move(parts.told), .whole = reader.finish().has_value()};
}

}  // namespace
}  // namespace tidegate::http

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace tidegate::http;
    if (size < 1) return 0;
    const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
    static_cast<void>(multipart_boundary(bytes));
    const Read whole = read_form(bytes, bytes.size() + 1);
    const Read pieces = read_form(bytes, data[0] % 16U + 1U);
    TG_ASSERT(whole.whole == pieces.whole);
    if (whole.whole) TG_ASSERT(whole.told == pieces.told);
    return 0;
}
