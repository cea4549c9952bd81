// What load on this service looks like: places, batches of places, readings of sensors.
#pragma once

#include "load/generator.h"

namespace tidegate::flood {

/// flood_risk, flood_batch, flood_batch_heavy, flood_anomaly.
void offer_load(const load::Scout& scout, load::Offers& offers);

}  // namespace tidegate::flood
