#include "settings/table.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstdlib>
#include <optional>
#include <set>

#include "base/strings.h"
#include "settings/value.h"

namespace tidegate::settings {
namespace {

// A declaration that contradicts itself is our bug: the message names it, then the process ends.
void require(bool holds, std::string_view name, std::string_view what) {
    if (holds) return;
    fmt::print(stderr, "tidegate: the declaration of setting {} is wrong: {}\n", name, what);
    std::abort();
}

bool is_well_formed(std::string_view name) {
    return !name.empty() && std::ranges::all_of(name, [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '.';
    });
}

void check_entry(const Entry& entry) {
    require(is_well_formed(entry.name), entry.name, "a name is lower case letters, digits, `_` and `.`");
    require(entry.name.starts_with(entry.group + "."), entry.name, "it does not begin with its group");
    require(!entry.doc.empty() && entry.doc.find('\n') == std::string::npos, entry.name, "it needs one line of doc");
    const bool is_duration = std::holds_alternative<Duration*>(entry.target);
    require(!is_duration || unit_of_name(entry.name).has_value(), entry.name, "a duration's name ends in _ms or _s");
    const bool needs_range = std::visit(
        [](auto* target) { return detail::kHasRange<std::remove_pointer_t<decltype(target)>>; }, entry.target);
    require(!needs_range || entry.minimum.index() != 0, entry.name, "a number or duration needs a range");
    if (entry.is_secret()) return;
    if (const auto stored = store_default(entry); !stored) require(false, entry.name, stored.error().message);
}

}  // namespace

void Table::group(std::string_view name, std::string_view title) {
    const bool known = std::ranges::any_of(groups_, [&](const Group& group) { return group.name == name; });
    require(!known, name, "its group is opened twice");
    groups_.push_back({std::string(name), std::string(title)});
}

Entry& Table::append(std::string_view name, Target target, Default initial) {
    require(!groups_.empty(), name, "it stands before the first group");
    Entry& entry = entries_.emplace_back();
    entry.name = name;
    entry.group = groups_.back().name;
    entry.target = target;
    entry.initial = std::move(initial);
    if (std::holds_alternative<Duration*>(target)) {
        if (const auto unit = unit_of_name(name)) entry.unit = unit->symbol;
    }
    return entry;
}

const Entry* Table::find(std::string_view name) const noexcept {
    for (const Entry& entry : entries_) {
        if (entry.name == name || std::ranges::find(entry.aliases, name) != entry.aliases.end()) return &entry;
    }
    return nullptr;
}

const Entry* Table::find_flag(std::string_view flag) const noexcept {
    if (flag.empty()) return nullptr;
    const auto found = std::ranges::find(entries_, flag, &Entry::flag);
    return found == entries_.end() ? nullptr : &*found;
}

std::string Table::nearest(std::string_view name) const {
    std::string best;
    // A third of the letters wrong is still a slip; more is another word.
    std::size_t best_distance = std::max<std::size_t>(2, name.size() / 3) + 1;
    const auto consider = [&](std::string_view candidate, std::string_view shown) {
        const std::size_t distance = edit_distance(name, candidate);
        if (distance < best_distance) {
            best_distance = distance;
            best = shown;
        }
    };
    for (const Entry& entry : entries_) {
        consider(entry.name, entry.name);
        // Somebody who forgot the group is nearer to the last word of the name.
        consider(std::string_view(entry.name).substr(entry.group.size() + 1), entry.name);
        if (!entry.flag.empty()) consider(entry.flag, entry.name);
    }
    return best;
}

void Table::check() const {
    std::set<std::string> names, variables, flags;
    for (const Entry& entry : entries_) {
        check_entry(entry);
        require(names.insert(entry.name).second, entry.name, "the name is taken");
        require(variables.insert(environment_name(entry.name)).second, entry.name, "its environment name is taken");
        for (const auto& alias : entry.aliases) require(names.insert(alias).second, entry.name, "an alias is taken");
        for (const auto& alias : entry.env_aliases) {
            require(variables.insert(alias).second, entry.name, "an environment alias is taken");
        }
        if (!entry.flag.empty()) {
            require(entry.flag != "config" && flags.insert(entry.flag).second, entry.name, "its flag is taken");
        }
    }
}

std::string environment_name(std::string_view name) {
    std::string variable = "TIDEGATE_";
    for (const char c : name) {
        if (c == '.') {
            variable.push_back('_');
        } else {
            variable.push_back(c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c);
        }
    }
    return variable;
}

}  // namespace tidegate::settings
