#include <fmt/core.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>

#include "settings/raw.h"

namespace tidegate::settings {
namespace {

// Settings have two levels; more than this is a mistake or an anchor that contains itself.
constexpr int kDepthMax = 8;
// Far above any table; stops an anchor that multiplies (`*a` in `*b` in `*c` ...).
constexpr std::size_t kValuesMax = 10'000;

class Walk {
  public:
    Walk(const Table& table, const std::string& path, Reading& reading)
        : table_(table), path_(path), reading_(reading) {}

    void map(const YAML::Node& node, const std::string& prefix, int depth) {
        if (depth > kDepthMax) return fault(node, prefix + " is nested too deeply");
        for (const auto& member : node) {
            if (reading_.found.size() + reading_.faults.size() >= kValuesMax) return;
            if (!member.first.IsScalar()) {
                fault(member.first, "a key must be a plain name");
                continue;
            }
            const std::string name = prefix.empty() ? member.first.Scalar() : prefix + "." + member.first.Scalar();
            value(member.first, member.second, name, depth);
        }
    }

    void fault(const YAML::Node& at, const std::string& what) { reading_.faults.push_back(place(at) + ": " + what); }

  private:
    std::string place(const YAML::Node& node) const { return fmt::format("{}:{}", path_, node.Mark().line + 1); }

    void value(const YAML::Node& key, const YAML::Node& node, const std::string& name, int depth) {
        const Entry* entry = table_.find(name);
        // A group whose lines are all commented out is no mistake; an empty group of an unknown name is.
        if (entry == nullptr && is_group(name) && (node.IsNull() || (node.IsMap() && node.size() == 0))) return;
        if (node.IsMap() && node.size() > 0 && entry == nullptr) return map(node, name, depth + 1);
        if (entry == nullptr) return fault(key, unknown_message(table_, name));
        if (node.IsMap()) return fault(key, name + " takes a value, not a group");
        if (node.IsNull()) return fault(key, name + " has no value");
        Raw raw{
            .name = name, .value = {}, .items = {}, .is_list = node.IsSequence(), .source = place(key), .entry = entry};
        if (raw.is_list) {
            for (const auto& item : node) {
                if (!item.IsScalar()) return fault(item, name + " takes a list of plain values");
                raw.items.push_back(item.Scalar());
            }
        } else {
            raw.value = node.Scalar();
        }
        reading_.found.push_back(std::move(raw));
    }

    bool is_group(const std::string& name) const {
        return std::ranges::any_of(table_.entries(),
                                   [&](const Entry& entry) { return entry.name.starts_with(name + "."); });
    }

    const Table& table_;
    const std::string& path_;
    Reading& reading_;
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
            Walk(table, path, reading).map(documents[0], "", 1);
        } else if (documents.size() == 1 && !documents[0].IsNull()) {
            reading.faults.push_back(path + ":1: the file must be a map of settings");
        }
    } catch (const YAML::Exception& error) {
        reading.found.clear();
        reading.faults.push_back(fmt::format("{}:{}: not YAML: {}", path, error.mark.line + 1, error.msg));
    }
    return reading;
}

}  // namespace tidegate::settings
