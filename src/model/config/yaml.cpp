// Reads one YAML document into the tree.
#include <fmt/core.h>
#include <yaml-cpp/yaml.h>

#include "base/utf8.h"
#include "model/config/tree.h"

namespace tidegate::model::config {
namespace {

class YamlWalk {
  public:
    explicit YamlWalk(std::string_view where) : where_(where) {}

    Result<Node> node(const YAML::Node& from, int depth) {
        // An anchor may name what holds it, and multiply what it names: both end here.
        if (depth > kDepthMax) return fault(from, fmt::format("more than {} levels", kDepthMax));
        if (++nodes_ > kNodesMax) return fault(from, fmt::format("more than {} values", kNodesMax));
        Node to;
        to.line = from.Mark().line + 1;
        if (from.IsMap()) {
            to.kind = Node::Kind::kMap;
            TG_CHECK(map(from, to, depth));
        } else if (from.IsSequence()) {
            to.kind = Node::Kind::kList;
            for (const auto& item : from) {
                TG_TRY(Node child, node(item, depth + 1));
                to.items.push_back(std::move(child));
            }
        } else if (from.IsScalar()) {
            to.text = from.Scalar();
            if (!utf8::is_valid(to.text)) return fault(from, "a value is not UTF-8");
        } else {
            return fault(from, "a value is missing");
        }
        return to;
    }

  private:
    Result<void> map(const YAML::Node& from, Node& to, int depth) {
        for (const auto& member : from) {
            if (!member.first.IsScalar() || !utf8::is_valid(member.first.Scalar())) {
                return fault(member.first, "a key must be a plain name");
            }
            const std::string& name = member.first.Scalar();
            if (to.members.size() >= kMembersMax) return fault(member.first, "the map has too many members");
            // yaml-cpp keeps both of two equal keys.
            for (const Member& earlier : to.members) {
                if (earlier.name == name) return fault(member.first, fmt::format("`{}` is given twice", name));
            }
            TG_TRY(Node child, node(member.second, depth + 1));
            child.line = member.first.Mark().line + 1;
            to.members.push_back({name, std::move(child)});
        }
        return {};
    }

    std::unexpected<Error> fault(const YAML::Node& at, std::string_view what) const {
        return fail(ErrorCode::kInvalidArgument, fmt::format("{}:{}: {}", where_, at.Mark().line + 1, what));
    }

    std::string_view where_;
    std::size_t nodes_ = 0;
};

}  // namespace

Result<Node> parse_yaml(std::string_view text, std::string_view where) {
    // yaml-cpp reports by exception; none leaves this function.
    try {
        const std::vector<YAML::Node> documents = YAML::LoadAll(std::string(text));
        if (documents.size() > 1) {
            return fail(ErrorCode::kInvalidArgument, fmt::format("{}: holds more than one YAML document", where));
        }
        // A file of comments says nothing, which is allowed.
        if (documents.empty() || documents[0].IsNull()) {
            Node nothing;
            nothing.kind = Node::Kind::kMap;
            return nothing;
        }
        if (!documents[0].IsMap()) {
            return fail(ErrorCode::kInvalidArgument, fmt::format("{}:1: the file must be a map", where));
        }
        return YamlWalk(where).node(documents[0], 1);
    } catch (const YAML::Exception& error) {
        return fail(ErrorCode::kInvalidArgument,
                    fmt::format("{}:{}: not YAML: {}", where, error.mark.line + 1, error.msg));
    }
}

}  // namespace tidegate::model::config
