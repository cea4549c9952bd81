#include "services/flood/load_mix.h"

#include <fmt/format.h>

#include <cmath>
#include <iterator>

namespace tidegate::flood {
namespace {

using load::Dice;
using load::Payload;

// Of the largest batch that the default settings take (flood.batch_items_max).
constexpr std::uint64_t kHeavyItems = 100;

/// A place with the weather of a day: dry on two days of three, else 12 mm in the mean, as rain gauges have it.
void append_place(std::string& out, Dice& dice) {
    const double rain = dice.unit() < 0.65 ? 0 : 12 * dice.exponential();
    const double week = 3 * dice.exponential();
    fmt::format_to(std::back_inserter(out),
                   "{{\"latitude\":{:.4f},\"longitude\":{:.4f},\"rainfall_mm\":{:.1f},\"temperature\":{:.1f},"
                   "\"humidity\":{},\"rainfall_7d_mean\":{:.1f},\"rainfall_30d_mean\":{:.1f}}}",
                   -40 + 100 * dice.unit(), -120 + 260 * dice.unit(), std::min(rain, 400.0), 2 + 30 * dice.unit(),
                   dice.between(30, 100), week, 0.5 * week + 1.5 * dice.unit());
}

void begin(Payload& out, std::string_view target) {
    out.method = "POST";
    out.target = target;
    out.content_type = "application/json";
}

void make_batch(Dice& dice, Payload& out, std::uint64_t items) {
    begin(out, "/api/v1/predict/batch");
    out.body = "{\"locations\":[";
    for (std::uint64_t i = 0; i < items; ++i) {
        if (i > 0) out.body += ',';
        append_place(out.body, dice);
    }
    out.body += "]}";
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
    add({.name = "flood_risk",
         .method = "POST",
         .handler = "/api/v1/predict/flood-risk",
         .weight = 20,
         .make = [](Dice& dice, Payload& out) {
             begin(out, "/api/v1/predict/flood-risk");
             append_place(out.body, dice);
         }});
    add({.name = "flood_batch",
         .method = "POST",
         .handler = "/api/v1/predict/batch",
         .weight = 4,
         .make = [](Dice& dice, Payload& out) { make_batch(dice, out, dice.between(20, 50)); }});
    add({.name = "flood_batch_heavy",
         .method = "POST",
         .handler = "/api/v1/predict/batch",
         .weight = 0,
         .heavy = 30,
         .make = [](Dice& dice, Payload& out) { make_batch(dice, out, dice.between(kHeavyItems / 2, kHeavyItems)); }});
    offers.leave_out("flood_anomaly",
                     "a device's readings must come in the order of time, and requests of a load do not");
}

}  // namespace tidegate::flood
