#include "pipeline/upstream/batch_json.h"

#include <algorithm>

#include "base/json_writer.h"
#include "pipeline/upstream/json_slice.h"

namespace tidegate::upstream {
namespace {

// A name with escapes may be any name: it is refused rather than compared wrongly.
bool has_escaped_name(const std::vector<JsonMember>& members) {
    return std::ranges::any_of(members,
                               [](const JsonMember& m) { return m.name.find('\\') != std::string_view::npos; });
}

Result<std::string_view> only_member(const std::vector<JsonMember>& members, std::string_view name, ErrorCode code) {
    const std::string quoted = "`" + std::string(name) + "`";
    if (has_escaped_name(members)) return fail(code, "a member's name is written with escapes");
    const auto named = [name](const JsonMember& m) { return m.name == name; };
    const auto found = std::ranges::find_if(members, named);
    if (found == members.end()) return fail(code, "the member " + quoted + " is missing");
    if (std::ranges::count_if(members, named) > 1) return fail(code, "the member " + quoted + " stands there twice");
    return found->value;
}

// The text of an item's error, for the client: the upstream said it of this client's own item.
ItemAnswer item_answer(std::string_view result, const BatchFormat& format) {
    if (!format.error_field.empty() && result.starts_with('{')) {
        const auto members = json_members(result);
        if (!members) return fail(ErrorCode::kUnavailable, "the upstream's answer is not valid JSON");
        if (has_escaped_name(*members)) return fail(ErrorCode::kUnavailable, "a result has a name with escapes");
        for (const JsonMember& member : *members) {
            if (member.name == format.error_field && member.value != "null") {
                return fail(ErrorCode::kFailedValidation, std::string(member.value));
            }
        }
    }
    if (format.result_field.empty()) return std::string(result);
    std::string answer;
    answer.reserve(result.size() + format.result_field.size() + 8);
    JsonWriter(answer).begin_object().key(format.result_field).raw(result).end_object();
    return answer;
}

}  // namespace

Result<SplitItem> split_item(std::string_view body, const BatchFormat& format) {
    if (format.item_field.empty()) {
        const auto value = json_value(body);
        if (!value) return fail(ErrorCode::kInvalidArgument, "the body is not one valid JSON value");
        return SplitItem{*value, {}};
    }
    const auto members = json_members(body);
    if (!members) return fail(ErrorCode::kInvalidArgument, "the body is not a valid JSON object");
    TG_TRY(const std::string_view item, only_member(*members, format.item_field, ErrorCode::kInvalidArgument));
    SplitItem split{item, {}};
    for (const JsonMember& member : *members) {
        if (member.name == format.item_field) continue;
        if (member.name == format.items_field) {
            return fail(ErrorCode::kInvalidArgument, "the member `" + format.items_field + "` is not for requests");
        }
        if (!split.others.empty()) split.others += ',';
        split.others.append("\"").append(member.name).append("\":").append(member.value);
    }
    return split;
}

std::string merge_items(const std::vector<std::string>& items, std::string_view others, const BatchFormat& format) {
    std::size_t size = others.size() + format.items_field.size() + 16;
    for (const std::string& item : items) size += item.size() + 1;
    std::string body;
    body.reserve(size);
    if (!format.items_field.empty()) {
        body += '{';
        body += others;
        if (!others.empty()) body += ',';
        append_json_string(body, format.items_field);
        body += ':';
    }
    body += '[';
    for (const std::string& item : items) {
        if (&item != items.data()) body += ',';
        body += item;
    }
    body += ']';
    if (!format.items_field.empty()) body += '}';
    return body;
}

BatchAnswer split_results(std::string_view answer, std::size_t count, const BatchFormat& format) {
    std::string_view list = answer;
    if (!format.results_field.empty()) {
        const auto members = json_members(answer);
        if (!members) return fail(ErrorCode::kUnavailable, "the upstream's answer is not a valid JSON object");
        const auto results = only_member(*members, format.results_field, ErrorCode::kUnavailable);
        if (!results) return fail(ErrorCode::kUnavailable, "in the upstream's answer " + results.error().message);
        list = *results;
    }
    const auto elements = json_elements(list);
    if (!elements) return fail(ErrorCode::kUnavailable, "the upstream's results are not a valid JSON array");
    if (elements->size() != count) {
        return fail(ErrorCode::kUnavailable, "the upstream gave " + std::to_string(elements->size()) + " results for " +
                                                 std::to_string(count) + " items");
    }
    std::vector<ItemAnswer> answers;
    answers.reserve(count);
    for (const std::string_view element : *elements) answers.push_back(item_answer(element, format));
    return answers;
}

}  // namespace tidegate::upstream
