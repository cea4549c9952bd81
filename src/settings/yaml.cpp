#include <fmt/core.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>

#include "settings/raw.h"

namespace tidegate::settings {
namespace {

// Settings have two levels, those of an element as many; more than this is a mistake or an anchor that contains itself.
constexpr int kDepthMax = 8;
// Far above any table; stops an anchor that multiplies (`*a` in `*b` in `*c` ...).
constexpr std::size_t kValuesMax = 10'000;

// As kValuesMax; an element costs its struct and its table, also when the file says nothing in it.
constexpr std::size_t kElementsMax = 10'000;

/// What is read so far, over all elements of all lists.
struct Progress {
    const std::string& path;
    Reading& reading;
    std::size_t elements = 0;
    bool full = false;

    std::string place(const YAML::Node& node) const { return fmt::format("{}:{}", path, node.Mark().line + 1); }
    void fault(const YAML::Node& at, const std::string& what) { reading.faults.push_back(place(at) + ": " + what); }
    /// False, once with a fault, when the file holds more than any table could mean.
    bool has_room(const YAML::Node& at, std::size_t elements_more) {
        if (full) return false;
        full = reading.found.size() + reading.faults.size() >= kValuesMax || elements + elements_more > kElementsMax;
        if (full) fault(at, fmt::format("the file holds more than {} values or list elements", kValuesMax));
        return !full;
    }
};

/// Reads the settings of one table: the whole file's, or those of an element of a list.
class Walk {
  public:
    Walk(const Table& table, Progress& progress) : table_(table), progress_(progress) {}

    void map(const YAML::Node& node, const std::string& prefix, int depth) {
        if (depth > kDepthMax) return progress_.fault(node, prefix + " is nested too deeply");
        for (const auto& member : node) {
            if (!progress_.has_room(member.first, 0)) return;
            if (!member.first.IsScalar()) {
                progress_.fault(member.first, "a key must be a plain name");
                continue;
            }
            const std::string name = prefix.empty() ? member.first.Scalar() : prefix + "." + member.first.Scalar();
            if (const List* list = table_.find_list(name)) {
                groups(*list, member.first, member.second);
            } else {
                value(member.first, member.second, name, depth);
            }
        }
    }

  private:
    void value(const YAML::Node& key, const YAML::Node& node, const std::string& name, int depth) {
        const Entry* entry = table_.find(name);
        // A group whose lines are all commented out is no mistake; an empty group of an unknown name is.
        if (entry == nullptr && is_group(name) && (node.IsNull() || (node.IsMap() && node.size() == 0))) return;
        // In a misspelled list every line would be unknown: one message, at its name.
        const bool is_near_list = entry == nullptr && table_.find_list(table_.nearest(name)) != nullptr;
        if (node.IsMap() && node.size() > 0 && entry == nullptr && (is_group(name) || !is_near_list)) {
            return map(node, name, depth + 1);
        }
        if (entry == nullptr) return progress_.fault(key, unknown_message(table_, name));
        if (node.IsMap()) return progress_.fault(key, name + " takes a value, not a group");
        if (node.IsNull()) return progress_.fault(key, name + " has no value");
        Raw raw{.name = name,
                .value = {},
                .items = {},
                .is_list = node.IsSequence(),
                .source = progress_.place(key),
                .entry = entry};
        if (raw.is_list) {
            for (const auto& item : node) {
                if (!item.IsScalar()) return progress_.fault(item, name + " takes a list of plain values");
                raw.items.push_back(item.Scalar());
            }
        } else {
            raw.value = node.Scalar();
        }
        progress_.reading.found.push_back(std::move(raw));
    }

    void groups(const List& list, const YAML::Node& key, const YAML::Node& node) {
        auto& lists = progress_.reading.lists;
        const auto first = std::ranges::find(lists, &list, &RawList::list);
        if (first != lists.end()) {
            const std::string other = first->source;
            return progress_.fault(key, fmt::format("{} is set twice; it is set already at {}", list.name, other));
        }
        const bool by_key = node.IsMap() && !list.key.empty();
        if (!node.IsSequence() && !by_key && !node.IsNull()) {
            const std::string or_map = list.key.empty() ? "" : fmt::format(", or a map by `{}`", list.key);
            return progress_.fault(key, fmt::format("{} takes a list of groups{}", list.name, or_map));
        }
        const std::size_t count = node.IsNull() ? 0 : node.size();
        if (!progress_.has_room(key, count)) return;
        progress_.elements += count;
        RawList& raw = lists.emplace_back(&list, progress_.place(key), list.make(count), std::vector<std::string>());
        std::size_t index = 0;
        for (const auto& item : node) {
            const Table& element = raw.elements[index++];
            for (const List& inner : element.lists()) inner.make(0);
            raw.element_sources.push_back(progress_.place(by_key ? item.first : static_cast<const YAML::Node&>(item)));
            if (by_key) take_key(element, list, item.first);
            const YAML::Node& content = by_key ? item.second : static_cast<const YAML::Node&>(item);
            if (content.IsMap()) {
                Walk(element, progress_).map(content, element.element(), 1);
            } else if (!by_key || !content.IsNull()) {
                progress_.fault(by_key ? item.first : content, element.element() + " takes a group of settings");
            }
        }
    }

    // `app:` of `upstreams: {app: {...}}` is the setting `name` of that element.
    void take_key(const Table& element, const List& list, const YAML::Node& key) {
        if (!key.IsScalar()) return progress_.fault(key, "a key must be a plain name");
        const std::string name = element.element() + "." + list.key;
        progress_.reading.found.push_back({.name = name,
                                           .value = key.Scalar(),
                                           .items = {},
                                           .is_list = false,
                                           .source = progress_.place(key),
                                           .entry = element.find(name)});
    }

    bool is_group(const std::string& name) const {
        const auto within = [&](const auto& declared) { return declared.name.starts_with(name + "."); };
        return std::ranges::any_of(table_.entries(), within) || std::ranges::any_of(table_.lists(), within);
    }

    const Table& table_;
    Progress& progress_;
};

}  // namespace

Reading read_yaml(const Table& table, const std::string& path, const std::string& text) {
    Reading reading;
    // yaml-cpp reports by exception; none leaves this function.
    try {
        const std::vector<YAML::Node> documents = YAML::LoadAll(text);
        if (documents.size() > 1) {
            reading.faults.push_back(path + ": holds more than one YAML document");
        } else if (documents.size() == 1 && documents[0].IsMap()) {
            Progress progress{.path = path, .reading = reading};
            Walk(table, progress).map(documents[0], "", 1);
        } else if (documents.size() == 1 && !documents[0].IsNull()) {
            reading.faults.push_back(path + ":1: the file must be a map of settings");
        }
    } catch (const YAML::Exception& error) {
        reading.found.clear();
        reading.lists.clear();
        reading.faults.push_back(fmt::format("{}:{}: not YAML: {}", path, error.mark.line + 1, error.msg));
    }
    return reading;
}

}  // namespace tidegate::settings
