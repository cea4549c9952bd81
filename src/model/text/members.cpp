#include "model/text/members.h"

#include <algorithm>
#include <utility>

namespace tidegate::model::text_detail {

std::unexpected<Error> wrong_tokenizer(std::string reason) {
    return fail(ErrorCode::kFailedValidation, "tokenizer: " + std::move(reason));
}

Result<std::string> component_type(json::Value component, std::string_view role) {
    if (component.kind() != json::Kind::kObject) return wrong_tokenizer(std::string(role) + " is no object");
    return Members(component, std::string(role)).text("type");
}

std::unexpected<Error> Members::wrong(std::string_view what) const {
    return wrong_tokenizer(where_ + ": " + std::string(what));
}

Result<void> Members::only(std::initializer_list<std::string_view> known) const {
    std::string unknown;
    object_.each_member([&](std::string_view name, json::Value) {
        if (unknown.empty() && std::ranges::find(known, name) == known.end()) unknown = name.substr(0, 60);
    });
    if (!unknown.empty()) return wrong("the member \"" + unknown + "\" is not known");
    return {};
}

bool Members::is_absent(std::string_view name) const {
    const auto found = object_.find(name);
    return !found || found->kind() == json::Kind::kNull;
}

Result<bool> Members::flag(std::string_view name, bool absent) const {
    if (is_absent(name)) return absent;
    const json::Value value = *object_.find(name);
    if (value.kind() != json::Kind::kBool) return wrong(std::string(name) + " is neither true nor false");
    return value.as_bool();
}

Result<std::string> Members::text(std::string_view name) const {
    const auto value = object_.find(name);
    if (!value || value->kind() != json::Kind::kString) return wrong(std::string(name) + " is no string");
    return std::string(value->as_string());
}

Result<std::uint32_t> Members::number(std::string_view name, std::uint32_t most) const {
    const auto value = object_.find(name);
    if (!value || value->kind() != json::Kind::kInteger || value->as_int() < 0 ||
        value->as_int() > std::int64_t{most}) {
        return wrong(std::string(name) + " is no whole number from 0 to " + std::to_string(most));
    }
    return static_cast<std::uint32_t>(value->as_int());
}

Result<json::Value> Members::array(std::string_view name) const {
    const auto value = object_.find(name);
    if (!value || value->kind() != json::Kind::kArray) return wrong(std::string(name) + " is no array");
    return *value;
}

Result<json::Value> Members::object(std::string_view name) const {
    const auto value = object_.find(name);
    if (!value || value->kind() != json::Kind::kObject) return wrong(std::string(name) + " is no object");
    return *value;
}

}  // namespace tidegate::model::text_detail
