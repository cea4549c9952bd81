// Reading a tokenizer.json: the whole of it or an error that says what is wrong.

#include <utility>

#include "base/json.h"
#include "model/text/members.h"
#include "model/text/tokenizer_parts.h"

namespace tidegate::model {
namespace {

using text_detail::Members;

Result<std::optional<Truncation>> read_truncation(const Members& top) {
    if (top.is_absent("truncation")) return std::optional<Truncation>();
    TG_TRY(const json::Value value, top.object("truncation"));
    const Members members(value, "truncation");
    TG_CHECK(members.only({"max_length", "strategy", "stride", "direction"}));
    Truncation made;
    TG_TRY(made.tokens_max, members.number("max_length", UINT32_MAX));
    TG_TRY(const std::string strategy, members.text("strategy"));
    if (strategy == "OnlyFirst") {
        made.strategy = Truncation::Strategy::kOnlyFirst;
    } else if (strategy == "OnlySecond") {
        made.strategy = Truncation::Strategy::kOnlySecond;
    } else if (strategy != "LongestFirst") {
        return members.wrong("the strategy \"" + strategy.substr(0, 60) + "\" is not known");
    }
    if (!members.is_absent("direction")) {
        TG_TRY(const std::string direction, members.text("direction"));
        if (direction != "Left" && direction != "Right")
            return members.wrong("the direction is neither Left nor Right");
        made.from_left = direction == "Left";
    }
    return made;
}

Result<std::optional<Padding>> read_padding(const Members& top) {
    constexpr std::uint32_t kLengthMax = 1'048'576;
    if (top.is_absent("padding")) return std::optional<Padding>();
    TG_TRY(const json::Value value, top.object("padding"));
    const Members members(value, "padding");
    TG_CHECK(members.only({"strategy", "direction", "pad_to_multiple_of", "pad_id", "pad_type_id", "pad_token"}));
    Padding made;
    const auto strategy = value.find("strategy");
    if (strategy && strategy->kind() == json::Kind::kObject) {
        const Members fixed(*strategy, "padding strategy");
        TG_CHECK(fixed.only({"Fixed"}));
        TG_TRY(made.fixed, fixed.number("Fixed", kLengthMax));
    } else {
        TG_TRY(const std::string name, members.text("strategy"));
        if (name != "BatchLongest") return members.wrong("the strategy \"" + name.substr(0, 60) + "\" is not known");
    }
    TG_TRY(const std::string direction, members.text("direction"));
    if (direction != "Left" && direction != "Right") return members.wrong("the direction is neither Left nor Right");
    made.on_left = direction == "Left";
    if (!members.is_absent("pad_to_multiple_of")) {
        TG_TRY(made.multiple, members.number("pad_to_multiple_of", 65'536));
        if (made.multiple == 0) made.multiple = 1;
    }
    TG_TRY(made.id, members.number("pad_id", Vocabulary::kIdMax - 1));
    TG_TRY(made.type_id, members.number("pad_type_id", 255));
    return made;
}

// Files of 2020 do not name the type: a model with merges is a BPE.
Result<std::string> model_type(const Members& members, json::Value value) {
    if (!members.is_absent("type")) return members.text("type");
    if (value.find("merges")) return std::string("BPE");
    if (value.find("continuing_subword_prefix")) return std::string("WordPiece");
    return members.wrong("the type is missing");
}

json::Value member_or_null(json::Value object, std::string_view name, json::Value null) {
    return object.find(name).value_or(null);
}

}  // namespace

Result<Tokenizer> Tokenizer::parse(std::string_view bytes) {
    if (bytes.size() > kFileMax) return fail(ErrorCode::kTooLarge, "tokenizer: more than 64 MiB");
    TG_TRY(const json::Document document, json::parse(bytes));
    TG_TRY(const json::Document nothing, json::parse("null"));
    const json::Value root = document.root();
    if (root.kind() != json::Kind::kObject) return text_detail::wrong_tokenizer("the file is no object");
    const Members top(root, "file");
    TG_CHECK(top.only({"version", "truncation", "padding", "added_tokens", "normalizer", "pre_tokenizer",
                       "post_processor", "decoder", "model"}));
    TG_TRY(const std::string version, top.text("version"));
    if (version != "1.0")
        return text_detail::wrong_tokenizer("the version \"" + version.substr(0, 60) + "\" is not known");
    const auto member = [&](std::string_view name) { return member_or_null(root, name, nothing.root()); };

    auto impl = std::make_unique<Impl>();
    TG_TRY(impl->truncation, read_truncation(top));
    TG_TRY(impl->padding, read_padding(top));
    TG_TRY(impl->normalizer, Normalizer::parse(member("normalizer")));
    TG_TRY(impl->pre_tokenizer, PreTokenizer::parse(member("pre_tokenizer")));
    TG_TRY(const json::Value model, top.object("model"));
    const Members members(model, "model");
    TG_TRY(const std::string type, model_type(members, model));
    if (type != "WordPiece" && type != "BPE")
        return text_detail::wrong_tokenizer("the model \"" + type.substr(0, 60) + "\" is not known");
    TG_TRY(const json::Value vocab, members.object("vocab"));
    TG_TRY(impl->vocabulary, Vocabulary::parse(vocab, "model"));
    // Before the added tokens join the vocabulary: no word is cut into them.
    if (type == "WordPiece") {
        if (impl->pre_tokenizer.is_byte_level())
            return text_detail::wrong_tokenizer("WordPiece behind ByteLevel is not known");
        TG_TRY(impl->model, WordPiece::parse(model, impl->vocabulary));
    } else {
        TG_TRY(impl->model, Bpe::parse(model, impl->vocabulary, impl->pre_tokenizer.is_byte_level()));
    }
    TG_TRY(impl->added, AddedTokens::parse(member("added_tokens"), impl->normalizer, impl->vocabulary));
    TG_TRY(impl->post_processor, PostProcessor::parse(member("post_processor"), impl->vocabulary));
    return Tokenizer(std::move(impl));
}

}  // namespace tidegate::model
