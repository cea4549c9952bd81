// What load on this service looks like: tensors for each model that serves, made from its own metadata, and texts for the embeddings.
#pragma once

#include "load/generator.h"

namespace tidegate::inference {

/// infer_MODEL over the Open Inference Protocol v2, for at most four models that take numbers or texts; embed.
void offer_load(const load::Scout& scout, load::Offers& offers);

}  // namespace tidegate::inference
