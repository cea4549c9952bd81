// What a service brings so that load can be made for it: its operations, found out from the server that will be asked.
//
// Position    Below the services: each has a function like offer_text() in a file of its own (services/NAME/load.h), and app/ lists them.
// Guarantee   make() is a pure function of its dice: the same seed gives the same bytes on every machine and thread.
// When an operation cannot be   Its route is missing, no model serves: the service says so with leave_out(), and the report repeats it.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "load/dice.h"

namespace tidegate::load {

/// A request without what is the same for all of a run (host, key).
struct Payload {
    std::string method = "GET";
    std::string target = "/";
    std::string content_type;  // Empty: there is no body.
    std::string body;
    void clear() {
        method = "GET";
        target.clear();
        content_type.clear();
        body.clear();
    }
};

struct Operation {
    std::string name;     // `detect_text`
    std::string method;   // With `handler`: how the server's own metrics call it.
    std::string handler;  // `/api/v1/detect/text`
    double weight = 1;    // Share of the mixed traffic, against the others.
    double heavy = 0;     // The same in the profile `heavy-batch`; 0: not part of it.
    /// Takes part in the repeats: the same question is asked again. Reads of the record are not questions.
    bool repeats = true;
    std::function<void(Dice&, Payload&)> make;
};

struct LeftOut {
    std::string name;
    std::string reason;
};

/// Asks the server that the load is for. Without a server every route is there and every question fails.
class Scout {
  public:
    virtual ~Scout() = default;
    /// The server's API document names this route.
    virtual bool has_route(std::string_view method, std::string_view path) const = 0;
    /// Calls visit(path, method, summary) for each route.
    virtual void each_route(
        const std::function<void(std::string_view, std::string_view, std::string_view)>& visit) const = 0;
    /// The answer as JSON; an error for any other status than 200.
    virtual Result<json::Document> ask(std::string_view method, const std::string& target,
                                       const std::string& body) const = 0;
    /// The status that a GET of `target` is answered with; 0: it is not answered.
    virtual int try_out(const std::string& target) const = 0;
};

struct Offers {
    std::vector<Operation> operations;
    std::vector<LeftOut> left_out;
    void leave_out(std::string name, std::string reason) {
        left_out.push_back({.name = std::move(name), .reason = std::move(reason)});
    }
};

using Offer = void (*)(const Scout& scout, Offers& offers);

}  // namespace tidegate::load
