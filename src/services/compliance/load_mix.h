// What load on this service looks like: the dashboard's reading of the statistics over all decisions.
#pragma once

#include "load/generator.h"

namespace tidegate::compliance {

/// statistics.
void offer_load(const load::Scout& scout, load::Offers& offers);

}  // namespace tidegate::compliance
