// tidegate: settings first, then one command.
#include <fmt/core.h>

#include <array>
#include <string>
#include <vector>

#include "app/commands.h"
#include "app/server.h"
#include "base/file.h"
#include "base/strings.h"

namespace tidegate::app {
namespace {

struct Command {
    std::string_view name;
    std::string_view usage;
    std::string_view summary;
    int (*run)(const Invocation&);
};

constexpr std::array<Command, 10> kCommands{{
    {"serve", "serve [--port N] [--data-dir DIR]", "start the server", run_serve},
    {"detect", "detect [--json] [FILE...]", "was this text written by a machine? (standard input without FILE)",
     run_detect},
    {"eval", "eval text|drift --data PATH [--out FILE]",
     "measure the text detector, or the drift detectors, on labelled data", run_eval},
    {"keys", "keys create|list|revoke|rotate [--json]", "API keys: make, show, end, replace", run_keys},
    {"audit", "audit verify|prove|tail|export LOG|receipt FILE|key",
     "the audit log: check it, prove a decision, read it, its key", run_audit},
    {"model", "model list | show NAME | check [FOLDER] | import FILE --name N",
     "models: what lies there, whether each loads, a new one", run_model},
    {"kafka", "kafka worker | verify FOLDER [--key FILE] [--checkpoint FILE]",
     "decisions over Kafka: keep a share of the topic, check what workers keep", run_kafka},
    {"ingest", "ingest FILE|- --server URL [--key KEY] | [--data-dir DIR]",
     "decisions made elsewhere, a JSON text in each line: to a server, or into its log while it is stopped",
     run_ingest},
    {"config", "config show [--json] | check | reference", "the settings: values and sources, a check, the reference",
     run_config},
    {"openapi", "openapi", "print the API document", run_openapi},
}};

int help() {
    fmt::print("tidegate {}: AI decisions over HTTP, with an honest record of every answer\n\nusage:\n", version());
    for (const Command& command : kCommands) fmt::print("  tidegate {:<54} {}\n", command.usage, command.summary);
    fmt::print("  tidegate {:<54} {}\n", "version | help", "");
    fmt::print(
        "\nsettings: --config FILE, TIDEGATE_* variables, --section.name VALUE; `tidegate config reference` "
        "lists them\n");
    return 0;
}

const Command* find_command(std::string_view name) {
    for (const Command& command : kCommands) {
        if (command.name == name) return &command;
    }
    return nullptr;
}

int unknown_command(std::string_view name) {
    std::string_view nearest;
    std::size_t best = 3;  // Further than two letters off is another word.
    for (const Command& command : kCommands) {
        if (const std::size_t distance = edit_distance(name, command.name); distance < best) {
            best = distance;
            nearest = command.name;
        }
    }
    return wrong_use(fmt::format("there is no command `{}`{}; `tidegate help` lists them", name,
                                 nearest.empty() ? "" : fmt::format(", did you mean `{}`?", nearest)));
}

int run(const std::vector<std::string>& arguments) {
    AppSettings settings;
    settings::Table table;
    declare(table, settings);
    auto split = settings::split_arguments(table, arguments);
    if (!split) return wrong_use(split.error().message);
    std::vector<std::string> words = std::move(split->words);
    if (words.empty() || words[0] == "help" || words[0] == "--help" || words[0] == "-h") return help();
    if (words[0] == "version" || words[0] == "--version") {
        fmt::print("tidegate {}\n", version());
        return 0;
    }
    const Command* command = find_command(words[0]);
    if (command == nullptr) return unknown_command(words[0]);
    const SystemDisk disk;
    const auto resolved = settings::load(
        table,
        {.config_path = split->config_path, .environment = settings::process_environment(), .flags = split->flags},
        disk);
    if (!resolved) return wrong_use(resolved.error().message);
    words.erase(words.begin());
    return command->run({.settings = settings, .table = table, .resolved = *resolved, .words = std::move(words)});
}

}  // namespace

}  // namespace tidegate::app

int main(int argc, char** argv) {
    return tidegate::app::run(std::vector<std::string>(argv + 1, argv + argc));
}
