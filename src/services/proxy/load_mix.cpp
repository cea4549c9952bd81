#include "services/proxy/load_mix.h"

#include <algorithm>
#include <string>
#include <vector>

namespace tidegate::proxy {
namespace {

// Of all proxied calls together.
constexpr double kWeight = 25;
// `/stations/17`: as many different ones.
constexpr std::uint64_t kNumbers = 100'000;

/// `/stations/{id}` with a number in the braces.
std::string fill(const std::string& path, load::Dice& dice) {
    std::string out;
    for (std::size_t at = 0; at < path.size(); ++at) {
        if (path[at] != '{') {
            out.push_back(path[at]);
            continue;
        }
        out += std::to_string(dice.below(kNumbers));
        at = std::min(path.find('}', at), path.size());
    }
    return out;
}

std::string name_of(std::string_view path) {
    std::string name = "call";
    for (const char c : path) {
        const bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
        if (plain) {
            name.push_back(c);
        } else if (name.back() != '_') {
            name.push_back('_');
        }
    }
    while (name.ends_with('_')) name.pop_back();
    return name;
}

}  // namespace

void offer_load(const load::Scout& scout, load::Offers& offers) {
    std::vector<std::string> paths;
    scout.each_route([&](std::string_view path, std::string_view method, std::string_view summary) {
        const bool is_read = method == "get" && summary.starts_with("Passed on to the upstream");
        if (is_read && path.find("...") == std::string_view::npos) paths.emplace_back(path);
    });
    if (paths.empty()) {
        return offers.leave_out("call", "the target has no upstream route that can be read; name one with --call");
    }
    std::erase_if(paths, [&](const std::string& path) {
        load::Dice dice(0);
        const int status = scout.try_out(fill(path, dice));
        if (status >= 200 && status < 400) return false;
        offers.leave_out(name_of(path), status == 0 ? "a GET of " + path + " is not answered"
                                                    : "a GET of " + path + " is answered " + std::to_string(status));
        return true;
    });
    for (const std::string& path : paths) {
        offers.operations.push_back(
            {.name = name_of(path),
             .method = "GET",
             .handler = path,
             .weight = kWeight / static_cast<double>(paths.size()),
             .make = [path](load::Dice& dice, load::Payload& out) { out.target = fill(path, dice); }});
    }
}

}  // namespace tidegate::proxy
