#include "model/config/map_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/strings.h"

namespace tidegate::model::config {
namespace {

/// What a message may show of a value: short, and nothing that breaks a line.
std::string shown(std::string_view text) {
    std::string out(text.substr(0, 40));
    std::erase_if(out,
                  [](char c) { return static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) >= 0x7F; });
    return out;
}

bool says_nothing(const Node& node, std::string_view neutral) {
    switch (node.kind) {
        case Node::Kind::kList:
            return node.items.empty();
        case Node::Kind::kMap:
            return std::ranges::all_of(node.members, [](const Member& m) { return says_nothing(m.value, {}); });
        case Node::Kind::kScalar:
            break;
    }
    return node.text.empty() || node.text == "0" || node.text == "false" || (!neutral.empty() && node.text == neutral);
}

}  // namespace

void Faults::add(int line, std::string_view what) {
    if (lines_.size() >= kFaultsMax) {
        more_ = true;
        return;
    }
    lines_.push_back(line > 0 ? fmt::format("{}:{}: {}", where_, line, what) : fmt::format("{}: {}", where_, what));
}

Error Faults::error() const {
    return {.code = ErrorCode::kInvalidArgument,
            .message = fmt::format("{}{}", fmt::join(lines_, "\n"), more_ ? "\n(there are more)" : "")};
}

MapReader::MapReader(const Node& node, std::string path, Faults& faults)
    : node_(node), path_(std::move(path)), faults_(faults) {
    if (node_.kind != Node::Kind::kMap) {
        faults_.add(node_.line, fmt::format("`{}` takes a group of words", path_));
    }
}

std::string MapReader::full(std::string_view name) const {
    return path_.empty() ? std::string(name) : fmt::format("{}.{}", path_, name);
}

bool MapReader::has(std::string_view name) const noexcept {
    return std::ranges::any_of(node_.members, [&](const Member& member) { return member.name == name; });
}

void MapReader::fault(std::string_view name, std::string_view what) {
    int line = node_.line;
    for (const Member& member : node_.members) {
        if (member.name == name) line = member.value.line;
    }
    faults_.add(line, fmt::format("`{}` {}", full(name), what));
}

const Node* MapReader::one(std::string_view name) {
    asked_.emplace_back(name);
    const Node* found = nullptr;
    for (const Member& member : node_.members) {
        if (member.name != name) continue;
        if (found != nullptr) {
            fault(name, "is given twice");
            break;
        }
        found = &member.value;
    }
    return found;
}

std::vector<const Node*> MapReader::many(std::string_view name) {
    asked_.emplace_back(name);
    std::vector<const Node*> found;
    for (const Member& member : node_.members) {
        if (member.name != name) continue;
        if (member.value.kind != Node::Kind::kList) {
            found.push_back(&member.value);
            continue;
        }
        for (const Node& item : member.value.items) found.push_back(&item);
    }
    return found;
}

std::optional<std::string_view> MapReader::text_of(const Node& node) {
    if (node.kind != Node::Kind::kScalar || node.style == Node::Style::kWord) return std::nullopt;
    return node.text;
}

std::optional<std::int64_t> MapReader::integer_of(const Node& node, std::int64_t min, std::int64_t max) {
    if (node.kind != Node::Kind::kScalar || node.style == Node::Style::kString) return std::nullopt;
    const auto value = parse_i64(node.text);
    if (!value || *value < min || *value > max) return std::nullopt;
    return value;
}

std::optional<double> MapReader::number_of(const Node& node) {
    if (node.kind != Node::Kind::kScalar || node.style == Node::Style::kString) return std::nullopt;
    const auto value = parse_double(node.text);
    if (!value || !std::isfinite(*value)) return std::nullopt;
    return value;
}

bool MapReader::text(std::string_view name, std::string& into) {
    const Node* node = one(name);
    if (node == nullptr) return false;
    const auto value = text_of(*node);
    if (!value) return fault(name, "takes a text"), false;
    into = *value;
    return true;
}

bool MapReader::flag(std::string_view name, bool& into) {
    const Node* node = one(name);
    if (node == nullptr) return false;
    const bool word = node->kind == Node::Kind::kScalar && node->style != Node::Style::kString;
    if (!word || (node->text != "true" && node->text != "false")) return fault(name, "takes true or false"), false;
    into = node->text == "true";
    return true;
}

bool MapReader::number(std::string_view name, double& into) {
    const Node* node = one(name);
    if (node == nullptr) return false;
    const auto value = number_of(*node);
    if (!value) return fault(name, "takes a number"), false;
    into = *value;
    return true;
}

void MapReader::refuse_integer(std::string_view name, std::int64_t min, std::int64_t max) {
    fault(name, fmt::format("takes a whole number from {} to {}", min, max));
}

std::vector<std::string> MapReader::texts(std::string_view name) {
    std::vector<std::string> found;
    for (const Node* node : many(name)) {
        const auto value = text_of(*node);
        if (!value) {
            fault(name, "takes a list of texts");
            break;
        }
        found.emplace_back(*value);
    }
    return found;
}

std::vector<std::int64_t> MapReader::integers(std::string_view name, std::int64_t min, std::int64_t max) {
    std::vector<std::int64_t> found;
    for (const Node* node : many(name)) {
        const auto value = integer_of(*node, min, max);
        if (!value) {
            fault(name, fmt::format("takes a list of whole numbers from {} to {}", min, max));
            break;
        }
        found.push_back(*value);
    }
    return found;
}

std::optional<std::size_t> MapReader::word(std::string_view name, const std::vector<std::string_view>& words) {
    const Node* node = one(name);
    if (node == nullptr) return std::nullopt;
    // In protobuf text a word in quotes is a string, and no enumerator.
    if (node->kind == Node::Kind::kScalar && node->style != Node::Style::kString) {
        const auto found = std::ranges::find(words, node->text);
        if (found != words.end()) return static_cast<std::size_t>(found - words.begin());
    }
    fault(name, fmt::format("takes one of {}{}", fmt::join(words, ", "),
                            node->text.empty() ? "" : fmt::format(", not `{}`", shown(node->text))));
    return std::nullopt;
}

std::optional<Shape> MapReader::shape(std::string_view name) {
    if (!has(name)) {
        asked_.emplace_back(name);
        return std::nullopt;
    }
    // Elements of a tensor end at 2^48 (tensor.h).
    const std::vector<std::int64_t> dimensions = integers(name, -1, 1LL << 48U);
    if (std::ranges::find(dimensions, 0) != dimensions.end()) {
        fault(name, "has a dimension of 0");
        return std::nullopt;
    }
    auto shape = Shape::of(dimensions);
    if (!shape) {
        fault(name, shape.error().message);
        return std::nullopt;
    }
    return *shape;
}

std::optional<DataType> MapReader::type(std::string_view name) {
    const Node* node = one(name);
    if (node == nullptr) return std::nullopt;
    if (node->kind == Node::Kind::kScalar && node->style != Node::Style::kString) {
        const std::string_view text = node->text;
        if (text == "TYPE_STRING") return DataType::kBytes;
        const bool prefixed = text.starts_with("TYPE_");
        const auto type = data_type_of(prefixed ? text.substr(5) : text);
        // Triton's own name of texts is TYPE_STRING.
        const bool fits = prefixed ? type != DataType::kBytes : node->style == Node::Style::kEither;
        if (type && fits) return type;
    }
    fault(name, fmt::format("is no data type{}", node->text.empty() ? "" : fmt::format(": `{}`", shown(node->text))));
    return std::nullopt;
}

void MapReader::unsupported(std::string_view name, std::string_view neutral) {
    asked_.emplace_back(name);
    for (const Member& member : node_.members) {
        if (member.name != name || says_nothing(member.value, neutral)) continue;
        faults_.add(member.value.line, fmt::format("`{}` of Triton is not supported", full(name)));
        return;
    }
}

void MapReader::finish(std::string_view hint) {
    for (const Member& member : node_.members) {
        if (std::ranges::find(asked_, member.name) != asked_.end()) continue;
        std::string_view nearest;
        std::size_t best = 4;  // Further off is another word.
        for (const std::string& known : asked_) {
            // A name is as long as its writer likes; the distance is quadratic.
            if (member.name.size() > 64) break;
            if (const std::size_t distance = edit_distance(member.name, known); distance < best) {
                best = distance;
                nearest = known;
            }
        }
        faults_.add(member.value.line, fmt::format("`{}` is unknown{}{}", full(shown(member.name)),
                                                   nearest.empty() ? "" : fmt::format(", did you mean `{}`?", nearest),
                                                   nearest.empty() ? hint : ""));
    }
}

}  // namespace tidegate::model::config
