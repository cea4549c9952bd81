#include "services/content/load_mix.h"

#include <fmt/format.h>

#include <array>
#include <iterator>

namespace tidegate::content {
namespace {

using load::Dice;
using load::Payload;

constexpr std::array<std::string_view, 24> kLoadWords{"river", "tide",    "gate",    "flood", "storm",   "harbour",
                                                      "pump",  "level",   "sluice",  "dike",  "rain",    "gauge",
                                                      "model", "score",   "warning", "coast", "summer",  "winter",
                                                      "salt",  "channel", "basin",   "water", "measure", "repair"};

void append_sentence(std::string& out, Dice& dice, std::uint64_t words) {
    for (std::uint64_t i = 0; i < words; ++i) {
        if (i > 0) out += ' ';
        out += kLoadWords[dice.between(0, kLoadWords.size() - 1)];
    }
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
    add({.name = "content_rag",
         .method = "POST",
         .handler = "/query/rag",
         .weight = 10,
         .make = [](Dice& dice, Payload& out) {
             out.method = "POST";
             out.target = "/query/rag";
             out.content_type = "application/json";
             out.body = "{\"prompt\":\"";
             append_sentence(out.body, dice, dice.between(3, 12));
             out.body += "\"}";
         }});
    add({.name = "content_search",
         .method = "GET",
         .handler = "/query/search",
         .weight = 5,
         .make = [](Dice& dice, Payload& out) {
             out.target = fmt::format("/query/search?q={}+{}", kLoadWords[dice.between(0, kLoadWords.size() - 1)],
                                      kLoadWords[dice.between(0, kLoadWords.size() - 1)]);
         }});
    add({.name = "content_import",
         .method = "POST",
         .handler = "/api/contents",
         .weight = 1,
         .repeats = false,
         .make = [](Dice& dice, Payload& out) {
             out.method = "POST";
             out.target = "/api/contents";
             out.content_type = "application/json";
             // A thousand texts, written over and over: a run does not grow the target without end.
             out.body =
                 fmt::format("{{\"content_id\":\"load-{}\",\"title\":\"Load\",\"body\":\"", dice.between(0, 999));
             append_sentence(out.body, dice, dice.between(20, 120));
             out.body += ".\"}";
         }});
    offers.leave_out("tokens", "transfers need users with a balance, and a load should not make tokens");
}

}  // namespace tidegate::content
