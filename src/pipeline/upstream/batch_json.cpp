#include "pipeline/upstream/batch_json.h"

#include <algorithm>
#include <numeric>
#include <span>
#include <utility>

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

// What the upstream says of one result: kFailedValidation with the result's own text, when it is an error.
Result<void> error_of(std::string_view result, const BatchFormat& format) {
    if (format.error_field.empty() || !result.starts_with('{')) return {};
    const auto members = json_members(result);
    if (!members || has_escaped_name(*members)) {
        return fail(ErrorCode::kUnavailable, "the upstream's result has a name written with escapes");
    }
    for (const JsonMember& member : *members) {
        if (member.name == format.error_field && member.value != "null") {
            return fail(ErrorCode::kFailedValidation, std::string(result));
        }
    }
    return {};
}

// Appends the result with its place in the client's own list.
void append_result(std::string& out, std::string_view result, std::size_t place, const BatchFormat& format) {
    const auto members =
        format.index_field.empty() ? std::nullopt : json_members(result);  // No object: it has no place to correct.
    std::size_t from = 0;
    for (const JsonMember& member : members.value_or(std::vector<JsonMember>{})) {
        if (member.name != format.index_field) continue;
        const auto at = static_cast<std::size_t>(member.value.data() - result.data());
        out.append(result.substr(from, at - from)).append(std::to_string(place));
        from = at + member.value.size();
    }
    out.append(result.substr(from));
}

/// The members of the upstream's answer that each client gets, with a comma behind them.
Result<std::string> shared_members(const std::vector<JsonMember>& members, const BatchFormat& format) {
    std::string text;
    for (const std::string& name : format.answer_fields) {
        if (std::ranges::find(members, name, &JsonMember::name) == members.end()) continue;
        TG_TRY(const std::string_view value, only_member(members, name, ErrorCode::kDataLoss));
        text.append("\"").append(name).append("\":").append(value).append(",");
    }
    return text;
}

std::string join_results(std::span<const std::string_view> results, const BatchFormat& format) {
    std::string list = "[";
    for (std::size_t i = 0; i < results.size(); ++i) {
        if (i > 0) list += ',';
        append_result(list, results[i], i, format);
    }
    return list += ']';
}

ItemAnswer item_answer(std::span<const std::string_view> results, const std::string& shared,
                       const BatchFormat& format) {
    std::string value;
    if (format.lists) {
        value = join_results(results, format);
    } else {
        TG_CHECK(error_of(results.front(), format));
        append_result(value, results.front(), 0, format);
    }
    const std::string& field = format.lists ? format.results_field : format.result_field;
    if (field.empty()) return value;
    std::string answer = "{" + shared;
    append_json_string(answer, field);
    return answer.append(":").append(value).append("}");
}

/// A client's own list, or its one value.
Result<SplitItem> items_of(std::string_view list, std::string others, const BatchFormat& format) {
    if (!list.starts_with('[')) {
        if (format.items_field.empty()) return fail(ErrorCode::kInvalidArgument, "the body is not a list");
        return SplitItem{list, std::move(others), 1};
    }
    const auto elements = json_elements(list);
    if (!elements) return fail(ErrorCode::kInvalidArgument, "the body is not a valid JSON list");
    if (elements->empty()) return fail(ErrorCode::kInvalidArgument, "the list is empty");
    const char* begin = elements->front().data();
    const char* end = elements->back().data() + elements->back().size();
    return SplitItem{std::string_view(begin, static_cast<std::size_t>(end - begin)), std::move(others),
                     static_cast<std::uint32_t>(elements->size())};
}

}  // namespace

Result<void> check(const BatchFormat& format) {
    const auto wrong = [](std::string what) { return fail(ErrorCode::kInvalidArgument, std::move(what)); };
    if (format.lists && !(format.item_field.empty() && format.result_field.empty() && format.error_field.empty())) {
        return wrong("with batch.lists there is no batch.item_field, batch.result_field or batch.error_field");
    }
    if (!format.item_field.empty() && format.items_field.empty()) {
        return wrong("batch.item_field leaves other members, for which the upstream's body needs batch.items_field");
    }
    const std::string& field = format.lists ? format.results_field : format.result_field;
    if (!format.answer_fields.empty() && (field.empty() || format.results_field.empty())) {
        return wrong("batch.answer_fields needs answers that are objects");
    }
    for (const std::string& name : format.answer_fields) {
        if (name == field) return wrong("batch.answer_fields holds the name of the result itself");
        if (name.find_first_of("\"\\") != std::string::npos) return wrong("batch.answer_fields: no plain name");
    }
    return {};
}

Result<SplitItem> split_item(std::string_view body, const BatchFormat& format) {
    const std::string& field = format.lists ? format.items_field : format.item_field;
    if (field.empty()) {
        const auto value = json_value(body);
        if (!value) return fail(ErrorCode::kInvalidArgument, "the body is not one valid JSON value");
        return format.lists ? items_of(*value, {}, format) : SplitItem{*value, {}, 1};
    }
    const auto members = json_members(body);
    if (!members) return fail(ErrorCode::kInvalidArgument, "the body is not a valid JSON object");
    TG_TRY(const std::string_view item, only_member(*members, field, ErrorCode::kInvalidArgument));
    std::string others;
    for (const JsonMember& member : *members) {
        if (member.name == field) continue;
        if (member.name == format.items_field) {
            return fail(ErrorCode::kInvalidArgument, "the member `" + format.items_field + "` is not for requests");
        }
        if (!others.empty()) others += ',';
        others.append("\"").append(member.name).append("\":").append(member.value);
    }
    return format.lists ? items_of(item, std::move(others), format) : SplitItem{item, std::move(others), 1};
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

BatchAnswer split_results(std::string_view answer, std::span<const std::uint32_t> counts, const BatchFormat& format) {
    const auto wrong = [](std::string what) { return fail(ErrorCode::kDataLoss, std::move(what)); };
    std::string_view list = answer;
    std::string shared;
    if (!format.results_field.empty()) {
        const auto members = json_members(answer);
        if (!members) return wrong("the upstream's answer is not a valid JSON object");
        const auto results = only_member(*members, format.results_field, ErrorCode::kDataLoss);
        if (!results) return wrong("in the upstream's answer " + results.error().message);
        list = *results;
        TG_TRY(shared, shared_members(*members, format));
    }
    const auto elements = json_elements(list);
    if (!elements) return wrong("the upstream's results are not a valid JSON array");
    const std::uint64_t wanted = std::accumulate(counts.begin(), counts.end(), std::uint64_t{0});
    if (elements->size() != wanted) {
        return wrong("the upstream gave " + std::to_string(elements->size()) + " results for " +
                     std::to_string(wanted) + " items");
    }
    std::vector<ItemAnswer> answers;
    answers.reserve(counts.size());
    std::span<const std::string_view> rest = *elements;
    for (const std::uint32_t count : counts) {
        answers.push_back(item_answer(rest.first(count), shared, format));
        rest = rest.subspan(count);
    }
    return answers;
}

}  // namespace tidegate::upstream
