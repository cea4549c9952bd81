#include "http/router.h"

#include <algorithm>
#include <optional>

#include "base/strings.h"

namespace tidegate::http {
namespace {

constexpr std::size_t kMethods = 8;

std::size_t index_of(Method method) noexcept {
    return static_cast<std::size_t>(method);
}

std::unexpected<Error> declared_twice(std::string_view pattern) {
    return fail(ErrorCode::kInvalidArgument, "route '" + std::string(pattern) + "': declared twice for this method");
}

}  // namespace

struct Router::Node {
    std::vector<std::pair<std::string, std::unique_ptr<Node>>> literals;  // Sorted by segment.
    std::vector<std::pair<std::string, std::unique_ptr<Node>>> worded;    // By `:word` behind the parameter.
    std::unique_ptr<Node> parameter;
    std::unique_ptr<Node> rest;
    std::array<std::optional<RouteId>, kMethods> routes;
    std::optional<RouteId> any;      // Where `routes` has none.
    bool ends = false;               // There is a route.
    std::vector<std::string> names;  // Of the parameters on the way here.
    std::string allow;

    bool ends_here() const noexcept { return ends; }

    const Node* literal(std::string_view segment) const noexcept {
        const auto found = std::ranges::lower_bound(literals, segment, {},
                                                    [](const auto& child) -> std::string_view { return child.first; });
        return found != literals.end() && found->first == segment ? found->second.get() : nullptr;
    }

    Node& make_literal(std::string_view segment) {
        const auto place = std::ranges::lower_bound(literals, segment, {},
                                                    [](const auto& child) -> std::string_view { return child.first; });
        if (place != literals.end() && place->first == segment) return *place->second;
        return *literals.emplace(place, std::string(segment), std::make_unique<Node>())->second;
    }

    Node& make_worded(std::string_view word) {
        const auto found =
            std::ranges::find(worded, word, [](const auto& child) -> std::string_view { return child.first; });
        if (found != worded.end()) return *found->second;
        return *worded.emplace_back(std::string(word), std::make_unique<Node>()).second;
    }

    void render_allow() {
        allow.clear();
        const bool head = routes[index_of(Method::kGet)] || routes[index_of(Method::kHead)];
        for (std::size_t i = 0; i < kMethods; ++i) {
            const auto method = static_cast<Method>(i);
            if (method == Method::kOther || (method == Method::kHead ? !head : !routes[i])) continue;
            if (!allow.empty()) allow += ", ";
            allow += to_string(method);
        }
    }
};

Router::Router() : root_(std::make_unique<Node>()) {}
Router::~Router() = default;
Router::Router(Router&&) noexcept = default;
Router& Router::operator=(Router&&) noexcept = default;

std::string_view RouteParameters::get(std::string_view name) const noexcept {
    for (const Parameter& parameter : *this) {
        if (parameter.name == name) return parameter.value;
    }
    return {};
}

/// The node where `pattern` ends, made where it is not there yet.
Result<Router::Node*> Router::make_node(std::string_view pattern) {
    const auto refuse = [&](std::string_view why) {
        return fail(ErrorCode::kInvalidArgument, "route '" + std::string(pattern) + "': " + std::string(why));
    };
    if (!pattern.starts_with('/')) return refuse("must start with a slash");
    Node* node = root_.get();
    std::vector<std::string> names;
    const std::vector<std::string_view> segments = split(pattern.substr(1), '/');
    for (std::size_t i = 0; i < segments.size(); ++i) {
        std::string_view segment = segments[i];
        if (!segment.starts_with('{')) {
            if (segment.find_first_of("{}") != std::string_view::npos) return refuse("a brace inside a segment");
            node = &node->make_literal(segment);
            continue;
        }
        const std::size_t close = segment.find('}');
        const std::string_view word = close == std::string_view::npos ? segment : segment.substr(close + 1);
        if (!word.empty() && (word.size() < 2 || word.front() != ':' || word.find_first_of("{}") != word.npos)) {
            return refuse("a parameter must fill its segment, but for `:word` behind it");
        }
        segment = segment.substr(1, close - 1);
        const bool rest = segment.ends_with("...");
        if (rest) segment.remove_suffix(3);
        if (segment.empty() || segment.find_first_of("{}.") != std::string_view::npos)
            return refuse("a malformed parameter");
        if (rest && (i + 1 != segments.size() || !word.empty())) return refuse("{...} must be last");
        if (std::ranges::find(names, segment) != names.end()) return refuse("the same parameter twice");
        names.emplace_back(segment);
        if (names.size() > RouteParameters::kMax) return refuse("too many parameters");
        if (!word.empty()) {
            node = &node->make_worded(word);
            continue;
        }
        auto& child = rest ? node->rest : node->parameter;
        if (!child) child = std::make_unique<Node>();
        node = child.get();
    }
    if (node->ends_here() && node->names != names) return refuse("parameters of other names on the same path");
    node->names = std::move(names);
    return node;
}

Result<void> Router::add(Method method, std::string_view pattern, RouteId route) {
    TG_TRY(Node* const node, make_node(pattern));
    auto& place = node->routes[index_of(method)];
    if (place) return declared_twice(pattern);
    place = route;
    node->ends = true;
    node->render_allow();
    return {};
}

Result<void> Router::add_any(std::string_view pattern, RouteId route) {
    TG_TRY(Node* const node, make_node(pattern));
    if (node->any) return declared_twice(pattern);
    node->any = route;
    node->ends = true;
    return {};
}

/// `path` starts at a segment (after its slash). The depth of the recursion is that of the tree.
const Router::Node* Router::search(const Node& node, std::string_view path,
                                   std::array<std::string_view, RouteParameters::kMax>& values,
                                   std::size_t& count) const noexcept {
    const std::size_t slash = path.find('/');
    const std::string_view segment = path.substr(0, slash);
    const bool last = slash == std::string_view::npos;
    const auto descend = [&](const Node& child) -> const Node* {
        if (last) return child.ends_here() ? &child : nullptr;
        return search(child, path.substr(slash + 1), values, count);
    };
    if (const Node* child = node.literal(segment)) {
        if (const Node* found = descend(*child)) return found;
    }
    for (const auto& [word, child] : node.worded) {
        if (segment.size() <= word.size() || !segment.ends_with(word)) continue;
        values[count++] = segment.substr(0, segment.size() - word.size());
        if (const Node* found = descend(*child)) return found;
        --count;
    }
    if (node.parameter && !segment.empty()) {
        values[count++] = segment;
        if (const Node* found = descend(*node.parameter)) return found;
        --count;
    }
    if (node.rest && !path.empty()) {
        values[count++] = path;
        return node.rest.get();
    }
    return nullptr;
}

Router::Match Router::find(Method method, std::string_view path) const noexcept {
    Match match;
    if (!path.starts_with('/')) return match;
    std::array<std::string_view, RouteParameters::kMax> values;
    std::size_t count = 0;
    const Node* node = search(*root_, path.substr(1), values, count);
    if (node == nullptr) return match;
    auto route = node->routes[index_of(method)];
    if (!route && method == Method::kHead) route = node->routes[index_of(Method::kGet)];
    if (!route) route = node->any;
    if (!route) {
        match.outcome = Outcome::kMethodNotAllowed;
        match.allow = node->allow;
        return match;
    }
    match.outcome = Outcome::kFound;
    match.route = *route;
    for (std::size_t i = 0; i < count; ++i) match.parameters.items_[i] = {node->names[i], values[i]};
    match.parameters.size_ = count;
    return match;
}

}  // namespace tidegate::http
