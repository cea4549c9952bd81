// What load on this service looks like: short notes to transcribe, texts to summarise.
#pragma once

#include "load/generator.h"

namespace tidegate::speech {

/// transcribe_note, summarize.
void offer_load(const load::Scout& scout, load::Offers& offers);

}  // namespace tidegate::speech
