#include "app/load_target.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <utility>

#include "app/services.h"
#include "base/json.h"
#include "base/strings.h"
#include "load/prose.h"
#include "services/compliance/load_mix.h"
#include "services/inference/load_mix.h"
#include "services/provenance/load_mix.h"
#include "services/proxy/load_mix.h"

namespace tidegate::app {
namespace {

// Those that are part of the house; a service brings its own (app/services.h).
constexpr std::array<load::Offer, 3> kOfTheHouse{provenance::offer_load, inference::offer_load, compliance::offer_load};

constexpr double kCallWeight = 25;

/// `{key}`, `{number}` and `{text}` replaced.
std::string fill(std::string_view pattern, load::Dice& dice) {
    std::string out;
    while (!pattern.empty()) {
        const std::size_t open = pattern.find('{');
        out.append(pattern.substr(0, open));
        if (open == std::string_view::npos) break;
        pattern.remove_prefix(open);
        if (pattern.starts_with("{key}")) {
            out += std::to_string(dice.below(1'000'000'000));
            pattern.remove_prefix(5);
        } else if (pattern.starts_with("{number}")) {
            out += fmt::format("{:.3f}", dice.unit() * 1000);
            pattern.remove_prefix(8);
        } else if (pattern.starts_with("{text}")) {
            load::append_prose(out, load::text_length(400, dice), dice);
            pattern.remove_prefix(6);
        } else {
            out.push_back('{');
            pattern.remove_prefix(1);
        }
    }
    return out;
}

Result<load::Operation> read_call(std::string_view call, std::size_t index, double weight) {
    constexpr std::array<std::string_view, 5> kMethods{"GET", "POST", "PUT", "PATCH", "DELETE"};
    const std::string_view text = trim(call);
    const std::size_t blank = text.find(' ');
    const std::string method(text.substr(0, blank));
    const std::string_view rest = blank == std::string_view::npos ? "" : trim(text.substr(blank + 1));
    const std::size_t end = rest.find(' ');
    const std::string target(rest.substr(0, end));
    const std::string body(end == std::string_view::npos ? "" : trim(rest.substr(end + 1)));
    const bool plain = std::ranges::all_of(target, [](char c) { return c > ' ' && c < 0x7f; });
    if (std::ranges::find(kMethods, method) == kMethods.end() || !target.starts_with('/') || !plain) {
        return fail(ErrorCode::kInvalidArgument, fmt::format("--call: `{}` is not METHOD /PATH [BODY]", call));
    }
    return load::Operation{.name = index == 0 ? "call" : fmt::format("call_{}", index + 1),
                           .method = method,
                           .handler = target.substr(0, target.find('?')),
                           .weight = weight,
                           // What has nothing to differ by is a read like another.
                           .repeats = call.find("{key}") != std::string_view::npos ||
                                      call.find("{number}") != std::string_view::npos ||
                                      call.find("{text}") != std::string_view::npos,
                           .make = [method, target, body](load::Dice& dice, load::Payload& out) {
                               out.method = method;
                               out.target = fill(target, dice);
                               if (body.empty()) return;
                               out.content_type = "application/json";
                               out.body = fill(body, dice);
                           }};
}

/// Everything that --mix names is a --call.
bool calls_alone(const LoadOptions& options) {
    if (options.calls.empty() || options.mix.empty()) return false;
    return std::ranges::all_of(split(options.mix, ','), [](std::string_view word) {
        return word == "call" || word.starts_with("call=") || word.starts_with("call_");
    });
}

Result<void> offer_all(const load::Scout& scout, const LoadOptions& options, load::Offers& offers) {
    if (!calls_alone(options)) {
        for (const auto& one : make_services()) one->offer_load(scout, offers);
        for (const load::Offer offer : kOfTheHouse) offer(scout, offers);
    }
    if (options.calls.empty()) {
        proxy::offer_load(scout, offers);
        return {};
    }
    for (std::size_t i = 0; i < options.calls.size(); ++i) {
        TG_TRY(auto call, read_call(options.calls[i], i, kCallWeight / static_cast<double>(options.calls.size())));
        offers.operations.push_back(std::move(call));
    }
    return {};
}

std::string version_of(const load::Place& place, const std::string& fields) {
    const auto health = load::ask(place, "GET", "/health", fields);
    if (!health || health->status != 200) return {};
    const auto document = json::parse(health->body);
    if (!document || document->root().kind() != json::Kind::kObject) return {};
    const auto version = document->root().find("version");
    return version && version->kind() == json::Kind::kString ? std::string(version->as_string()) : std::string();
}

}  // namespace

Result<LoadTarget> find_target(const LoadOptions& options, const std::string& url) {
    LoadTarget target;
    TG_TRY(target.place,
           load::Place::find(options.target.empty() ? url : options.target, options.ca_file, options.verify));
    target.fields = fmt::format("Host: {}\r\nUser-Agent: tidegate-load\r\n", target.place.authority);
    if (!options.key.empty()) target.fields += fmt::format("Authorization: Bearer {}\r\n", options.key);
    if (calls_alone(options)) {
        TG_CHECK(offer_all(load::NoScout(), options, target.offers));
        return target;
    }
    TG_TRY(const auto scout, load::WebScout::open(target.place, target.fields));
    TG_CHECK(offer_all(*scout, options, target.offers));
    target.server = version_of(target.place, target.fields);
    return target;
}

Result<load::Offers> offline_offers(const LoadOptions& options) {
    load::Offers offers;
    TG_CHECK(offer_all(load::NoScout(), options, offers));
    return offers;
}

Result<load::Mix> make_mix(load::Offers& offers, const LoadOptions& options, const std::string& fields) {
    std::vector<load::Operation> operations = std::move(offers.operations);
    // A profile of large batches has the heavy ones only; one that is named takes part whatever the profile.
    for (load::Operation& operation : operations) {
        if (options.plan.heavy) operation.weight = operation.heavy;
    }
    if (!options.mix.empty()) {
        for (load::Operation& operation : operations) operation.weight = std::max(operation.weight, 1e-9);
        TG_CHECK(load::choose(operations, options.mix));
        for (load::Operation& operation : operations) {
            if (operation.weight <= 1e-9) operation.weight = 1;
        }
    }
    std::erase_if(operations, [](const load::Operation& operation) { return operation.weight <= 0; });
    if (operations.empty()) return fail(ErrorCode::kInvalidArgument, "the target has nothing of this profile to ask");
    return load::Mix(std::move(operations), {.seed = options.plan.seed,
                                             .repeats = options.plan.repeats,
                                             .hot_keys = options.plan.hot_keys,
                                             .fields = fields});
}

}  // namespace tidegate::app
