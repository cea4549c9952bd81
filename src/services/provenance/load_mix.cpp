#include "services/provenance/load_mix.h"

#include <fmt/format.h>

#include <iterator>

#include "load/prose.h"

namespace tidegate::provenance {
namespace {

using load::Dice;
using load::Payload;

// Characters. A paragraph or two is what people paste; items of a batch are comments and answers to a question.
constexpr std::size_t kTextMedian = 800;
constexpr std::size_t kItemMedian = 400;
// Of the largest batch that the default settings take (provenance.batch_items_max).
constexpr std::uint64_t kHeavyItems = 50;

void make_text(Dice& dice, Payload& out) {
    out.method = "POST";
    out.target = "/api/v1/detect/text";
    out.content_type = "application/json";
    out.body = "{\"text\":\"";
    load::append_prose(out.body, load::text_length(kTextMedian, dice), dice);
    out.body += "\"}";
}

void make_batch(Dice& dice, Payload& out, std::uint64_t items) {
    out.method = "POST";
    out.target = "/api/v1/batch/text";
    out.content_type = "application/json";
    out.body = "{\"items\":[";
    for (std::uint64_t i = 0; i < items; ++i) {
        fmt::format_to(std::back_inserter(out.body), "{}{{\"item_id\":\"{}\",\"text\":\"", i == 0 ? "" : ",", i + 1);
        load::append_prose(out.body, load::text_length(kItemMedian, dice), dice);
        out.body += "\"}";
    }
    out.body += "]}";
}

void make_read(Dice& dice, Payload& out, std::string_view target) {
    out.target = target;
    if (target.ends_with("limit=")) out.target += std::to_string(10 * dice.between(1, 5));
}

}  // namespace

void offer_load(const load::Scout& scout, load::Offers& offers) {
    const auto add = [&](load::Operation operation) {
        if (scout.has_route(operation.method, operation.handler)) {
            offers.operations.push_back(std::move(operation));
        } else {
            offers.leave_out(operation.name, "the target has no " + operation.method + " " + operation.handler);
        }
    };
    add({.name = "detect_text", .method = "POST", .handler = "/api/v1/detect/text", .weight = 35, .make = make_text});
    add({.name = "detect_batch",
         .method = "POST",
         .handler = "/api/v1/batch/text",
         .weight = 5,
         .make = [](Dice& dice, Payload& out) { make_batch(dice, out, dice.between(2, 8)); }});
    add({.name = "detect_batch_heavy",
         .method = "POST",
         .handler = "/api/v1/batch/text",
         .weight = 0,
         .heavy = 70,
         .make = [](Dice& dice, Payload& out) { make_batch(dice, out, dice.between(kHeavyItems / 2, kHeavyItems)); }});
    add({.name = "history",
         .method = "GET",
         .handler = "/api/v1/analyze/history",
         .weight = 5,
         .repeats = false,
         .make = [](Dice& dice, Payload& out) { make_read(dice, out, "/api/v1/analyze/history?limit="); }});
    add({.name = "stats",
         .method = "GET",
         .handler = "/api/v1/analyze/stats",
         .weight = 3,
         .repeats = false,
         .make = [](Dice& dice, Payload& out) { make_read(dice, out, "/api/v1/analyze/stats"); }});
}

}  // namespace tidegate::provenance
