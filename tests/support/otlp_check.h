// A collector's strictness: whether a text is an ExportTraceServiceRequest in the JSON form of OTLP, and what spans it holds.
//
// Every member is checked against opentelemetry-proto's trace.proto: one that is unknown, missing, of another type or of
// another form (an id of another length, a time that is no decimal string) is said in words.
#pragma once

#include <algorithm>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/strings.h"

namespace tidegate::testing {

struct SeenSpan {
    std::string trace_id, span_id, parent, state, name;
    std::int64_t kind = 0;
    std::int64_t flags = 0;
    std::uint64_t start = 0, end = 0;  // Nanoseconds.
    std::int64_t status = 0;
    std::map<std::string, std::string> attributes;  // Numbers as text.
};

class OtlpCheck {
  public:
    /// Of one export.
    explicit OtlpCheck(std::string_view text) {
        const auto document = json::parse(text);
        if (!document) {
            wrong("not JSON", "");
            return;
        }
        members(document->root(), {"resourceSpans"}, "request");
        list(document->root(), "resourceSpans", [this](json::Value one) {
            members(one, {"resource", "scopeSpans", "schemaUrl"}, "resourceSpans");
            const auto resource = object(one, "resource");
            if (resource) members(*resource, {"attributes"}, "resource");
            if (resource) resource_attributes = attributes(*resource);
            list(one, "scopeSpans", [this](json::Value scope) {
                members(scope, {"scope", "spans", "schemaUrl"}, "scopeSpans");
                if (const auto named = object(scope, "scope")) members(*named, {"name", "version"}, "scope");
                list(scope, "spans", [this](json::Value span) { take(span); });
            });
        });
        if (!resource_attributes.contains("service.name")) wrong("no service.name", "resource");
    }

    std::vector<std::string> errors;
    std::vector<SeenSpan> spans;
    std::map<std::string, std::string> resource_attributes;

  private:
    using Kind = json::Kind;

    void wrong(std::string_view what, std::string_view where) {
        errors.push_back(std::string(where) + ": " + std::string(what));
    }
    void members(json::Value object, std::vector<std::string_view> known, std::string_view where) {
        if (object.kind() != Kind::kObject) return wrong("no object", where);
        object.each_member([&](std::string_view name, json::Value) {
            if (std::ranges::find(known, name) == known.end()) wrong("unknown member " + std::string(name), where);
        });
    }
    std::optional<json::Value> object(json::Value in, std::string_view name) {
        const auto found = in.find(name);
        if (found && found->kind() == Kind::kObject) return found;
        wrong("is missing or no object", name);
        return std::nullopt;
    }
    template <class Visit>
    void list(json::Value in, std::string_view name, Visit&& visit) {
        const auto found = in.find(name);
        if (!found || found->kind() != Kind::kArray || found->size() == 0) return wrong("is missing or empty", name);
        found->each(visit);
    }
    std::string text(json::Value in, std::string_view name, bool required) {
        const auto found = in.find(name);
        if (!found) {
            if (required) wrong("is missing", name);
            return {};
        }
        if (found->kind() != Kind::kString) wrong("is no text", name);
        return found->kind() == Kind::kString ? std::string(found->as_string()) : std::string();
    }
    std::string id(json::Value in, std::string_view name, std::size_t digits, bool required) {
        const std::string value = text(in, name, required);
        if (value.empty() && !required) return value;
        const bool hex =
            std::ranges::all_of(value, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
        if (value.size() != digits || !hex || value.find_first_not_of('0') == std::string::npos)
            wrong("is no id", name);
        return value;
    }
    std::uint64_t time(json::Value in, std::string_view name) {
        const std::string value = text(in, name, true);
        const auto number = parse_u64(value);
        if (!number || *number < 1'500'000'000'000'000'000U) wrong("is no time in nanoseconds: " + value, name);
        return number.value_or(0);
    }
    std::int64_t whole(json::Value in, std::string_view name, std::int64_t least, std::int64_t most) {
        const auto found = in.find(name);
        if (!found) return 0;
        if (!found->is_integer() || found->as_int() < least || found->as_int() > most) {
            wrong("is out of range", name);
            return 0;
        }
        return found->as_int();
    }
    std::map<std::string, std::string> attributes(json::Value in) {
        std::map<std::string, std::string> out;
        const auto all = in.find("attributes");
        if (!all) return out;
        if (all->kind() != Kind::kArray) wrong("is no array", "attributes");
        all->each([&](json::Value one) {
            members(one, {"key", "value"}, "attribute");
            const std::string key = text(one, "key", true);
            if (out.contains(key)) wrong("twice", key);
            const auto value = object(one, "value");
            if (!value) return;
            members(*value, {"stringValue", "intValue", "doubleValue", "boolValue"}, key);
            std::size_t count = 0;
            value->each_member([&](std::string_view, json::Value) { ++count; });
            if (count != 1) wrong("has not one value", key);
            out[key] = text(*value, "stringValue", false);
            if (value->find("intValue")) {
                out[key] = text(*value, "intValue", true);  // 64 bits: a string.
                if (!parse_i64(out[key])) wrong("is no number", key);
            }
        });
        return out;
    }
    void take(json::Value span) {
        members(span,
                {"traceId", "spanId", "traceState", "parentSpanId", "flags", "name", "kind", "startTimeUnixNano",
                 "endTimeUnixNano", "attributes", "status", "events", "links"},
                "span");
        SeenSpan seen;
        seen.trace_id = id(span, "traceId", 32, true);
        seen.span_id = id(span, "spanId", 16, true);
        seen.parent = id(span, "parentSpanId", 16, false);
        seen.state = text(span, "traceState", false);
        seen.name = text(span, "name", true);
        if (seen.name.empty()) wrong("is empty", "name");
        seen.kind = whole(span, "kind", 1, 5);
        if (seen.kind == 0) wrong("is missing", "kind");
        seen.flags = whole(span, "flags", 0, 0x3FF);
        seen.start = time(span, "startTimeUnixNano");
        seen.end = time(span, "endTimeUnixNano");
        if (seen.end < seen.start) wrong("ends before it begins", seen.name);
        seen.attributes = attributes(span);
        if (const auto status = object(span, "status")) {
            members(*status, {"code", "message"}, "status");
            seen.status = whole(*status, "code", 0, 2);
        }
        spans.push_back(std::move(seen));
    }
};

}  // namespace tidegate::testing
