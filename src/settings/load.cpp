#include "settings/load.h"

#include <fmt/core.h>

#include <algorithm>
#include <map>

#include "settings/raw.h"
#include "settings/value.h"

namespace tidegate::settings {
namespace {

// A page of settings is a few KB; what is larger is another file.
constexpr std::uint64_t kConfigBytesMax = 1U << 20U;
constexpr std::size_t kFaultsShownMax = 40;  // A screen.
constexpr std::uint64_t kSecretBytesMax = 64U << 10U;

/// Collects the faults of one load and the winning source of each setting.
class Loading {
  public:
    explicit Loading(const Disk& disk) : disk_(disk) {}

    void add_fault(std::string fault) { faults_.push_back(std::move(fault)); }

    /// Every value is judged, also one that a higher source covers: a wrong line in the file is wrong all the
    /// same.
    void take(Reading reading) {
        for (std::string& fault : reading.faults) add_fault(std::move(fault));
        for (const RawList& list : reading.lists) set_defaults(list);
        std::map<const Entry*, const Raw*> seen;
        for (Raw& raw : reading.found) {
            if (const auto [other, first] = seen.try_emplace(raw.entry, &raw); !first) {
                add_fault(fmt::format("{}: {} is set twice; it is set already at {}", raw.source, raw.entry->name,
                                      other->second->source));
                continue;
            }
            if (auto stored = store_raw(raw); !stored) {
                add_fault(fmt::format("{}: {}: {}", raw.source, raw.entry->name, stored.error().message));
            }
            if (raw.entry->is_secret()) wipe(raw.value);
            sources_[raw.entry] = raw.source;
        }
        for (const RawList& list : reading.lists) check_elements(list);
        for (RawList& list : reading.lists) lists_.push_back(std::move(list));
    }

    /// Every setting of `table`, then its lists with theirs.
    void resolve(const Table& table, std::vector<ResolvedSetting>& out) const {
        for (const Entry& entry : table.entries()) {
            out.push_back({.name = entry.name,
                           .group = entry.group,
                           .value = value_text(entry),
                           .value_json = value_json(entry),
                           .source = source_of(entry)});
        }
        for (const List& list : table.lists()) {
            const auto raw = std::ranges::find(lists_, &list, &RawList::list);
            const std::size_t count = raw == lists_.end() ? 0 : raw->elements.size();
            out.push_back({.name = list.name,
                           .group = list.group,
                           .value = count == 0 ? "empty" : fmt::format("{} element{}", count, count == 1 ? "" : "s"),
                           .value_json = fmt::format("{}", count),
                           .source = raw == lists_.end() ? "default" : raw->source});
            if (raw == lists_.end()) continue;
            for (const Table& element : raw->elements) resolve(element, out);
        }
    }

    std::string source_of(const Entry& entry) const {
        const auto found = sources_.find(&entry);
        return found == sources_.end() ? "default" : found->second;
    }

    Result<void> verdict() const {
        if (faults_.empty()) return {};
        std::string message =
            faults_.size() == 1 ? "a setting is wrong:" : fmt::format("{} settings are wrong:", faults_.size());
        for (std::size_t i = 0; i < std::min(faults_.size(), kFaultsShownMax); ++i) message += "\n  " + faults_[i];
        if (faults_.size() > kFaultsShownMax)
            message += fmt::format("\n  and {} more", faults_.size() - kFaultsShownMax);
        return fail(ErrorCode::kInvalidArgument, message);
    }

  private:
    void set_defaults(const RawList& list) {
        for (const Table& element : list.elements) {
            for (const Entry& entry : element.entries()) {
                if (entry.is_required) continue;
                if (const auto stored = store_default(entry); !stored) add_fault(stored.error().message);
            }
        }
    }

    // What each element must say for itself, and say differently from the others.
    void check_elements(const RawList& raw) {
        std::map<std::string, std::string> keys;
        for (std::size_t i = 0; i < raw.elements.size(); ++i) {
            const Table& element = raw.elements[i];
            const std::string key_name = fmt::format("{}.{}", element.element(), raw.list->key);
            for (const Entry& entry : element.entries()) {
                const bool is_key = !raw.list->key.empty() && entry.name == key_name;
                if ((entry.is_required || is_key) && !sources_.contains(&entry)) {
                    add_fault(fmt::format("{}: {} is not set, and has no default", raw.element_sources[i], entry.name));
                } else if (is_key) {
                    const std::string& value = **std::get_if<std::string*>(&entry.target);
                    const auto [other, is_new] = keys.try_emplace(value, raw.element_sources[i]);
                    if (is_new && !value.empty()) continue;
                    add_fault(fmt::format("{}: {}: {}", sources_[&entry], entry.name,
                                          value.empty() ? "it may not be empty"
                                                        : fmt::format("\"{}\" is taken at {}", value, other->second)));
                }
            }
        }
    }

    Result<void> store_raw(const Raw& raw) {
        if (raw.is_list) return store_list(*raw.entry, raw.items);
        constexpr std::string_view kFile = "file:";
        if (!raw.entry->is_secret() || !raw.value.starts_with(kFile))
            return store_text(*raw.entry, raw.value, raw.name);
        auto content = disk_.read(raw.value.substr(kFile.size()), kSecretBytesMax);
        if (!content) return std::unexpected(content.error());
        std::string_view secret = *content;
        if (secret.ends_with('\n')) secret.remove_suffix(1);
        if (secret.ends_with('\r')) secret.remove_suffix(1);
        if (secret.empty()) return fail(ErrorCode::kInvalidArgument, "the file of the secret is empty");
        auto stored = store_text(*raw.entry, secret, raw.name);
        wipe(*content);
        return stored;
    }

    const Disk& disk_;
    std::vector<std::string> faults_;
    std::map<const Entry*, std::string> sources_;
    std::deque<RawList> lists_;
};

std::optional<std::string> config_path(const Sources& sources) {
    if (sources.config_path) return sources.config_path;
    const auto named = std::ranges::find(sources.environment, "TIDEGATE_CONFIG", &NameValue::first);
    if (named == sources.environment.end() || named->second.empty()) return std::nullopt;
    return named->second;
}

}  // namespace

Result<Resolved> load(const Table& table, const Sources& sources, const Disk& disk) {
    table.check();
    for (const Entry& entry : table.entries()) TG_CHECK(store_default(entry));
    for (const List& list : table.lists()) list.make(0);

    Loading loading(disk);
    if (const auto path = config_path(sources)) {
        if (auto text = disk.read(*path, kConfigBytesMax)) {
            loading.take(read_yaml(table, *path, *text));
            wipe(*text);
        } else {
            loading.add_fault(fmt::format("configuration file: {}", text.error().message));
        }
    }
    loading.take(read_environment(table, sources.environment));
    loading.take(read_flags(table, sources.flags));
    TG_CHECK(loading.verdict());

    std::vector<ResolvedSetting> settings;
    loading.resolve(table, settings);
    return Resolved(std::move(settings));
}

std::string list_message(const List& list) {
    return fmt::format("{} is a list of groups and comes from the file only", list.name);
}

std::string unknown_message(const Table& table, std::string_view name) {
    const std::string nearest = table.nearest(name);
    std::string message = fmt::format("{} is not a setting", name);
    if (!nearest.empty()) message += fmt::format("; did you mean {}?", nearest);
    return message;
}

const ResolvedSetting* Resolved::find(std::string_view name) const noexcept {
    const auto found = std::ranges::find(settings_, name, &ResolvedSetting::name);
    return found == settings_.end() ? nullptr : &*found;
}

std::size_t Resolved::count_set() const noexcept {
    return static_cast<std::size_t>(
        std::ranges::count_if(settings_, [](const ResolvedSetting& setting) { return setting.source != "default"; }));
}

}  // namespace tidegate::settings
