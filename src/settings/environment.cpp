#include <unistd.h>

#include <algorithm>
#include <array>

#include "settings/raw.h"

namespace tidegate::settings {
namespace {

// Variables of our prefix that are no settings: the first names the file; the test runner sets the others,
// and the servers that tests start inherit them.
constexpr std::array<std::string_view, 3> kNotSettings{"TIDEGATE_CONFIG", "TIDEGATE_SOURCE_DIR", "TIDEGATE_BINARY"};

const Entry* find_variable(const Table& table, std::string_view variable) {
    for (const Entry& entry : table.entries()) {
        if (environment_name(entry.name) == variable) return &entry;
        if (std::ranges::find(entry.env_aliases, variable) != entry.env_aliases.end()) return &entry;
    }
    return nullptr;
}

// TIDEGATE_ROUTES and what begins like it, TIDEGATE_ROUTES_0_PATH.
const List* find_list_variable(const Table& table, std::string_view variable) {
    for (const List& list : table.lists()) {
        const std::string name = environment_name(list.name);
        if (variable == name || variable.starts_with(name + "_")) return &list;
    }
    return nullptr;
}

// TIDEGATE_SERVER_PROT -> server_prot, which is near enough to `server.port` for Table::nearest.
std::string nearest_variable(const Table& table, std::string_view variable) {
    std::string name(variable.substr(std::string_view("TIDEGATE_").size()));
    std::ranges::transform(name, name.begin(),
                           [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
    const std::string nearest = table.nearest(name);
    return nearest.empty() ? nearest : environment_name(nearest);
}

}  // namespace

Reading read_environment(const Table& table, const std::vector<NameValue>& environment) {
    Reading reading;
    for (const auto& [variable, value] : environment) {
        if (std::ranges::find(kNotSettings, variable) != kNotSettings.end()) continue;
        const Entry* entry = find_variable(table, variable);
        if (entry == nullptr) {
            if (!variable.starts_with("TIDEGATE_")) continue;
            if (const List* list = find_list_variable(table, variable)) {
                reading.faults.push_back("environment: " + variable + ": " + list_message(*list));
                continue;
            }
            const std::string nearest = nearest_variable(table, variable);
            reading.faults.push_back("environment: " + variable + " is not a setting" +
                                     (nearest.empty() ? std::string() : "; did you mean " + nearest + "?"));
            continue;
        }
        reading.found.push_back({.name = variable,
                                 .value = value,
                                 .items = {},
                                 .is_list = false,
                                 .source = "environment " + variable,
                                 .entry = entry});
    }
    return reading;
}

std::vector<NameValue> process_environment() {
    std::vector<NameValue> variables;
    for (char** line = environ; line != nullptr && *line != nullptr; ++line) {
        const std::string_view text(*line);
        const std::size_t equals = text.find('=');
        if (equals == std::string_view::npos) continue;
        variables.emplace_back(text.substr(0, equals), text.substr(equals + 1));
    }
    return variables;
}

}  // namespace tidegate::settings
