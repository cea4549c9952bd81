// What load on this service looks like: texts, batches of texts, and reads of what was decided.
#pragma once

#include "load/generator.h"

namespace tidegate::provenance {

/// detect_text, detect_batch, history, stats.
void offer_load(const load::Scout& scout, load::Offers& offers);

}  // namespace tidegate::provenance
