#include "model/shelf.h"

#include <fmt/core.h>

#include <algorithm>
#include <ranges>

#include "model/loader.h"
#include "model/shown.h"

namespace tidegate::model {
namespace {

constexpr std::string_view kUnloaded = "unloaded";

}  // namespace

void Shelf::leave(Held& held, std::vector<ModelPtr>& ended) {
    if (!held.model) return;
    held.leaving = held.model;
    held.reason = kUnloaded;
    ended.push_back(std::move(held.model));
}

bool Shelf::serves(const Entry& entry) {
    return std::ranges::any_of(entry.versions, [](const auto& one) { return one.second.model != nullptr; });
}

/// Drops what is of no use to anybody any more.
void Shelf::prune() {
    std::erase_if(entries_, [](const auto& one) {
        const auto gone = [](const auto& version) { return !version.second.model && version.second.leaving.expired(); };
        return one.second.is_forgotten && std::ranges::all_of(one.second.versions, gone);
    });
}

void Shelf::loading(const std::string& name) {
    const Lock lock(mutex_);
    Entry& entry = entries_[name];
    entry.is_loading = true;
    entry.is_wanted = true;
    entry.is_forgotten = false;
}

bool Shelf::put(const std::string& name, std::vector<Outcome> outcomes) {
    std::vector<ModelPtr> ended;  // Before the lock, so that it is emptied after it.
    const Lock lock(mutex_);
    Entry& entry = entries_[name];
    entry.is_loading = false;
    entry.reason.clear();
    const bool any_failed = std::ranges::any_of(outcomes, [](const Outcome& one) { return !one.model; });
    if (any_failed && serves(entry)) {
        for (Outcome& one : outcomes) {
            if (one.model) continue;
            Held& held = entry.versions[one.version];
            if (entry.reason.empty())
                entry.reason = fmt::format("version {} cannot be loaded: {}", one.version, one.reason);
            if (!held.model) held.reason = std::move(one.reason);
        }
        return false;
    }
    for (auto& [version, held] : entry.versions) {
        if (std::ranges::find(outcomes, version, &Outcome::version) == outcomes.end()) leave(held, ended);
    }
    for (Outcome& one : outcomes) {
        Held& held = entry.versions[one.version];
        if (held.model != one.model) leave(held, ended);
        held.model = std::move(one.model);
        held.reason = std::move(one.reason);
    }
    // What an earlier load left behind is told once it is over by its absence.
    std::erase_if(entry.versions, [&](const auto& held) {
        return std::ranges::find(outcomes, held.first, &Outcome::version) == outcomes.end() &&
               held.second.leaving.expired();
    });
    return !any_failed;
}

void Shelf::failed(const std::string& name, const std::string& reason) {
    const Lock lock(mutex_);
    Entry& entry = entries_[name];
    entry.is_loading = false;
    entry.reason = reason;
}

bool Shelf::remove(const std::string& name, bool forget) {
    std::vector<ModelPtr> ended;
    const Lock lock(mutex_);
    const auto found = entries_.find(name);
    if (found == entries_.end()) return false;
    Entry& entry = found->second;
    const bool served = serves(entry);
    for (auto& [version, held] : entry.versions) leave(held, ended);
    entry.is_wanted = false;
    entry.is_forgotten = forget;
    entry.reason = served ? std::string(kUnloaded) : entry.reason;
    entry.seen.clear();
    prune();
    return served;
}

void Shelf::clear() {
    std::map<std::string, Entry, std::less<>> ended;
    const Lock lock(mutex_);
    entries_.swap(ended);
}

Result<ModelPtr> Shelf::find(std::string_view name, std::string_view version) const {
    const Lock lock(mutex_);
    const auto found = entries_.find(name);
    if (found == entries_.end()) return fail(ErrorCode::kNotFound, fmt::format("there is no model `{}`", shown(name)));
    const Entry& entry = found->second;
    if (version.empty()) {
        for (const Held& held : entry.versions | std::views::values | std::views::reverse) {
            if (held.model) return held.model;
        }
        const std::string why = entry.is_loading ? "it is being loaded" : entry.reason;
        if (!why.empty()) return fail(ErrorCode::kUnavailable, fmt::format("model `{}` does not serve: {}", name, why));
        for (const Held& held : entry.versions | std::views::values | std::views::reverse) {
            return fail(ErrorCode::kUnavailable, fmt::format("model `{}` does not serve: {}", name, held.reason));
        }
        return fail(ErrorCode::kUnavailable, fmt::format("model `{}` does not serve", name));
    }
    const auto number = version_of(version);
    const auto held = number ? entry.versions.find(*number) : entry.versions.end();
    if (held == entry.versions.end()) {
        return fail(ErrorCode::kNotFound, fmt::format("model `{}` has no version `{}`", name, shown(version)));
    }
    if (held->second.model) return held->second.model;
    return fail(ErrorCode::kUnavailable, fmt::format("version {} of model `{}` does not serve: {}", *number, name,
                                                     entry.is_loading ? "it is being loaded" : held->second.reason));
}

std::vector<ModelPtr> Shelf::ready() const {
    const Lock lock(mutex_);
    std::vector<ModelPtr> models;
    for (const Entry& entry : entries_ | std::views::values) {
        for (const Held& held : entry.versions | std::views::values) {
            if (held.model) models.push_back(held.model);
        }
    }
    return models;
}

void Shelf::describe(const std::string& name, const Entry& entry, std::vector<ModelStatus>& lines) {
    if (entry.versions.empty()) {
        lines.push_back({.name = name,
                         .version = {},
                         .state = entry.is_loading ? ModelState::kLoading : ModelState::kUnavailable,
                         .reason = entry.is_loading ? std::string() : entry.reason,
                         .sha256 = {}});
        return;
    }
    for (const auto& [version, held] : entry.versions) {
        ModelStatus line{
            .name = name, .version = std::to_string(version), .state = {}, .reason = held.reason, .sha256 = {}};
        if (held.model) {
            line.state = ModelState::kReady;
            line.reason = entry.reason;
            line.sha256 = held.model->sha256();
        } else if (entry.is_loading) {
            line.state = ModelState::kLoading;
            line.reason.clear();
        } else {
            line.state = held.leaving.expired() ? ModelState::kUnavailable : ModelState::kUnloading;
            if (line.reason == kUnloaded && !entry.reason.empty()) line.reason = entry.reason;
        }
        lines.push_back(std::move(line));
    }
}

std::vector<ModelStatus> Shelf::index() const {
    const Lock lock(mutex_);
    std::vector<ModelStatus> lines;
    for (const auto& [name, entry] : entries_) describe(name, entry, lines);
    return lines;
}

bool Shelf::all_ready() const {
    const Lock lock(mutex_);
    return std::ranges::all_of(entries_ | std::views::values,
                               [](const Entry& entry) { return !entry.is_wanted || serves(entry); });
}

std::vector<std::string> Shelf::names() {
    const Lock lock(mutex_);
    prune();
    std::vector<std::string> names;
    for (const auto& [name, entry] : entries_) {
        if (!entry.is_forgotten) names.push_back(name);
    }
    return names;
}

bool Shelf::has_seen(const std::string& name, const std::string& state) const {
    const Lock lock(mutex_);
    const auto found = entries_.find(name);
    return found != entries_.end() && !found->second.is_forgotten && found->second.seen == state;
}

void Shelf::saw(const std::string& name, std::string state) {
    const Lock lock(mutex_);
    entries_[name].seen = std::move(state);
}

}  // namespace tidegate::model
