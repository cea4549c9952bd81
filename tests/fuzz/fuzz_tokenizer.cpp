// The reader of tokenizer.json: bytes as they come, as one component of a file that is right otherwise, and as text for what was read.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/assert.h"
#include "base/utf8.h"
#include "model/text/tokenizer.h"

using tidegate::model::Encoding;
using tidegate::model::Range;
using tidegate::model::Tokenizer;

namespace {

constexpr std::array<std::string_view, 4> kNames{"normalizer", "pre_tokenizer", "post_processor", "added_tokens"};
constexpr std::array<std::string_view, 4> kDefaults{R"({"type":"BertNormalizer"})", R"({"type":"BertPreTokenizer"})",
                                                    R"({"type":"BertProcessing","sep":["b",1],"cls":["a",0]})", "[]"};
constexpr std::array<std::string_view, 2> kModels{
    R"({"type":"WordPiece","unk_token":"a","continuing_subword_prefix":"##","max_input_chars_per_word":9,"vocab":{"a":0,"b":1,"##b":2,"ab":3}})",
    R"({"type":"BPE","vocab":{"a":0,"b":1,"ab":2,"Ġ":3},"merges":["a b"],"unk_token":"a"})"};

void check(const Tokenizer& tokenizer, std::string_view text, Encoding& out) {
    if (!tokenizer.encode(text, out)) return;
    TG_ASSERT(out.ids.size() == out.offsets.size() && out.ids.size() == out.char_offsets.size() &&
              out.ids.size() == out.words.size());
    TG_ASSERT(out.ids.size() == out.type_ids.size() && out.ids.size() == out.attention_mask.size() &&
              out.ids.size() == out.special_mask.size());
    for (const Range range : out.offsets) TG_ASSERT(range.begin <= range.end || range.end <= text.size());
    static_cast<void>(tokenizer.encode_pair(text, text, out, {.pad = true, .tokens_max = 7}));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view input(reinterpret_cast<const char*>(data), size);
    Encoding out;
    if (const auto whole = Tokenizer::parse(input)) check(*whole, "Some text, ab.", out);
    if (size < 2) return 0;
    // The first byte chooses the component and the model, a zero parts it from the text.
    const std::string_view rest = input.substr(1);
    const std::size_t border = std::min(rest.find('\0'), rest.size());
    std::string file = R"({"version":"1.0","truncation":null,"padding":null,"decoder":null,"model":)";
    file += kModels[data[0] >> 2U & 1U];
    for (std::size_t i = 0; i < kNames.size(); ++i) {
        file.append(",\"").append(kNames[i]).append("\":");
        file.append(i == (data[0] & 3U) ? rest.substr(0, border) : kDefaults[i]);
    }
    const auto tokenizer = Tokenizer::parse(file + "}");
    if (tokenizer) check(*tokenizer, rest.substr(std::min(border + 1, rest.size())), out);
    return 0;
}
