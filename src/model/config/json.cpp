// Reads a JSON object into the tree: the inline config of a load request.
#include <fmt/core.h>

#include "base/json.h"
#include "model/config/tree.h"

namespace tidegate::model::config {
namespace {

class JsonWalk {
  public:
    explicit JsonWalk(std::string_view where) : where_(where) {}

    Result<Node> node(json::Value from) {
        if (++nodes_ > kNodesMax) return fault(fmt::format("more than {} values", kNodesMax));
        Node to;
        switch (from.kind()) {
            case json::Kind::kObject:
                to.kind = Node::Kind::kMap;
                return map(from, std::move(to));
            case json::Kind::kArray:
                to.kind = Node::Kind::kList;
                return list(from, std::move(to));
            case json::Kind::kString:
                to.text = from.as_string();
                return to;
            case json::Kind::kNull:
                return fault("a value is null");
            default:
                break;
        }
        to.style = Node::Style::kWord;
        json::append(to.text, from);
        return to;
    }

  private:
    Result<Node> map(json::Value from, Node to) {
        Result<void> outcome;
        from.each_member([&](std::string_view name, json::Value member) {
            if (!outcome) return;
            if (to.members.size() >= kMembersMax) outcome = fault("an object has too many members");
            for (const Member& earlier : to.members) {
                if (earlier.name == name) outcome = fault(fmt::format("`{}` is given twice", name));
            }
            if (!outcome) return;
            auto child = node(member);
            if (child) {
                to.members.push_back({std::string(name), std::move(*child)});
            } else {
                outcome = std::unexpected(child.error());
            }
        });
        TG_CHECK(outcome);
        return to;
    }

    Result<Node> list(json::Value from, Node to) {
        Result<void> outcome;
        from.each([&](json::Value item) {
            if (!outcome) return;
            auto child = node(item);
            if (child) {
                to.items.push_back(std::move(*child));
            } else {
                outcome = std::unexpected(child.error());
            }
        });
        TG_CHECK(outcome);
        return to;
    }

    std::unexpected<Error> fault(std::string_view what) const {
        return fail(ErrorCode::kInvalidArgument, fmt::format("{}: {}", where_, what));
    }

    std::string_view where_;
    std::size_t nodes_ = 0;
};

}  // namespace

Result<Node> parse_json(std::string_view text, std::string_view where) {
    const auto document = json::parse(text, {.depth_max = kDepthMax});
    if (!document) {
        return fail(ErrorCode::kInvalidArgument, fmt::format("{}: {}", where, document.error().message));
    }
    if (document->root().kind() != json::Kind::kObject) {
        return fail(ErrorCode::kInvalidArgument, fmt::format("{}: must be an object", where));
    }
    return JsonWalk(where).node(document->root());
}

}  // namespace tidegate::model::config
