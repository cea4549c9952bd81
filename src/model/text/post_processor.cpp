#include "model/text/post_processor.h"

#include <algorithm>
#include <string>
#include <utility>

#include "model/text/members.h"

namespace tidegate::model {
namespace {

using text_detail::Members;
using Part = PostProcessor::Part;

constexpr int kPostProcessorDepthMax = 4;
constexpr std::size_t kPartsMax = 64;
constexpr std::uint32_t kTypeIdMax = 255;

// `["</s>", 2]`: the token's id, which must be that of the vocabulary.
Result<std::uint32_t> read_named(const Members& members, std::string_view name, const Vocabulary& vocabulary) {
    TG_TRY(const json::Value list, members.array(name));
    std::string_view token;
    std::int64_t id = -1;
    list.each([&](json::Value one) {
        if (one.kind() == json::Kind::kString) token = one.as_string();
        if (one.kind() == json::Kind::kInteger) id = one.as_int();
    });
    const auto known = vocabulary.id(token);
    if (list.size() != 2 || !known || std::int64_t{*known} != id)
        return members.wrong(std::string(name) + " is no token with its id");
    return *known;
}

struct Special {
    std::string name;
    std::vector<std::uint32_t> ids;
};

Result<std::vector<Special>> read_specials(const Members& members, const Vocabulary& vocabulary) {
    TG_TRY(const json::Value object, members.object("special_tokens"));
    if (object.size() > kPartsMax) return members.wrong("more than 64 special tokens");
    std::vector<Special> made;
    bool is_right = true;
    object.each_member([&](std::string_view name, json::Value value) {
        Special& special = made.emplace_back(Special{std::string(name), {}});
        const auto ids = value.kind() == json::Kind::kObject ? value.find("ids") : std::nullopt;
        if (!ids || ids->kind() != json::Kind::kArray || ids->size() > kPartsMax) return void(is_right = false);
        ids->each([&](json::Value id) {
            const bool is_id =
                id.kind() == json::Kind::kInteger && id.as_int() >= 0 && id.as_int() < std::int64_t{Vocabulary::kIdMax};
            is_right = is_right && is_id && !vocabulary.token(static_cast<std::uint32_t>(id.as_int())).empty();
            if (is_right) special.ids.push_back(static_cast<std::uint32_t>(id.as_int()));
        });
    });
    if (!is_right) return members.wrong("special_tokens: an id is not in the vocabulary");
    return made;
}

Result<void> add_part(const Members& members, json::Value one, const std::vector<Special>& specials, bool is_pair,
                      PostProcessor::Template& out) {
    const auto wrong = [&] { return members.wrong("a part of the template is not known"); };
    if (one.kind() != json::Kind::kObject || one.size() != 1 || out.size() > kPartsMax) return wrong();
    const auto sequence = one.find("Sequence");
    const auto special = one.find("SpecialToken");
    const json::Value body = sequence ? *sequence : special ? *special : one;
    if ((!sequence && !special) || body.kind() != json::Kind::kObject) return wrong();
    const Members inner(body, members.where());
    TG_CHECK(inner.only({"id", "type_id"}));
    TG_TRY(const std::string id, inner.text("id"));
    TG_TRY(const std::uint32_t type, inner.number("type_id", kTypeIdMax));
    if (sequence) {
        if (id != "A" && !(is_pair && id == "B")) return wrong();
        out.push_back({id == "A" ? Part::Kind::kFirst : Part::Kind::kSecond, 0, type});
        return {};
    }
    const auto found = std::ranges::find(specials, id, &Special::name);
    if (found == specials.end()) return members.wrong("the special token \"" + id.substr(0, 60) + "\" has no ids");
    for (const std::uint32_t each : found->ids) out.push_back({Part::Kind::kSpecial, each, type});
    return {};
}

Result<PostProcessor::Template> read_form(const Members& members, std::string_view name,
                                          const std::vector<Special>& specials) {
    TG_TRY(const json::Value list, members.array(name));
    if (list.size() > kPartsMax) return members.wrong("more than 64 parts in a template");
    PostProcessor::Template made;
    Result<void> done;
    list.each([&](json::Value one) {
        if (done) done = add_part(members, one, specials, name == "pair", made);
    });
    TG_CHECK(done);
    for (const Part::Kind kind : {Part::Kind::kFirst, Part::Kind::kSecond}) {
        const auto count = std::ranges::count(made, kind, &Part::kind);
        if (count != (kind == Part::Kind::kFirst || name == "pair" ? 1 : 0))
            return members.wrong("a template does not hold each text once");
    }
    return made;
}

}  // namespace

std::size_t PostProcessor::specials(bool is_pair) const noexcept {
    return form(is_pair).size() - (is_pair ? 2 : 1);
}

Result<PostProcessor> PostProcessor::parse(json::Value value, const Vocabulary& vocabulary) {
    PostProcessor made;
    if (value.kind() == json::Kind::kNull) return made;
    TG_CHECK(made.add(value, vocabulary, 0));
    return made;
}

Result<void> PostProcessor::add(json::Value value, const Vocabulary& vocabulary, int depth) {
    TG_TRY(const std::string type, text_detail::component_type(value, "post_processor"));
    const Members members(value, "post_processor \"" + type.substr(0, 60) + "\"");
    if (type == "Sequence") {
        TG_CHECK(members.only({"type", "processors"}));
        if (depth == kPostProcessorDepthMax) return members.wrong("too many sequences within each other");
        TG_TRY(const json::Value list, members.array("processors"));
        if (list.size() > kPartsMax) return members.wrong("more than 64 processors");
        Result<void> done;
        list.each([&](json::Value one) {
            if (done) done = add(one, vocabulary, depth + 1);
        });
        return done;
    }
    if (type == "ByteLevel") {
        TG_CHECK(members.only({"type", "add_prefix_space", "trim_offsets", "use_regex"}));
        // Trimming behind a template would also look at its special tokens: no file of the field has that.
        if (has_template_ || trims_) return members.wrong("it is known as the first of a sequence only");
        TG_TRY(trims_, members.flag("trim_offsets", true));
        TG_TRY(keeps_first_, members.flag("add_prefix_space", true));
        return {};
    }
    if (has_template_) return members.wrong("a second template is not known");
    has_template_ = true;
    if (type == "BertProcessing" || type == "RobertaProcessing") return read_pair_of(value, type, vocabulary);
    if (type == "TemplateProcessing") return read_template(value, vocabulary);
    return text_detail::wrong_tokenizer("the post_processor \"" + type.substr(0, 60) + "\" is not known");
}

Result<void> PostProcessor::read_pair_of(json::Value value, const std::string& type, const Vocabulary& vocabulary) {
    const Members members(value, "post_processor \"" + type + "\"");
    const bool is_roberta = type == "RobertaProcessing";
    TG_CHECK(is_roberta ? members.only({"type", "sep", "cls", "trim_offsets", "add_prefix_space"})
                        : members.only({"type", "sep", "cls"}));
    TG_TRY(const std::uint32_t cls, read_named(members, "cls", vocabulary));
    TG_TRY(const std::uint32_t sep, read_named(members, "sep", vocabulary));
    using Kind = Part::Kind;
    single_ = {{Kind::kSpecial, cls, 0}, {Kind::kFirst, 0, 0}, {Kind::kSpecial, sep, 0}};
    pair_ = single_;
    const std::uint32_t second = is_roberta ? 0 : 1;
    if (is_roberta) pair_.push_back({Kind::kSpecial, sep, 0});
    pair_.push_back({Kind::kSecond, 0, second});
    pair_.push_back({Kind::kSpecial, sep, second});
    if (!is_roberta) return {};
    if (trims_) return members.wrong("behind a ByteLevel it is not known");
    TG_TRY(trims_, members.flag("trim_offsets", true));
    TG_TRY(keeps_first_, members.flag("add_prefix_space", true));
    return {};
}

Result<void> PostProcessor::read_template(json::Value value, const Vocabulary& vocabulary) {
    const Members members(value, "post_processor \"TemplateProcessing\"");
    TG_CHECK(members.only({"type", "single", "pair", "special_tokens"}));
    TG_TRY(const std::vector<Special> specials, read_specials(members, vocabulary));
    TG_TRY(single_, read_form(members, "single", specials));
    TG_TRY(pair_, read_form(members, "pair", specials));
    return {};
}

}  // namespace tidegate::model
