#include "pipeline/kept_decisions.h"

#include <optional>

#include "base/json.h"

namespace tidegate::pipeline {
namespace {

void write_one(JsonWriter& writer, const audit::Decision& decision) {
    writer.begin_object().field("id", to_string(decision.id));
    writer.field("service", decision.service).field("operation", decision.operation);
    writer.field("hash", to_hex(decision.input_hash)).field("size", decision.stated_input_size());
    writer.field("model", decision.model).field("version", decision.model_version);
    writer.field("output", decision.output).field("band", decision.band).field("confidence", decision.confidence);
    writer.key("tags").begin_array();
    for (const audit::Tag& tag : decision.tags) writer.value(tag.name).value(tag.value);
    writer.end_array().end_object();
}

std::optional<unsigned> digit(char c) noexcept {
    if (c >= '0' && c <= '9') return static_cast<unsigned>(c - '0');
    if (c >= 'a' && c <= 'f') return static_cast<unsigned>(c - 'a' + 10);
    return std::nullopt;
}

bool read_hash(std::string_view hex, Sha256& out) noexcept {
    if (hex.size() != 2 * out.size()) return false;
    for (std::size_t i = 0; i < out.size(); ++i) {
        const auto high = digit(hex[2 * i]);
        const auto low = digit(hex[2 * i + 1]);
        if (!high || !low) return false;
        out[i] = static_cast<std::uint8_t>(*high << 4U | *low);
    }
    return true;
}

bool read_text(json::Value object, std::string_view name, std::string& out) {
    const auto member = object.find(name);
    if (!member || member->kind() != json::Kind::kString) return false;
    out = member->as_string();
    return true;
}

bool read_tags(json::Value object, std::vector<audit::Tag>& tags) {
    const auto list = object.find("tags");
    if (!list || list->kind() != json::Kind::kArray || list->size() % 2 != 0) return false;
    bool good = true;
    bool is_name = true;
    list->each([&](json::Value text) {
        if (text.kind() != json::Kind::kString) {
            good = false;
        } else if (good) {
            is_name ? tags.push_back({.name = std::string(text.as_string()), .value = {}})
                    : void(tags.back().value = text.as_string());
            is_name = !is_name;
        }
    });
    return good;
}

bool read_one(json::Value object, audit::Decision& out) {
    if (object.kind() != json::Kind::kObject) return false;
    std::string original;
    std::string hash;
    const auto size = object.find("size");
    const auto confidence = object.find("confidence");
    if (!size || !confidence || (size->kind() != json::Kind::kNull && !size->is_integer())) return false;
    const bool good = read_text(object, "id", original) && read_text(object, "service", out.service) &&
                      read_text(object, "operation", out.operation) && read_text(object, "hash", hash) &&
                      read_text(object, "model", out.model) && read_text(object, "version", out.model_version) &&
                      read_text(object, "output", out.output) && read_text(object, "band", out.band) &&
                      read_tags(object, out.tags) && read_hash(hash, out.input_hash);
    if (!good) return false;
    out.input_size_stated = size->kind() != json::Kind::kNull;
    if (out.input_size_stated) out.input_size = static_cast<std::uint64_t>(size->as_int());
    if (confidence->is_number()) out.confidence = confidence->as_double();
    out.tags.push_back({.name = "original", .value = std::move(original)});
    return true;
}

}  // namespace

std::string pack_decisions(const std::vector<audit::Decision>& decisions) {
    if (decisions.empty()) return {};
    std::string text;
    JsonWriter writer(text);
    writer.begin_array();
    for (const audit::Decision& decision : decisions) write_one(writer, decision);
    writer.end_array();
    // JSON leaves DEL as it is; a line of a head may not hold it.
    for (std::size_t at = text.find('\x7f'); at != std::string::npos; at = text.find('\x7f', at)) {
        text.replace(at, 1, "\\u007f");
    }
    return text;
}

Result<std::vector<audit::Decision>> unpack_decisions(std::string_view text) {
    std::vector<audit::Decision> decisions;
    if (text.empty()) return decisions;
    const auto damaged = [] { return fail(ErrorCode::kDataLoss, "the kept decisions do not check out"); };
    const auto document = json::parse(text);
    if (!document || document->root().kind() != json::Kind::kArray) return damaged();
    bool good = true;
    decisions.reserve(document->root().size());
    document->root().each([&](json::Value one) { good = good && read_one(one, decisions.emplace_back()); });
    if (!good) return damaged();
    return decisions;
}

}  // namespace tidegate::pipeline
