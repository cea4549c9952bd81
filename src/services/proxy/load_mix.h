// What load on the routes of the settings looks like: the reads among them that the target's API document shows.
#pragma once

#include "load/generator.h"

namespace tidegate::proxy {

/// call_ROUTE for each route without a wildcard, as GET, with numbers in the places of its path's parameters, when a first
/// try is answered below 400. What a POST takes only
/// its upstream knows: name such a call with `--call`.
void offer_load(const load::Scout& scout, load::Offers& offers);

}  // namespace tidegate::proxy
