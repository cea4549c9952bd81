// Fuzzes what reads infer requests: JSON with binary tensors behind it, texts in their several forms. Whatever the bytes, a reader stays
// within them, a tensor that was read has as many elements as its shape, and what is written of it can be read again.
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "base/assert.h"
#include "services/inference/infer_request.h"
#include "services/inference/text_request.h"
#include "services/inference/values.h"

namespace tidegate::inference {
namespace {

void check_tensor(const model::TensorView& tensor, std::string_view body, bool binary) {
    const auto elements = tensor.shape.elements();
    TG_ASSERT(elements.has_value() && elements_of(tensor) == *elements);
    if (binary && !tensor.bytes.empty()) {
        const auto* begin = reinterpret_cast<const char*>(tensor.bytes.data());
        TG_ASSERT(begin >= body.data() && begin + tensor.bytes.size() <= body.data() + body.size());
    }
    std::uint64_t sum = 0;
    for (const std::byte one : tensor.bytes) sum += std::to_integer<std::uint64_t>(one);
    for (const std::string_view text : tensor.strings) {
        for (const char c : text) sum += static_cast<unsigned char>(c);
    }
    TG_ASSERT(sum < UINT64_MAX);
    if (elements_of(tensor) > 4096 || tensor.type == model::DataType::kBytes) return;
    // NaN loses its sign and payload in JSON; the text stays the same.
    std::string once;
    write_flat(once, tensor);
    const auto document = json::parse(once);
    TG_ASSERT(document.has_value());
    ValueStore store;
    const auto again = read_values(document->root(), tensor.type, tensor.shape, once.size(), store);
    TG_ASSERT(again.has_value());
    std::string twice;
    write_flat(twice, *again);
    TG_ASSERT(once == twice);
}

void read(std::string_view body, std::optional<std::uint64_t> json_bytes) {
    const auto made = read_infer(body, json_bytes, 64);
    if (!made) {
        TG_ASSERT(made.error().code == ErrorCode::kInvalidArgument && !made.error().message.empty());
        return;
    }
    for (const model::NamedTensor& input : made->inputs) {
        TG_ASSERT(!input.name.empty());
        const auto* begin = reinterpret_cast<const char*>(input.tensor.bytes.data());
        check_tensor(input.tensor, body, begin >= body.data() && begin < body.data() + body.size());
    }
}

void read_texts_of(std::string_view body) {
    const auto document = json::parse(body);
    if (!document) return;
    for (const auto reader : {read_texts, read_sequences}) {
        const auto items = reader(document->root(), "input", 64);
        if (!items) continue;
        TG_ASSERT(!items->items.empty() && items->items.size() <= 64);
        TG_ASSERT(!items->single || items->items.size() == 1);
    }
}

}  // namespace
}  // namespace tidegate::inference

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace tidegate::inference;
    if (size < 3) return 0;
    // Two bytes say how much of the rest is JSON; exactly as long as it is, so that a byte too far is found.
    const std::uint64_t split = static_cast<std::uint64_t>(data[0]) | static_cast<std::uint64_t>(data[1]) << 8U;
    const std::string body(reinterpret_cast<const char*>(data) + 2, size - 2);
    read(body, std::nullopt);
    read(body, split);
    read_texts_of(body);
    return 0;
}
