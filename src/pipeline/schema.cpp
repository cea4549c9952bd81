#include "pipeline/schema.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "base/assert.h"
#include "base/clock.h"
#include "base/ids.h"
#include "base/strings.h"
#include "base/utf8.h"

namespace tidegate::pipeline {

struct Schema::Node {
    Type type = Type::kAny;
    std::optional<std::size_t> size_min, size_max;
    std::optional<double> least, most;
    std::vector<std::string> allowed;
    std::string format;
    std::string doc;
    bool nullable = false;
    bool open = false;
    std::vector<Member> members;   // kObject.
    std::vector<Schema> elements;  // kArray: exactly one.
};

/// Where a value stands. Put into words only for what is wrong: most values are right.
struct Schema::Where {
    const std::string* root = nullptr;  // Of the outermost value.
    const Where* parent = nullptr;
    std::string_view name = {};             // Of a member.
    std::optional<std::size_t> index = {};  // Of an element.

    std::string text() const {
        if (parent == nullptr) return *root;
        std::string out = parent->text();
        if (index) return fmt::format("{}[{}]", out, *index);
        if (!out.empty()) out += '.';
        return out.append(name);
    }
    Where member(std::string_view of) const { return {.parent = this, .name = of}; }
};

namespace {

std::string_view type_name(Schema::Type type) {
    switch (type) {
        case Schema::Type::kAny:
            return "any";
        case Schema::Type::kString:
            return "string";
        case Schema::Type::kInteger:
            return "integer";
        case Schema::Type::kNumber:
            return "number";
        case Schema::Type::kBoolean:
            return "boolean";
        case Schema::Type::kArray:
            return "array";
        case Schema::Type::kObject:
            return "object";
    }
    return "any";
}

bool matches(Schema::Type type, json::Value value) {
    switch (type) {
        case Schema::Type::kAny:
            return true;
        case Schema::Type::kString:
            return value.kind() == json::Kind::kString;
        case Schema::Type::kInteger:
            // JSON has one number type: 3.0 is an integer too (JSON Schema 2020-12, 6.1.1).
            return value.is_integer() || (value.is_number() && std::trunc(value.as_double()) == value.as_double());
        case Schema::Type::kNumber:
            return value.is_number();
        case Schema::Type::kBoolean:
            return value.kind() == json::Kind::kBool;
        case Schema::Type::kArray:
            return value.kind() == json::Kind::kArray;
        case Schema::Type::kObject:
            return value.kind() == json::Kind::kObject;
    }
    return false;
}

template <class Place>
void complain(Findings& findings, const Place& where, std::string message, std::string_view type) {
    if (findings.errors.size() < Findings::kErrorsMax) {
        findings.errors.push_back({where.text(), std::move(message), std::string(type)});
    }
}

std::string join(const std::vector<std::string>& words) {
    std::string out;
    for (const std::string& word : words) out += (out.empty() ? "" : ", ") + word;
    return out;
}

/// The members of an object that its schema knows, each by its number there.
class FoundMembers {
  public:
    explicit FoundMembers(std::size_t count) : many_(count > kFew ? count : 0) {}
    std::optional<json::Value>& at(std::size_t number) { return many_.empty() ? few_[number] : many_[number]; }

  private:
    static constexpr std::size_t kFew = 32;
    std::array<std::optional<json::Value>, kFew> few_;
    std::vector<std::optional<json::Value>> many_;
};

}  // namespace

template <class Edit>
Schema Schema::with(Edit&& edit) const {
    auto copy = std::make_shared<Node>(*node_);
    edit(*copy);
    return Schema(std::move(copy));
}

Schema Schema::any() {
    return Schema(std::make_shared<Node>());
}
Schema Schema::string() {
    return any().with([](Node& n) { n.type = Type::kString; });
}
Schema Schema::integer() {
    return any().with([](Node& n) { n.type = Type::kInteger; });
}
Schema Schema::number() {
    return any().with([](Node& n) { n.type = Type::kNumber; });
}
Schema Schema::boolean() {
    return any().with([](Node& n) { n.type = Type::kBoolean; });
}
Schema Schema::array(Schema items) {
    return any().with([&](Node& n) {
        n.type = Type::kArray;
        n.elements.push_back(std::move(items));
    });
}
Schema Schema::object(std::vector<Member> members) {
    return any().with([&](Node& n) {
        n.type = Type::kObject;
        n.members = std::move(members);
    });
}
Schema Schema::size(std::size_t least, std::size_t most) const {
    return with([&](Node& n) {
        n.size_min = least;
        n.size_max = most;
    });
}
Schema Schema::range(double least, double most) const {
    return with([&](Node& n) {
        n.least = least;
        n.most = most;
    });
}
Schema Schema::one_of(std::vector<std::string> allowed) const {
    return with([&](Node& n) { n.allowed = std::move(allowed); });
}
Schema Schema::format(std::string name) const {
    return with([&](Node& n) { n.format = std::move(name); });
}
Schema Schema::doc(std::string text) const {
    return with([&](Node& n) { n.doc = std::move(text); });
}
Schema Schema::nullable() const {
    return with([](Node& n) { n.nullable = true; });
}
Schema Schema::open() const {
    return with([](Node& n) { n.open = true; });
}
Schema::Type Schema::type() const noexcept {
    return node_->type;
}

Schema::Member required(std::string name, Schema schema) {
    return {std::move(name), std::move(schema), true};
}
Schema::Member optional(std::string name, Schema schema) {
    return {std::move(name), std::move(schema), false};
}

void Schema::validate(json::Value value, const std::string& path, Findings& findings) const {
    validate_at(value, {.root = &path}, findings);
}

void Schema::validate_at(json::Value value, const Where& where, Findings& findings) const {
    if (value.kind() == json::Kind::kNull && node_->nullable) return;
    if (!matches(node_->type, value)) {
        complain(findings, where,
                 fmt::format("must be of type {}, not {}", type_name(node_->type), to_string(value.kind())),
                 "wrong_type");
        return;
    }
    switch (node_->type) {
        case Type::kString:
            return validate_string(value.as_string(), where, findings);
        case Type::kInteger:
        case Type::kNumber:
            return validate_number(value.as_double(), where, findings);
        case Type::kArray:
            return validate_array(value, where, findings);
        case Type::kObject:
            return validate_object(value, where, findings);
        case Type::kAny:
        case Type::kBoolean:
            return;
    }
}

void Schema::validate_string(std::string_view text, const Where& where, Findings& findings) const {
    if (text.find('\0') != std::string_view::npos) {
        return complain(findings, where, "must not contain the NUL character", "not_allowed");
    }
    if (node_->size_min || node_->size_max) {
        const std::size_t length = utf8::length(text);
        if (length < node_->size_min.value_or(0)) {
            const std::string message =
                length == 0 ? "must not be empty" : fmt::format("must have at least {} characters", *node_->size_min);
            return complain(findings, where, message, "too_short");
        }
        if (length > node_->size_max.value_or(std::numeric_limits<std::size_t>::max())) {
            return complain(findings, where,
                            fmt::format("must have at most {} characters, has {}", *node_->size_max, length),
                            "too_long");
        }
    }
    if (!node_->allowed.empty() && std::ranges::find(node_->allowed, text) == node_->allowed.end()) {
        return complain(findings, where, "must be one of: " + join(node_->allowed), "not_allowed");
    }
    if (node_->format == "date-time" && !parse_rfc3339(text)) {
        return complain(findings, where, "must be an RFC 3339 time such as 2026-03-01T12:00:00Z", "bad_format");
    }
    if (node_->format == "uuid" && !parse_uuid(text)) return complain(findings, where, "must be a UUID", "bad_format");
}

void Schema::validate_number(double number, const Where& where, Findings& findings) const {
    if (node_->least && number < *node_->least) {
        complain(findings, where, fmt::format("must be at least {}", *node_->least), "too_small");
    } else if (node_->most && number > *node_->most) {
        complain(findings, where, fmt::format("must be at most {}", *node_->most), "too_large");
    }
}

void Schema::validate_array(json::Value value, const Where& where, Findings& findings) const {
    const std::size_t count = value.size();
    if (count < node_->size_min.value_or(0)) {
        return complain(findings, where, fmt::format("must have at least {} elements", *node_->size_min), "too_short");
    }
    if (count > node_->size_max.value_or(std::numeric_limits<std::size_t>::max())) {
        return complain(findings, where, fmt::format("must have at most {} elements, has {}", *node_->size_max, count),
                        "too_long");
    }
    const Schema& each = node_->elements.front();
    if (each.type() == Type::kAny) return;
    std::size_t index = 0;
    value.each([&](json::Value element) {
        if (findings.errors.size() < Findings::kErrorsMax) {
            each.validate_at(element, {.parent = &where, .name = {}, .index = index}, findings);
        }
        ++index;
    });
}

// One walk over the object, whatever the number of members that the schema knows: a batch has thousands of objects.
void Schema::validate_object(json::Value value, const Where& where, Findings& findings) const {
    const std::vector<Member>& members = node_->members;
    FoundMembers found(members.size());
    std::size_t next = 0;  // Most clients send them in an order, and mostly in this one.
    bool is_odd = false;
    value.each_member([&](std::string_view name, json::Value member) {
        for (std::size_t tried = 0; tried < members.size(); ++tried) {
            const std::size_t at = next;
            next = next + 1 == members.size() ? 0 : next + 1;
            if (members[at].name != name) continue;
            is_odd = is_odd || found.at(at).has_value();
            if (!found.at(at)) found.at(at) = member;
            return;
        }
        is_odd = is_odd || !node_->open;
    });
    for (std::size_t i = 0; i < members.size(); ++i) {
        if (found.at(i)) {
            members[i].schema.validate_at(*found.at(i), where.member(members[i].name), findings);
        } else if (members[i].required) {
            complain(findings, where.member(members[i].name), "is required", "missing");
        }
    }
    if (is_odd) warn_of_members(value, where, findings);
}

void Schema::warn_of_members(json::Value value, const Where& where, Findings& findings) const {
    std::vector<bool> seen(node_->members.size());
    value.each_member([&](std::string_view name, json::Value) {
        const auto member = std::ranges::find(node_->members, name, &Member::name);
        const bool known = member != node_->members.end();
        const bool repeated = known && seen[static_cast<std::size_t>(member - node_->members.begin())];
        if (known) seen[static_cast<std::size_t>(member - node_->members.begin())] = true;
        if ((known && !repeated) || (!known && node_->open)) return;
        if (findings.warnings.size() >= Findings::kWarningsMax) return;
        // A name is the caller's own text: cut, so that an answer cannot be blown up with it.
        findings.warnings.push_back(fmt::format("{}: {}",
                                                repeated ? "repeated field, the first counts" : "unknown field ignored",
                                                where.member(name.substr(0, 64)).text()));
    });
}

void Schema::validate_text(std::string_view text, const std::string& name, Findings& findings) const {
    const Where where{.root = &name};
    switch (node_->type) {
        case Type::kInteger:
        case Type::kNumber: {
            const auto whole = parse_i64(text);
            const auto number = node_->type == Type::kInteger && !whole ? std::nullopt : parse_double(text);
            if (!number || !std::isfinite(*number)) {
                return complain(findings, where, fmt::format("must be of type {}", type_name(node_->type)),
                                "wrong_type");
            }
            return validate_number(*number, where, findings);
        }
        case Type::kBoolean:
            if (text != "true" && text != "false") complain(findings, where, "must be true or false", "wrong_type");
            return;
        default:
            if (!utf8::is_valid(text)) return complain(findings, where, "must be valid UTF-8", "bad_format");
            return validate_string(text, where, findings);
    }
}

void Schema::write(JsonWriter& writer) const {
    const Node& node = *node_;
    writer.begin_object();
    if (node.type != Type::kAny) {
        if (node.nullable) {
            writer.key("type").begin_array().value(type_name(node.type)).value("null").end_array();
        } else {
            writer.field("type", type_name(node.type));
        }
    }
    if (!node.doc.empty()) writer.field("description", node.doc);
    if (!node.format.empty()) writer.field("format", node.format);
    const bool is_array = node.type == Type::kArray;
    if (node.size_min) writer.field(is_array ? "minItems" : "minLength", *node.size_min);
    if (node.size_max) writer.field(is_array ? "maxItems" : "maxLength", *node.size_max);
    if (node.least) writer.field("minimum", *node.least);
    if (node.most) writer.field("maximum", *node.most);
    if (!node.allowed.empty()) {
        writer.key("enum").begin_array();
        for (const std::string& word : node.allowed) writer.value(std::string_view(word));
        writer.end_array();
    }
    if (is_array) {
        writer.key("items");
        node.elements.front().write(writer);
    }
    if (node.type == Type::kObject) {
        writer.key("properties").begin_object();
        for (const Member& member : node.members) {
            writer.key(member.name);
            member.schema.write(writer);
        }
        writer.end_object();
        const bool any_required = std::ranges::any_of(node.members, &Member::required);
        if (any_required) {
            writer.key("required").begin_array();
            for (const Member& member : node.members) {
                if (member.required) writer.value(std::string_view(member.name));
            }
            writer.end_array();
        }
    }
    writer.end_object();
}

}  // namespace tidegate::pipeline
