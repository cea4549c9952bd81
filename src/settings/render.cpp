#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "base/json_writer.h"
#include "settings/load.h"
#include "settings/value.h"

namespace tidegate::settings {
namespace {

// A `|` would end the cell of a Markdown table.
std::string cell(std::string_view text) {
    std::string out;
    for (const char c : text) {
        if (c == '|') out.push_back('\\');
        out.push_back(c);
    }
    return out;
}

std::string code(std::string_view text) {
    return text.empty() ? std::string() : fmt::format("`{}`", cell(text));
}

std::string other_names(const Entry& entry) {
    std::vector<std::string> names;
    if (!entry.flag.empty()) names.push_back(code("--" + entry.flag));
    for (const std::string& alias : entry.aliases) names.push_back(code(alias));
    for (const std::string& alias : entry.env_aliases) names.push_back(code(alias));
    return fmt::format("{}", fmt::join(names, ", "));
}

std::string initial_text(const Entry& entry) {
    if (entry.is_required) return "required";
    if (entry.is_secret()) return "not set";
    return default_text(entry);
}

std::string initial_cell(const Entry& entry) {
    if (entry.is_required || entry.is_secret()) return initial_text(entry);
    const std::string initial = initial_text(entry);
    return initial.empty() ? "empty" : code(initial);
}

/// What may hold a key without being a Secret, as JSON for the network: of a URL only the place (the path of a chat service's webhook
/// is its key), and of a field that is set for an upstream only that it is.
std::string shown_json(const ResolvedSetting& setting) {
    std::string shown = setting.value;
    if (setting.name.contains("request_headers[") && setting.name.ends_with(".value")) {
        if (!shown.empty()) shown = "set";
    } else if (const std::size_t scheme = shown.find("://");
               setting.name.ends_with(".url") && scheme != std::string::npos) {
        const std::size_t path = shown.find_first_of("/?#", scheme + 3);
        if (path != std::string::npos && path + 1 < shown.size()) shown.replace(path, std::string::npos, "/...");
    } else {
        return setting.value_json;
    }
    std::string out;
    JsonWriter(out).value(shown);
    return out;
}

void append_row(std::string& out, const Entry& entry) {
    out += fmt::format("| {} | {} | {} | {} | {} | {} | {} | {} |\n", code(entry.name), cell(entry.doc),
                       type_name(entry), cell(entry.unit), cell(range_text(entry)), initial_cell(entry),
                       code(environment_name(entry.name)), other_names(entry));
}

// A section for the list and one for each list in its elements; the names as they are written in an element.
void append_list(std::string& out, const List& list) {
    const Table element = list.pattern();
    out += fmt::format("\n### {}\n\n{}\n\n", code(list.name), list.doc);
    out += "A list of groups, in the file only";
    if (!list.key.empty()) out += fmt::format("; a map gives each member's name to {}", code(list.key));
    out +=
        ". Each element:\n\n| name | meaning | type | unit | range | default |\n| --- | --- | --- | --- | --- | --- "
        "|\n";
    for (const Entry& entry : element.entries()) {
        const std::string name = entry.name.substr(element.element().size() + 1);
        out += fmt::format("| {} | {} | {} | {} | {} | {} |\n", code(name), cell(entry.doc), type_name(entry),
                           cell(entry.unit), cell(range_text(entry)),
                           name == list.key ? "required, each its own" : initial_cell(entry));
    }
    for (const List& inner : element.lists()) {
        const std::string name = inner.name.substr(element.element().size() + 1);
        out += fmt::format("| {} | {} | groups |  |  | empty |\n", code(name), cell(inner.doc));
    }
    for (const List& inner : element.lists()) append_list(out, inner);
}

}  // namespace

std::string render_table(const Resolved& resolved) {
    std::size_t name_width = 0;
    std::size_t value_width = 0;
    for (const ResolvedSetting& setting : resolved.settings()) {
        name_width = std::max(name_width, setting.name.size());
        // One long value does not push every source off the screen.
        value_width = std::max(value_width, std::min<std::size_t>(setting.value.size(), 40));
    }
    std::string out;
    for (const ResolvedSetting& setting : resolved.settings()) {
        out +=
            fmt::format("{:<{}}  {:<{}}  {}\n", setting.name, name_width, setting.value, value_width, setting.source);
    }
    return out;
}

std::string render_json(const Resolved& resolved) {
    std::string out;
    JsonWriter json(out);
    json.begin_object().key("settings").begin_array();
    for (const ResolvedSetting& setting : resolved.settings()) {
        json.begin_object().field("name", setting.name).key("value").raw(setting.value_json);
        json.field("source", setting.source).end_object();
    }
    json.end_array().end_object();
    return out;
}

std::string render_described(const Table& table, const Resolved& resolved) {
    std::string out;
    JsonWriter json(out);
    json.begin_object().key("groups").begin_array();
    for (const Group& group : table.groups()) {
        json.begin_object().field("name", group.name).field("title", group.title).end_object();
    }
    json.end_array().key("settings").begin_array();
    for (const ResolvedSetting& setting : resolved.settings()) {
        json.begin_object().field("name", setting.name).field("group", setting.group);
        json.key("value").raw(shown_json(setting));
        json.field("source", setting.source);
        if (const Entry* const entry = table.find(setting.name); entry != nullptr) {
            json.field("default", initial_text(*entry)).field("type", type_name(*entry)).field("unit", entry->unit);
            json.field("range", range_text(*entry)).field("doc", entry->doc);
        }
        json.end_object();
    }
    json.end_array().end_object();
    return out;
}

std::string render_check(const Resolved& resolved) {
    return fmt::format("the settings are valid: {} known, {} set, {} at their default", resolved.settings().size(),
                       resolved.count_set(), resolved.settings().size() - resolved.count_set());
}

std::string render_reference(const Table& table) {
    std::string out =
        "# Settings\n\n"
        "Written by `tidegate config reference`; do not edit.\n\n"
        "Each setting can be given, in rising priority, in a YAML file (`--config FILE` or "
        "`TIDEGATE_CONFIG`; nested maps\n"
        "or dotted names), as an environment variable, or as a flag (`--NAME VALUE`, `--NAME=VALUE`). An "
        "unknown name, a\n"
        "value out of range or a setting given twice in one source stops the start. A duration takes a plain "
        "number in\n"
        "the unit of its name or one with its own (`500ms`, `10m`); bytes take `64KiB` or `10MB`; a list "
        "takes commas, in\n"
        "the file a YAML list too; a secret takes its value or `file:/path`. `tidegate config show` prints "
        "every value\n"
        "with its source.\n";
    for (const Group& group : table.groups()) {
        out += fmt::format("\n## {}\n\n{}\n\n", group.name, group.title);
        const auto belongs = [&](const auto& declared) { return declared.group == group.name; };
        if (std::ranges::any_of(table.entries(), belongs)) {
            out += "| name | meaning | type | unit | range | default | environment | also |\n";
            out += "| --- | --- | --- | --- | --- | --- | --- | --- |\n";
        }
        for (const Entry& entry : table.entries()) {
            if (belongs(entry)) append_row(out, entry);
        }
        for (const List& list : table.lists()) {
            if (belongs(list)) append_list(out, list);
        }
    }
    return out;
}

}  // namespace tidegate::settings
