#include "services/compliance/load_mix.h"

namespace tidegate::compliance {

void offer_load(const load::Scout& scout, load::Offers& offers) {
    if (!scout.has_route("GET", "/api/compliance/statistics")) {
        return offers.leave_out("statistics", "the target has no GET /api/compliance/statistics");
    }
    offers.operations.push_back(
        {.name = "statistics",
         .method = "GET",
         .handler = "/api/compliance/statistics",
         .weight = 2,
         .repeats = false,
         .make = [](load::Dice&, load::Payload& out) { out.target = "/api/compliance/statistics"; }});
}

}  // namespace tidegate::compliance
