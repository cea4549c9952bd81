// load(): takes every setting from the highest source that has it, or says all that is wrong at once.
//
// Guarantee   In rising priority: default, YAML file, environment, flags. A name no table knows, a value of the wrong
//             type or outside its range, a setting given twice in one source: each stops the load. All are reported
//             together, each with its source, the value, the range and the nearest known name. On an error the bound
//             variables hold no defined value: do not start.
// Secrets     Never in a message and never accepted as plain text on the command line, where every user of the machine
//             can read it; `--some.key=file:/path` is.
//
//     settings::Table table;
//     http::declare(table, server);                             // each room
//     TG_TRY(auto arguments, settings::split_arguments(table, argv));
//     SystemDisk disk;
//     TG_TRY(auto resolved, settings::load(table, {.config_path = arguments.config_path,
//                                                  .environment = settings::process_environment(),
//                                                  .flags = arguments.flags}, disk));
//     fmt::print("{}", settings::render_table(resolved));       // `tidegate config show`
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/file.h"
#include "base/result.h"
#include "settings/table.h"

namespace tidegate::settings {

using NameValue = std::pair<std::string, std::string>;

struct Sources {
    std::optional<std::string> config_path;  // From --config; unset: TIDEGATE_CONFIG of `environment`, else no file.
    std::vector<NameValue> environment;
    std::vector<NameValue> flags;  // Name without dashes: a setting's name, an alias or a short flag.
};

/// A setting after the load, with its value and where the value came from.
struct ResolvedSetting {
    std::string name, group;
    std::string value;       // As it would be written in the file; a secret: `set` or `not set`.
    std::string value_json;  // The same as JSON.
    std::string source;      // `default`, `tidegate.yaml:12`, `environment TIDEGATE_SERVER_PORT`, `flag --port`.
};

class Resolved {
  public:
    explicit Resolved(std::vector<ResolvedSetting> settings) : settings_(std::move(settings)) {}
    /// In the order of declaration.
    const std::vector<ResolvedSetting>& settings() const noexcept { return settings_; }
    const ResolvedSetting* find(std::string_view name) const noexcept;
    /// How many do not come from their default.
    std::size_t count_set() const noexcept;

  private:
    std::vector<ResolvedSetting> settings_;
};

/// Writes every bound variable of `table`. kInvalidArgument with all faults, a line each.
Result<Resolved> load(const Table& table, const Sources& sources, const Disk& disk);

struct Arguments {
    std::optional<std::string> config_path;  // --config FILE
    std::vector<NameValue> flags;            // What load() takes.
    std::vector<std::string> words;          // The rest, in order: subcommand, its own options, files.
};

/// Takes `--config FILE`, `--dotted.name VALUE`, `--dotted.name=VALUE` and the table's short flags out of the
/// words after the program's name. A boolean is true by its flag alone and takes another value by `=` only.
/// Nothing after `--` is taken (the `--` itself goes). kInvalidArgument for a setting's flag without value or
/// a dotted name no table knows; an unknown flag without a dot stays in `words` for the subcommand to judge
/// (Table::nearest helps it).
Result<Arguments> split_arguments(const Table& table, std::span<const std::string> words);

/// The environment of this process.
std::vector<NameValue> process_environment();

/// `NAME  VALUE  SOURCE`, aligned, for people.
std::string render_table(const Resolved& resolved);
/// `{"settings":[{"name":...,"value":...,"source":...}]}`.
std::string render_json(const Resolved& resolved);
/// The same with what each setting is: `{"groups":[{"name","title"}],"settings":[{"name","group","value","source","default","type",
/// "unit","range","doc"}]}`; a member of a list of groups (`routes[0].path`) without the last five.
std::string render_described(const Table& table, const Resolved& resolved);
/// One line: how many settings there are and where those that are set come from.
std::string render_check(const Resolved& resolved);
/// docs/settings.md: a Markdown table a group, from the declarations alone.
std::string render_reference(const Table& table);

}  // namespace tidegate::settings
