// Router: from method and path to a route number; tells 404 from 405.
//
// Algorithm   A tree of path segments. A literal child wins over a parameter with a word behind it, that over the parameter
//             child; the search steps back when a branch ends in nothing. Paths are matched segment by segment, exactly: `/a` and `/a/` are two paths.
// Memory      A look-up allocates nothing: parameters are views into the path.
// Threads     Built once, then read from any thread.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "http/message.h"

namespace tidegate::http {

/// Names and values of `{name}` segments in the order of the path.
class RouteParameters {
  public:
    static constexpr std::size_t kMax = 8;
    struct Parameter {
        std::string_view name;   // Of the router.
        std::string_view value;  // Of the path.
    };
    std::size_t size() const noexcept { return size_; }
    const Parameter* begin() const noexcept { return items_.data(); }
    const Parameter* end() const noexcept { return items_.data() + size_; }
    /// Empty when there is none of that name.
    std::string_view get(std::string_view name) const noexcept;

  private:
    friend class Router;
    std::array<Parameter, kMax> items_{};
    std::size_t size_ = 0;
};

class Router {
  public:
    using RouteId = std::uint32_t;
    enum class Outcome : std::uint8_t { kFound, kNotFound, kMethodNotAllowed };
    struct Match {
        Outcome outcome = Outcome::kNotFound;
        RouteId route = 0;
        RouteParameters parameters;
        std::string_view allow;  // With kMethodNotAllowed: the value of the Allow header; the router's.
    };

    Router();
    ~Router();
    Router(Router&&) noexcept;
    Router& operator=(Router&&) noexcept;

    /// `pattern`: `/api/v1/jobs/{id}`; `/v1/models/{model}:predict` with a word behind a colon; a last segment `{rest...}` takes
    /// the rest of the path, slashes included. HEAD is
    /// answered by the GET route unless it has its own. kInvalidArgument: malformed, or the same method and path twice.
    Result<void> add(Method method, std::string_view pattern, RouteId route);
    /// The route for every method the path has no route of its own for, unknown ones (Method::kOther) included; a path with
    /// one never says kMethodNotAllowed. kInvalidArgument as above.
    Result<void> add_any(std::string_view pattern, RouteId route);
    Match find(Method method, std::string_view path) const noexcept;

  private:
    struct Node;
    Result<Node*> make_node(std::string_view pattern);
    const Node* search(const Node& node, std::string_view path,
                       std::array<std::string_view, RouteParameters::kMax>& values, std::size_t& count) const noexcept;
    std::unique_ptr<Node> root_;
};

}  // namespace tidegate::http
