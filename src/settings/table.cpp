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

constexpr int kListLevelsMax = 2;  // A list in an element of a list; more is a program, not a settings file.

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

// `path` of `routes[2].path`; the whole name outside an element.
std::string_view own_name(const Table& table, std::string_view name) {
    if (!table.element().empty() && name.starts_with(table.element() + "."))
        name.remove_prefix(table.element().size() + 1);
    return name;
}

void check_entry(const Table& table, const Entry& entry) {
    require(is_well_formed(own_name(table, entry.name)), entry.name,
            "a name is lower case letters, digits, `_` and `.`");
    require(entry.name.starts_with(entry.group + "."), entry.name, "it does not begin with its group");
    require(!entry.doc.empty() && entry.doc.find('\n') == std::string::npos, entry.name, "it needs one line of doc");
    const bool is_duration = std::holds_alternative<Duration*>(entry.target);
    require(!is_duration || unit_of_name(entry.name).has_value(), entry.name, "a duration's name ends in _ms or _s");
    const bool needs_range = std::visit(
        [](auto* target) { return detail::kHasRange<std::remove_pointer_t<decltype(target)>>; }, entry.target);
    require(!needs_range || entry.minimum.index() != 0, entry.name, "a number or duration needs a range");
    require(!entry.is_required || !table.element().empty(), entry.name, "only an element's setting can be required");
    if (entry.is_secret() || entry.is_required) return;
    if (const auto stored = store_default(entry); !stored) require(false, entry.name, stored.error().message);
}

}  // namespace

Table::Table(std::string element, int level) : element_(std::move(element)), level_(level) {
    groups_.push_back({element_, ""});
}

void Table::group(std::string_view name, std::string_view title) {
    require(element_.empty(), name, "an element of a list has no groups; use a dotted name");
    const bool known = std::ranges::any_of(groups_, [&](const Group& group) { return group.name == name; });
    require(!known, name, "its group is opened twice");
    groups_.push_back({std::string(name), std::string(title)});
}

std::string Table::full_name(std::string_view name) const {
    return element_.empty() ? std::string(name) : fmt::format("{}.{}", element_, name);
}

List& Table::append_list(std::string_view name, std::string_view doc, std::string_view key) {
    require(level_ < kListLevelsMax, name, "lists lie in lists more than two levels deep");
    // A list that stands by itself is its own group: the reference gives it a section.
    if (element_.empty() && name.find('.') == std::string_view::npos &&
        (groups_.empty() || groups_.back().name != name)) {
        group(name, doc);
    }
    require(!groups_.empty(), name, "it stands before the first group");
    List& list = lists_.emplace_back();
    list.name = full_name(name);
    list.group = groups_.back().name;
    list.doc = doc;
    list.key = key;
    return list;
}

Entry& Table::append(std::string_view name, Target target, Default initial) {
    require(!groups_.empty(), name, "it stands before the first group");
    Entry& entry = entries_.emplace_back();
    entry.name = full_name(name);
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

const List* Table::find_list(std::string_view name) const noexcept {
    const auto found = std::ranges::find(lists_, name, &List::name);
    return found == lists_.end() ? nullptr : &*found;
}

const List* Table::list_around(std::string_view name) const noexcept {
    const auto found = std::ranges::find_if(lists_, [&](const List& list) {
        if (!name.starts_with(list.name)) return false;
        const std::string_view rest = name.substr(list.name.size());
        return rest.empty() || rest.starts_with('.') || rest.starts_with('[');
    });
    return found == lists_.end() ? nullptr : &*found;
}

std::string Table::nearest(std::string_view name) const {
    name = own_name(*this, name);
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
    for (const List& list : lists_) {
        consider(own_name(*this, list.name), list.name);
        if (list.name != list.group) consider(std::string_view(list.name).substr(list.group.size() + 1), list.name);
    }
    for (const Entry& entry : entries_) {
        consider(own_name(*this, entry.name), entry.name);
        // Somebody who forgot the group is nearer to the last word of the name.
        consider(std::string_view(entry.name).substr(entry.group.size() + 1), entry.name);
        if (!element_.empty()) consider(std::string_view(entry.name).substr(entry.name.rfind('.') + 1), entry.name);
        if (!entry.flag.empty()) consider(entry.flag, entry.name);
    }
    return best;
}

void Table::check_list(const List& list) const {
    require(is_well_formed(own_name(*this, list.name)), list.name, "a name is lower case letters, digits, `_` and `.`");
    require(list.name == list.group || list.name.starts_with(list.group + "."), list.name,
            "it does not begin with its group");
    require(!list.doc.empty() && list.doc.find('\n') == std::string::npos, list.name, "it needs one line of doc");
    for (const Entry& entry : entries_)
        require(list_around(entry.name) == nullptr, entry.name, "it lies within a list");
    const Table element = list.pattern();
    element.check();
    if (list.key.empty()) return;
    const Entry* key = element.find(element.full_name(list.key));
    require(key != nullptr && std::holds_alternative<std::string*>(key->target), list.name,
            "its key is no text setting of its element");
}

void Table::check() const {
    std::set<std::string> names, variables, flags;
    for (const List& list : lists_) {
        check_list(list);
        require(names.insert(list.name).second, list.name, "the name is taken");
        require(variables.insert(environment_name(list.name)).second, list.name, "its environment name is taken");
    }
    for (const Entry& entry : entries_) {
        check_entry(*this, entry);
        require(element_.empty() || (entry.aliases.empty() && entry.env_aliases.empty() && entry.flag.empty()),
                entry.name, "an element's setting has one name and comes from the file only");
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
