// tidegate: settings first, then one command.
#include <fmt/core.h>

#include <array>
#include <memory>
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

constexpr std::array<Command, 16> kCommands{{
    {"serve", "serve [--port N] [--data-dir DIR]", "start the server", run_serve},
    {"detect", "detect [--json] [FILE...]", "was this text written by a machine? (standard input without FILE)",
     run_detect},
    {"eval", "eval NAME --data PATH [--out FILE]",
     "measure the detectors, the drift tests or a service on labelled data", run_eval},
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
    {"load", "load [PROFILE] | compare A B | report FILE", "ask a server as 50 or 500 users do, and measure it",
     run_load},
    {"generate", "generate [--count N] [--repeats 72%] [--seed N]",
     "the requests of such a load, a JSON text in each line", run_generate},
    {"perf", "perf analyze|optimize|monitor|report [--server URL]",
     "how a running server does: what is slow, what got worse, what to do; a report", run_perf},
    {"top", "top [--once] [--server URL]", "what a running server does now, renewed each second", run_top},
    {"backup", "backup FOLDER [--keys FOLDER]", "copy what a server needs to come back, while it runs or not",
     run_backup},
    {"health", "health [--path PATH]", "does the server of these settings answer /ready? (0: yes, 1: no)", run_health},
    {"config", "config show [--json] | check | reference", "the settings: values and sources, a check, the reference",
     run_config},
    {"openapi", "openapi", "print the API document", run_openapi},
}};

using Services = std::vector<std::shared_ptr<service::Module>>;

int help(const Services& services) {
    fmt::print("tidegate {}: AI decisions over HTTP, with an honest record of every answer\n\nusage:\n", version());
    for (const Command& command : kCommands) fmt::print("  tidegate {:<54} {}\n", command.usage, command.summary);
    for (const auto& one : services) {
        for (const service::CommandHelp& command : one->commands()) {
            fmt::print("  tidegate {:<54} {}\n", command.usage, command.summary);
        }
    }
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

/// The service that brings the command; null: none does.
const service::Module* service_with(const Services& services, std::string_view name) {
    for (const auto& one : services) {
        for (const service::CommandHelp& command : one->commands()) {
            if (command.name == name) return one.get();
        }
    }
    return nullptr;
}

int unknown_command(std::string_view name, const Services& services) {
    std::string_view nearest;
    std::size_t best = 3;  // Further than two letters off is another word.
    const auto compare = [&](std::string_view known) {
        if (const std::size_t distance = edit_distance(name, known); distance < best) {
            best = distance;
            nearest = known;
        }
    };
    for (const Command& command : kCommands) compare(command.name);
    for (const auto& one : services) {
        for (const service::CommandHelp& command : one->commands()) compare(command.name);
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
    if (words.empty() || words[0] == "help" || words[0] == "--help" || words[0] == "-h") return help(settings.services);
    if (words[0] == "version" || words[0] == "--version") {
        fmt::print("tidegate {}\n", version());
        return 0;
    }
    const Command* command = find_command(words[0]);
    const service::Module* const owner = command == nullptr ? service_with(settings.services, words[0]) : nullptr;
    if (command == nullptr && owner == nullptr) return unknown_command(words[0], settings.services);
    const SystemDisk disk;
    const auto resolved = settings::load(
        table,
        {.config_path = split->config_path, .environment = settings::process_environment(), .flags = split->flags},
        disk);
    if (!resolved) return wrong_use(resolved.error().message);
    const std::string name = words[0];
    words.erase(words.begin());
    if (owner != nullptr) return owner->run(name, command_input(settings, words));
    return command->run({.settings = settings, .table = table, .resolved = *resolved, .words = std::move(words)});
}

}  // namespace

}  // namespace tidegate::app

int main(int argc, char** argv) {
    return tidegate::app::run(std::vector<std::string>(argv + 1, argv + argc));
}
