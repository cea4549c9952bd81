// `tidegate keys create|list|revoke|rotate`: API keys, in the data folder, with or without a server running on it.
#include "app/keys.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstdio>
#include <map>
#include <set>

#include "app/commands.h"
#include "app/server.h"
#include "base/file.h"
#include "pipeline/identity/key_store.h"
#include "pipeline/identity/rate.h"
#include "settings/value.h"

namespace tidegate::app {
namespace {

using pipeline::KeyRecord;
using pipeline::KeySpec;
using pipeline::KeyStore;
using pipeline::NewKey;

constexpr std::string_view kKeysUsage =
    "keys takes one of:\n"
    "  create --name NAME [--admin] [--scope SCOPE]... [--tenant TENANT] [--rate 600/1m] [--daily-cap POINTS]\n"
    "         [--expires 90d | 2027-01-01T00:00:00Z] [--json]\n"
    "  list [--json]\n"
    "  revoke ID [--json]\n"
    "  rotate ID [--overlap 24h] [--expires 90d] [--json]";

constexpr Duration kOverlapDefault = std::chrono::hours(24);

/// The words after the verb, taken apart: `--name value`, `--json`, and the rest.
struct KeyWords {
    std::multimap<std::string, std::string> options;
    std::vector<std::string> rest;
    bool json = false;
    bool admin = false;

    std::optional<std::string> one(const std::string& name) const {
        const auto found = options.find(name);
        return found == options.end() ? std::nullopt : std::optional(found->second);
    }
};

std::unexpected<Error> misused_keys(std::string message) {
    return fail(ErrorCode::kInvalidArgument, std::move(message));
}

Result<KeyWords> read_key_words(const std::vector<std::string>& words, const std::set<std::string>& known) {
    KeyWords read;
    for (std::size_t i = 1; i < words.size(); ++i) {
        const std::string& word = words[i];
        if (word == "--json") {
            read.json = true;
        } else if (word == "--admin" && known.contains("--admin")) {
            read.admin = true;
        } else if (!word.starts_with("--")) {
            read.rest.push_back(word);
        } else if (!known.contains(word)) {
            return misused_keys("keys " + words[0] + " does not know " + word);
        } else if (i + 1 == words.size()) {
            return misused_keys(word + " needs a value");
        } else if (read.options.contains(word) && word != "--scope") {
            return misused_keys(word + " is given twice");
        } else {
            read.options.emplace(word, words[++i]);
        }
    }
    return read;
}

/// `24h`, `90d`: with a unit, so that nobody has to guess it.
Result<Duration> read_duration(const std::string& name, const std::string& text) {
    const bool has_unit = !text.empty() && (text.back() < '0' || text.back() > '9');
    const auto duration = has_unit ? settings::parse_duration(text, std::chrono::seconds(1)) : std::nullopt;
    if (!duration || *duration < Duration::zero()) return misused_keys(name + " takes a time like 24h or 90d");
    return *duration;
}

Result<std::optional<UnixMillis>> read_expires(const KeyWords& words, UnixMillis now) {
    const auto text = words.one("--expires");
    if (!text) return std::optional<UnixMillis>();
    if (const auto time = parse_rfc3339(*text)) return std::optional(*time);
    TG_TRY(const Duration duration, read_duration("--expires", *text));
    return std::optional(now + std::chrono::duration_cast<std::chrono::milliseconds>(duration).count());
}

Result<KeySpec> read_spec(const KeyWords& words, UnixMillis now) {
    KeySpec spec;
    spec.name = words.one("--name").value_or(words.admin ? "admin" : "");
    if (spec.name.empty()) return misused_keys("keys create needs --name NAME");
    spec.tenant = words.one("--tenant").value_or("");
    const auto [first, last] = words.options.equal_range("--scope");
    for (auto scope = first; scope != last; ++scope) spec.scopes.push_back(scope->second);
    if (spec.scopes.empty()) spec.scopes = {"*"};
    if (words.admin) spec.scopes.emplace_back("admin");
    if (const auto rate = words.one("--rate")) {
        TG_TRY(spec.rate, pipeline::parse_rate(*rate));
    }
    if (const auto cap = words.one("--daily-cap")) {
        spec.daily_cap = parse_points(*cap);
        if (!spec.daily_cap) return misused_keys("--daily-cap takes points, with at most three decimals");
    }
    TG_TRY(spec.expires, read_expires(words, now));
    TG_CHECK(check(spec, now));
    return spec;
}

void print_record_json(const KeyRecord& record, UnixMillis now) {
    std::string out;
    JsonWriter writer(out);
    writer.begin_object();
    append_members(writer, record, now);
    writer.end_object();
    fmt::print("{}\n", out);
}

void print_new(const NewKey& made, bool json, UnixMillis now) {
    if (json) {
        std::string out;
        JsonWriter writer(out);
        writer.begin_object().field("key", made.text);
        append_members(writer, made.record, now);
        writer.end_object();
        fmt::print("{}\n", out);
        settings::wipe(out);
        return;
    }
    fmt::print("{}\n", made.text);
    fmt::print(stderr, "tidegate: key {} (`{}`): shown this once, kept as a hash only\n", made.record.public_id,
               made.record.name);
}

std::string joined(const std::vector<std::string>& scopes) {
    std::string out;
    for (const std::string& scope : scopes) out += (out.empty() ? "" : " ") + scope;
    return out;
}

int print_list(const std::vector<KeyRecord>& records, bool json, UnixMillis now) {
    if (json) {
        std::string out;
        JsonWriter writer(out);
        writer.begin_object().key("items").begin_array();
        for (const KeyRecord& record : records) {
            writer.begin_object();
            append_members(writer, record, now);
            writer.end_object();
        }
        writer.end_array().end_object();
        fmt::print("{}\n", out);
        return 0;
    }
    fmt::print("{:<12}  {:<8}  {:<24}  {:<16}  {:<24}  {:<24}  {}\n", "id", "state", "name", "tenant", "created",
               "last used", "scopes");
    for (const KeyRecord& record : records) {
        fmt::print("{:<12}  {:<8}  {:<24}  {:<16}  {:<24}  {:<24}  {}\n", record.public_id,
                   to_string(record.state(now)), record.name, record.tenant.empty() ? "-" : record.tenant,
                   format_rfc3339(record.created), record.last_used ? format_rfc3339(*record.last_used) : "-",
                   joined(record.scopes));
    }
    return 0;
}

/// The verbs with their words read, against an open store.
Result<int> run_verb(KeyStore& keys, const std::string& verb, const KeyWords& words, UnixMillis now) {
    if (verb == "create") {
        TG_TRY(const KeySpec spec, read_spec(words, now));
        TG_TRY(const NewKey made, keys.create(spec));
        print_new(made, words.json, now);
        return 0;
    }
    if (verb == "list") {
        TG_TRY(const auto records, keys.list());
        return print_list(records, words.json, now);
    }
    if (verb == "revoke") {
        TG_TRY(const KeyRecord record, keys.revoke(words.rest[0]));
        if (words.json) {
            print_record_json(record, now);
        } else {
            fmt::print("{} (`{}`) is revoked; a running server knows within a second\n", record.public_id, record.name);
        }
        return 0;
    }
    Duration overlap = kOverlapDefault;
    if (const auto text = words.one("--overlap")) {
        TG_TRY(overlap, read_duration("--overlap", *text));
    }
    TG_TRY(const auto expires, read_expires(words, now));
    TG_TRY(const NewKey made, keys.rotate(words.rest[0], overlap, expires));
    print_new(made, words.json, now);
    return 0;
}

}  // namespace

int run_keys(const Invocation& invocation) {
    static const std::map<std::string, std::set<std::string>> kVerbs{
        {"create", {"--name", "--admin", "--scope", "--tenant", "--rate", "--daily-cap", "--expires"}},
        {"list", {}},
        {"revoke", {}},
        {"rotate", {"--overlap", "--expires"}}};
    const auto& words = invocation.words;
    const auto verb = words.empty() ? kVerbs.end() : kVerbs.find(words[0]);
    if (verb == kVerbs.end()) return wrong_use(std::string(kKeysUsage));
    const auto read = read_key_words(words, verb->second);
    if (!read) return wrong_use(read.error().message);
    const std::size_t wanted = verb->first == "revoke" || verb->first == "rotate" ? 1 : 0;
    if (read->rest.size() != wanted) return wrong_use(std::string(kKeysUsage));
    const SystemClock clock;
    SystemRandom random;
    pipeline::IdentityCounters counters;
    const std::string& folder = invocation.settings.process.data_dir;
    const auto made = SystemDisk().make_directories(folder);
    auto keys =
        made ? KeyStore::open({.path = database_path(folder)}, clock, random, counters) : std::unexpected(made.error());
    const auto done = keys ? run_verb(**keys, verb->first, *read, clock.unix_ms()) : std::unexpected(keys.error());
    if (done) return *done;
    if (done.error().code == ErrorCode::kInvalidArgument || done.error().code == ErrorCode::kFailedValidation) {
        return wrong_use(done.error().message);
    }
    fmt::print(stderr, "tidegate: {}\n", done.error().message);
    return 1;
}

Result<void> make_first_key(pipeline::Identity& identity) {
    if (!identity.keys_required() && identity.loopback_only()) return {};
    TG_TRY(const auto made, identity.keys().create_first_admin());
    if (!made) return {};
    fmt::print(
        "tidegate: there was no key yet and callers need one. This admin key is shown once, here:\n{}\n"
        "tidegate: more keys: `tidegate keys create --name NAME`, or POST /api/keys with this one\n",
        made->text);
    std::fflush(stdout);
    return {};
}

}  // namespace tidegate::app
