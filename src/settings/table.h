// Table: every setting of the program, declared once; parser, flags, environment and reference come from it.
//
// Position    app/ makes one Table, each room adds its settings to it with a `declare(Table&, RoomSettings&)` function,
//             and load() (settings/load.h) writes the values into the rooms' structs.
// Guarantee   A setting bound to a variable is written by load(): with its default or with what a source says. A name
//             declared twice, a default out of its own range or a missing doc line ends the process at start.
// Threads     Built and loaded before the first thread starts.
//
//     struct ServerSettings { std::string address; std::uint16_t port = 0; Duration idle_max{}; };
//     inline void declare(settings::Table& t, ServerSettings& s) {
//         t.group("server", "The listener");
//         t.add("server.address", s.address, "127.0.0.1").doc("Address to listen on.").env_aliases({"APT_HOST"});
//         t.add("server.port", s.port, 8000).range(0, 65535).doc("TCP port; 0: any free one.").flag("port");
//         t.add("server.idle_max_s", s.idle_max, 60s).range(1s, 1h).doc("Keep-alive without a request.");
//     }
//
// Lists       A list of groups binds a vector of structs; each element has the settings that its own function declares,
//             with names relative to the element. It comes from the file only. A list stands in a group, by a dotted
//             name, or by itself (`upstreams`); an element may hold lists in turn, two levels in all.
//
//     struct Target { std::string url; std::uint32_t weight = 1; };
//     struct Upstream { std::string name; Duration connect_max{}; std::vector<Target> targets; };
//     inline void declare_target(settings::Table& t, Target& target) {
//         t.add("url", target.url, "").required().check(check_url).doc("Where to.");
//         t.add("weight", target.weight, 1).range(1, 1000).doc("Share of the requests.");
//     }
//     inline void declare_upstream(settings::Table& t, Upstream& u) {
//         t.add("name", u.name, "").doc("Name by which routes call it.");
//         t.add("timeout.connect_ms", u.connect_max, 1s).range(1ms, 1min).doc("Longest wait for a connection.");
//         t.list("targets", u.targets, declare_target, "The servers of the pool.");
//     }
//     inline void declare(settings::Table& t, ProxySettings& s) {
//         t.list("upstreams", s.upstreams, declare_upstream, "Pools of servers behind this one.", "name");
//     }
//
//     upstreams:                            # the same, as `name` is the key of the list:
//       - name: app                         #   upstreams:
//         timeout: {connect_ms: 250}        #     app:
//         targets: [{url: "http://a:1"}]    #       timeout: {connect_ms: 250}
//                                           #       targets: [{url: "http://a:1"}]
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <variant>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "settings/secret.h"

namespace tidegate::settings {

/// Where a setting's value goes. The pointed-to variable outlives load().
using Target = std::variant<bool*, std::int32_t*, std::int64_t*, std::uint16_t*, std::uint32_t*, std::uint64_t*,
                            double*, std::string*, std::vector<std::string>*, Duration*, Secret*>;
/// A limit of a range: signed, unsigned, real, or time; monostate where the setting has no range.
using Bound = std::variant<std::monostate, std::int64_t, std::uint64_t, double, Duration>;
/// A default. For a secret always monostate: no secret has one.
using Default = std::variant<std::monostate, bool, std::int64_t, std::uint64_t, double, std::string,
                             std::vector<std::string>, Duration>;

/// One declaration, type erased. Filled by Table::add and Declared; read by the loader and the renderers.
struct Entry {
    std::string name;   // `server.idle_max_s`; in an element of a list `routes[2].path`
    std::string group;  // `server`; in an element of a list `routes[2]`
    Target target;
    Default initial;
    Bound minimum, maximum;
    bool is_bytes = false;                              // An unsigned number that may be spelled `64KiB`.
    std::vector<std::string> choices;                   // Allowed texts; empty: any.
    Result<void> (*check)(std::string_view) = nullptr;  // Of a text, or of each text of a list; may be null.
    std::string form;          // What `check` lets pass, in a few words: `COUNT/PERIOD`; may be empty.
    bool is_required = false;  // In an element of a list: there is no default.
    std::string unit;          // Shown beside the value: `s`, `bytes`, `requests/s`; may be empty.
    std::string doc;
    std::vector<std::string> aliases;      // Other names in the file and as flags.
    std::vector<std::string> env_aliases;  // Other environment variables.
    std::string flag;                      // Short flag without dashes; may be empty.

    bool is_secret() const noexcept { return std::holds_alternative<Secret*>(target); }
    bool is_bool() const noexcept { return std::holds_alternative<bool*>(target); }
    bool is_list() const noexcept { return std::holds_alternative<std::vector<std::string>*>(target); }
};

namespace detail {

template <class T>
Bound to_bound(T value) {
    if constexpr (std::is_same_v<T, Duration> || std::is_same_v<T, double>) {
        return value;
    } else if constexpr (std::is_unsigned_v<T>) {
        return static_cast<std::uint64_t>(value);
    } else {
        return static_cast<std::int64_t>(value);
    }
}

template <class T>
Default to_default(T value) {
    if constexpr (std::is_integral_v<T> && !std::is_same_v<T, bool>) {
        if constexpr (std::is_unsigned_v<T>) {
            return static_cast<std::uint64_t>(value);
        } else {
            return static_cast<std::int64_t>(value);
        }
    } else {
        return value;
    }
}

template <class T>
inline constexpr bool kHasRange = std::is_same_v<T, Duration> || (std::is_arithmetic_v<T> && !std::is_same_v<T, bool>);

}  // namespace detail

/// The fluent half of a declaration; lives for one statement.
template <class T>
class Declared {
  public:
    explicit Declared(Entry& entry) : entry_(&entry) {}

    /// Both ends belong to the range. Every number and duration needs one.
    Declared& range(std::type_identity_t<T> minimum, std::type_identity_t<T> maximum)
        requires detail::kHasRange<T>
    {
        entry_->minimum = detail::to_bound<T>(minimum);
        entry_->maximum = detail::to_bound<T>(maximum);
        return *this;
    }
    /// Allows `64KiB`, `10MB` or a plain number of bytes.
    Declared& bytes()
        requires std::is_unsigned_v<T>
    {
        entry_->is_bytes = true;
        entry_->unit = "bytes";
        return *this;
    }
    /// The texts allowed, in the order to show them.
    Declared& choices(std::initializer_list<std::string_view> allowed)
        requires std::is_same_v<T, std::string>
    {
        entry_->choices.assign(allowed.begin(), allowed.end());
        return *this;
    }
    /// Judges the text (each text of a list) when it is read; what it says is reported with the setting and its line.
    /// `form` says in a few words, for the reference, what passes.
    Declared& check(Result<void> (*judge)(std::string_view), std::string_view form = "")
        requires std::is_same_v<T, std::string> || std::is_same_v<T, std::vector<std::string>>
    {
        entry_->check = judge;
        entry_->form = form;
        return *this;
    }
    /// Only in an element of a list: an element that leaves it out stops the start.
    Declared& required() {
        entry_->is_required = true;
        return *this;
    }
    Declared& unit(std::string_view unit) {
        entry_->unit = unit;
        return *this;
    }
    /// One line, required.
    Declared& doc(std::string_view line) {
        entry_->doc = line;
        return *this;
    }
    /// Other names in the file and as flags, such as a former name.
    Declared& aliases(std::initializer_list<std::string_view> names) {
        entry_->aliases.assign(names.begin(), names.end());
        return *this;
    }
    /// Environment variables of other systems: `APT_HOST`. A plain number takes the unit that the variable's
    /// own name ends in (`_SECONDS`, `_MS`), else this setting's.
    Declared& env_aliases(std::initializer_list<std::string_view> names) {
        entry_->env_aliases.assign(names.begin(), names.end());
        return *this;
    }
    /// A short flag: `port` for `--port`.
    Declared& flag(std::string_view name) {
        entry_->flag = name;
        return *this;
    }

  private:
    Entry* entry_;
};

struct Group {
    std::string name;   // `server`
    std::string title;  // One line for the reference.
};

class Table;

/// A list of groups, type erased. Filled by Table::list; read by the loader and the renderers.
struct List {
    std::string name;   // `upstreams`, `limits.rules`; within an element `upstreams[0].targets`
    std::string group;  // `upstreams`, `limits`, `upstreams[0]`
    std::string doc;
    std::string key;  // The setting that a map's member names become; empty: only a sequence is taken.
    /// Empties the target, makes `count` elements and declares each. The tables are good until the target changes.
    std::function<std::vector<Table>(std::size_t count)> make;
    /// The declarations of an element that stands nowhere, `upstreams[N]`, good as long as this List.
    std::function<Table()> pattern;
};

class Table {
  public:
    Table() = default;

    /// Opens a group; the names added after it begin with `NAME.`.
    void group(std::string_view name, std::string_view title);

    /// Binds `name` (lower case, dots between levels) to `target`. A duration's name ends in its unit: `_ms`
    /// or `_s`.
    template <class T>
        requires std::is_constructible_v<Target, T*> && (!std::is_same_v<T, Secret>)
    Declared<T> add(std::string_view name, T& target, std::type_identity_t<T> initial) {
        return Declared<T>(
            append(name, Target(std::in_place_type<T*>, &target), detail::to_default<T>(std::move(initial))));
    }
    /// A secret has no default. Its value may be `file:/path`; then the file's content counts, less a last
    /// newline.
    Declared<Secret> add(std::string_view name, Secret& target) {
        return Declared<Secret>(append(name, Target(&target), std::monostate{}));
    }

    /// Binds the list `name` to `target`, see the top. `key`: a text setting of the element that is required and different
    /// in each; the file may then give a map by it. T is default-made, then written by its declarations.
    template <class T>
    void list(std::string_view name, std::vector<T>& target,
              void (*declare_element)(Table& element, std::type_identity_t<T>& value), std::string_view doc,
              std::string_view key = "") {
        List& list = append_list(name, doc, key);
        const auto element = [full = list.name, level = level_ + 1](const std::string& index) {
            return Table(full + "[" + index + "]", level);
        };
        list.make = [&target, declare_element, element](std::size_t count) {
            target.clear();
            target.resize(count);  // Whole, before the first is bound: the elements stay where they are.
            std::vector<Table> tables;
            tables.reserve(count);
            for (std::size_t i = 0; i < count; ++i) {
                declare_element(tables.emplace_back(element(std::to_string(i))), target[i]);
            }
            return tables;
        };
        list.pattern = [sample = std::make_shared<T>(), declare_element, element] {
            Table table = element("N");
            declare_element(table, *sample);
            return table;
        };
    }

    /// Empty, except in the table of an element: `routes[2]`.
    const std::string& element() const noexcept { return element_; }
    const std::vector<Group>& groups() const noexcept { return groups_; }
    const std::deque<Entry>& entries() const noexcept { return entries_; }
    /// By name or alias; null when there is none.
    const Entry* find(std::string_view name) const noexcept;
    /// By short flag; null when there is none.
    const Entry* find_flag(std::string_view flag) const noexcept;
    const std::deque<List>& lists() const noexcept { return lists_; }
    /// By name; null when there is none.
    const List* find_list(std::string_view name) const noexcept;
    /// The list that `name` is or lies within (`routes`, `routes[2].path`, `routes.2`); null when there is none.
    const List* list_around(std::string_view name) const noexcept;
    /// The known setting name, list or short flag closest to a misspelled one; empty when none is close.
    std::string nearest(std::string_view name) const;
    /// Ends the process when the declarations contradict one another; load() calls it.
    void check() const;

  private:
    Table(std::string element, int level);
    std::string full_name(std::string_view name) const;
    Entry& append(std::string_view name, Target target, Default initial);
    List& append_list(std::string_view name, std::string_view doc, std::string_view key);
    void check_list(const List& list) const;

    std::string element_;
    int level_ = 0;  // Lists around this table.
    std::vector<Group> groups_;
    std::deque<Entry> entries_;  // A deque: addresses stay while more are added, and when the table is moved.
    std::deque<List> lists_;
};

/// `server.idle_max_s` -> `TIDEGATE_SERVER_IDLE_MAX_S`.
std::string environment_name(std::string_view name);

}  // namespace tidegate::settings
