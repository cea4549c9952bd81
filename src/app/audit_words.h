// The words after `tidegate audit VERB`, taken apart; and the verbs that lie in files of their own.
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "app/commands.h"
#include "base/result.h"

namespace tidegate::app {

inline constexpr std::string_view kAuditUsage =
    "audit takes one of:\n"
    "  verify LOG [--key FILE] [--checkpoint FILE] [--json]\n"
    "  prove LOG --id ID [--out FILE]\n"
    "  receipt FILE --key FILE [--json]\n"
    "  tail LOG [-n N] [--follow]\n"
    "  export LOG --out FILE [--format ndjson|csv] [--from TIME] [--to TIME] [--from-leaf N] [--to-leaf N]\n"
    "  report LOG --type sec|finra|mifid2|gdpr|ai-act --from TIME --to TIME --output FILE\n"
    "    [--format json|html|csv-of-failures|ndjson] [--key FILE] [--tenant T] [--service S] [--model M] [--subject "
    "S]\n"
    "  key create|show FILE --origin NAME\n"
    "LOG is a folder; or `postgres`, the database of the settings; or postgresql://..., with [--schema NAME] and\n"
    "[--folder FOLDER], where its server keeps the checkpoints and tiles";

struct AuditWords {
    std::string place;  // LOG or FILE.
    std::map<std::string, std::string> options;
    std::set<std::string> flags;

    bool has(const std::string& flag) const { return flags.contains(flag); }
    /// Empty: not given.
    std::string one(const std::string& name) const {
        const auto found = options.find(name);
        return found == options.end() ? std::string() : found->second;
    }
};
/// From the word `begin` on. `known`: what may be given; `--json` and `--follow` take no value. kInvalidArgument: the usage.
Result<AuditWords> read_audit_words(const std::vector<std::string>& words, const std::set<std::string>& known,
                                    std::size_t begin = 1);

/// Prints the message to standard error and gives 1.
int audit_failed(const Error& error);

int run_audit_tail(const Invocation& invocation);
int run_audit_export(const Invocation& invocation);
int run_audit_key(const Invocation& invocation);

}  // namespace tidegate::app
