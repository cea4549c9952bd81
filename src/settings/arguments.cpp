#include <fmt/core.h>

#include "settings/raw.h"

namespace tidegate::settings {
namespace {

const Entry* find_by_flag(const Table& table, std::string_view name) {
    const Entry* entry = table.find_flag(name);
    return entry != nullptr ? entry : table.find(name);
}

}  // namespace

Result<Arguments> split_arguments(const Table& table, std::span<const std::string> words) {
    Arguments arguments;
    for (std::size_t i = 0; i < words.size(); ++i) {
        const std::string_view word = words[i];
        if (word == "--") {
            arguments.words.insert(arguments.words.end(), words.begin() + static_cast<std::ptrdiff_t>(i) + 1,
                                   words.end());
            break;
        }
        if (!word.starts_with("--")) {
            arguments.words.emplace_back(word);
            continue;
        }
        const std::size_t equals = word.find('=');
        const std::string name(word.substr(2, equals == std::string_view::npos ? equals : equals - 2));
        const Entry* entry = find_by_flag(table, name);
        const bool is_config = name == "config";
        if (entry == nullptr && !is_config) {
            if (const List* list = table.list_around(name)) {
                return fail(ErrorCode::kInvalidArgument, "flag --" + name + ": " + list_message(*list));
            }
            if (name.find('.') != std::string::npos) {
                return fail(ErrorCode::kInvalidArgument, "flag --" + name + ": " + unknown_message(table, name));
            }
            arguments.words.emplace_back(word);
            continue;
        }
        std::string value;
        if (equals != std::string_view::npos) {
            value = word.substr(equals + 1);
        } else if (entry != nullptr && entry->is_bool()) {
            value = "true";
        } else if (i + 1 < words.size() && !words[i + 1].starts_with("--")) {
            value = words[++i];
        } else {
            return fail(ErrorCode::kInvalidArgument, fmt::format("flag --{} needs a value", name));
        }
        if (!is_config) {
            arguments.flags.emplace_back(name, value);
        } else if (arguments.config_path || value.empty()) {
            return fail(ErrorCode::kInvalidArgument, "flag --config takes one file");
        } else {
            arguments.config_path = value;
        }
    }
    return arguments;
}

Reading read_flags(const Table& table, const std::vector<NameValue>& flags) {
    Reading reading;
    for (const auto& [name, value] : flags) {
        const Entry* entry = find_by_flag(table, name);
        if (const List* list = table.list_around(name); entry == nullptr && list != nullptr) {
            reading.faults.push_back("flag --" + name + ": " + list_message(*list));
        } else if (entry == nullptr) {
            reading.faults.push_back("flag --" + name + ": " + unknown_message(table, name));
        } else if (entry->is_secret() && !value.empty() && !value.starts_with("file:")) {
            reading.faults.push_back("flag --" + name +
                                     ": a secret on the command line can be read by every user of the machine; use "
                                     "file:/path or the environment");
        } else {
            reading.found.push_back({.name = name,
                                     .value = value,
                                     .items = {},
                                     .is_list = false,
                                     .source = "flag --" + name,
                                     .entry = entry});
        }
    }
    return reading;
}

}  // namespace tidegate::settings
