#include "services/inference/text_request.h"

#include <limits>
#include <string>
#include <utility>

namespace tidegate::inference {
namespace {

using json::Kind;

std::unexpected<Error> refuse_member(std::string_view name, std::string_view why) {
    return fail(ErrorCode::kInvalidArgument, "`" + std::string(name) + "` " + std::string(why));
}

constexpr std::string_view kForms = "must be a text, a list of texts, a list of token ids or a list of such lists";

Result<std::uint32_t> token_of(json::Value value, std::string_view name) {
    const bool fits = value.kind() == Kind::kInteger && value.as_int() >= 0 &&
                      value.as_int() <= std::numeric_limits<std::uint32_t>::max();
    if (!fits) return refuse_member(name, kForms);
    return static_cast<std::uint32_t>(value.as_int());
}

Result<TextItem> tokens_of(json::Value list, std::string_view name) {
    TextItem item;
    item.is_tokens = true;
    item.tokens.reserve(list.size());
    Result<void> outcome;
    list.each([&](json::Value value) {
        if (!outcome) return;
        const auto token = token_of(value, name);
        if (!token) {
            outcome = std::unexpected(token.error());
        } else {
            item.tokens.push_back(*token);
        }
    });
    if (!outcome) return std::unexpected(outcome.error());
    if (item.tokens.empty()) return refuse_member(name, "holds an empty list of token ids");
    return item;
}

Result<void> check_count(json::Value list, std::string_view name, std::size_t most) {
    if (list.size() == 0) return refuse_member(name, "must not be empty");
    if (list.size() > most) return refuse_member(name, "has more than " + std::to_string(most) + " elements");
    return {};
}

template <class Read>
Result<TextItems> read_list(json::Value list, std::string_view name, std::size_t most, Read read) {
    TG_CHECK(check_count(list, name, most));
    TextItems made;
    made.items.reserve(list.size());
    Result<void> outcome;
    list.each([&](json::Value value) {
        if (!outcome) return;
        auto item = read(value);
        if (!item) {
            outcome = std::unexpected(std::move(item).error());
        } else {
            made.items.push_back(*std::move(item));
        }
    });
    if (!outcome) return std::unexpected(std::move(outcome).error());
    return made;
}

Kind first_kind(json::Value list) {
    std::optional<Kind> first;
    list.each([&](json::Value value) {
        if (!first) first = value.kind();
    });
    return first.value_or(Kind::kNull);
}

TextItem text_item(std::string_view text) {
    TextItem item;
    item.text = text;
    return item;
}

TextItems one_item(TextItem item) {
    TextItems made;
    made.single = true;
    made.items.push_back(std::move(item));
    return made;
}

/// One text, or a pair, in a list.
Result<TextItem> sequence_of(json::Value list, std::string_view name) {
    constexpr std::string_view kPair = "must be a text, a list of one text, a pair of texts, or a list of such lists";
    if (list.kind() != Kind::kArray || list.size() == 0 || list.size() > 2) return refuse_member(name, kPair);
    TextItem item;
    std::size_t seen = 0;
    bool fits = true;
    list.each([&](json::Value value) {
        fits = fits && value.kind() == Kind::kString;
        if (!fits) return;
        if (seen++ == 0) {
            item.text = value.as_string();
        } else {
            item.second = value.as_string();
        }
    });
    if (!fits) return refuse_member(name, kPair);
    return item;
}

}  // namespace

Result<TextItems> read_texts(json::Value input, std::string_view name, std::size_t most) {
    if (input.kind() == Kind::kString) return one_item(text_item(input.as_string()));
    if (input.kind() != Kind::kArray) return refuse_member(name, kForms);
    switch (first_kind(input)) {
        case Kind::kInteger: {
            TG_TRY(TextItem item, tokens_of(input, name));
            return one_item(std::move(item));
        }
        case Kind::kArray:
            return read_list(input, name, most, [&](json::Value value) -> Result<TextItem> {
                if (value.kind() != Kind::kArray) return refuse_member(name, kForms);
                return tokens_of(value, name);
            });
        default:
            return read_list(input, name, most, [&](json::Value value) -> Result<TextItem> {
                if (value.kind() != Kind::kString) return refuse_member(name, kForms);
                return text_item(value.as_string());
            });
    }
}

Result<TextItems> read_sequences(json::Value input, std::string_view name, std::size_t most) {
    if (input.kind() == Kind::kString) return one_item(text_item(input.as_string()));
    if (input.kind() == Kind::kArray && first_kind(input) == Kind::kArray) {
        return read_list(input, name, most, [&](json::Value value) { return sequence_of(value, name); });
    }
    TG_TRY(TextItem item, sequence_of(input, name));
    return one_item(std::move(item));
}

}  // namespace tidegate::inference
