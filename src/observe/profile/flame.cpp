#include "observe/profile/flame.h"

#include <map>
#include <memory>
#include <ranges>

#include "base/clock.h"
#include "base/json_writer.h"

namespace tidegate::profile {
namespace {

struct Node {
    std::int64_t self = 0;
    std::int64_t total = 0;
    std::map<std::string, std::unique_ptr<Node>, std::less<>> children;

    Node& child(const std::string& name) {
        std::unique_ptr<Node>& found = children[name];
        if (!found) found = std::make_unique<Node>();
        return *found;
    }
};

/// As deep as a stack: kFramesMax and two.
void write(JsonWriter& writer, const std::string& name, const Node& node) {
    writer.begin_object().field("name", name).field("self", node.self).field("total", node.total);
    if (!node.children.empty()) {
        writer.key("children").begin_array();
        for (const auto& [child, below] : node.children) write(writer, child, *below);
        writer.end_array();
    }
    writer.end_object();
}

}  // namespace

std::string to_flame(const Profile& profile, std::size_t type, Symbols& symbols) {
    Node root;
    for (const Sample& sample : profile.samples) {
        const std::int64_t value = sample.values[type];
        Node* at = &root;
        at->total += value;
        if (!sample.thread.empty()) {
            at = &at->child(sample.thread);
            at->total += value;
        }
        for (const std::uintptr_t address : std::views::reverse(sample.stack)) {
            at = &at->child(symbols.find(address).name);
            at->total += value;
        }
        at->self += value;
    }
    std::string out;
    JsonWriter writer(out);
    writer.begin_object().field("type", profile.types[type].type).field("unit", profile.types[type].unit);
    writer.field("taken_at", format_rfc3339(profile.taken_at));
    writer.field("seconds", std::chrono::duration<double>(profile.duration).count());
    writer.field("period", profile.period);
    writer.field("dropped", profile.dropped).field("threads_missed", profile.missed);
    writer.key("root");
    write(writer, "all", root);
    writer.end_object();
    return out;
}

}  // namespace tidegate::profile
