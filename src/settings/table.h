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
//         t.add("server.address", s.address, "127.0.0.1").doc("Address to listen
//         on.").env_aliases({"APT_HOST"}); t.add("server.port", s.port, 8000).range(0, 65535).doc("TCP port;
//         0 lets the kernel choose.").flag("port"); t.add("server.idle_max_s", s.idle_max, 60s).range(1s,
//         1h).doc("Keep-alive without a request.");
//     }
#pragma once

#include <cstdint>
#include <deque>
#include <initializer_list>
#include <string>
#include <string_view>
#include <type_traits>
#include <variant>
#include <vector>

#include "base/clock.h"
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
    std::string name;   // `server.idle_max_s`
    std::string group;  // `server`
    Target target;
    Default initial;
    Bound minimum, maximum;
    bool is_bytes = false;             // An unsigned number that may be spelled `64KiB`.
    std::vector<std::string> choices;  // Allowed texts; empty: any.
    std::string unit;                  // Shown beside the value: `s`, `bytes`, `requests/s`; may be empty.
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

class Table {
  public:
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

    const std::vector<Group>& groups() const noexcept { return groups_; }
    const std::deque<Entry>& entries() const noexcept { return entries_; }
    /// By name or alias; null when there is none.
    const Entry* find(std::string_view name) const noexcept;
    /// By short flag; null when there is none.
    const Entry* find_flag(std::string_view flag) const noexcept;
    /// The known setting name or short flag closest to a misspelled one; empty when none is close.
    std::string nearest(std::string_view name) const;
    /// Ends the process when the declarations contradict one another; load() calls it.
    void check() const;

  private:
    Entry& append(std::string_view name, Target target, Default initial);

    std::vector<Group> groups_;
    std::deque<Entry> entries_;  // A deque: addresses stay while more are added.
};

/// `server.idle_max_s` -> `TIDEGATE_SERVER_IDLE_MAX_S`.
std::string environment_name(std::string_view name);

}  // namespace tidegate::settings
