// What load on the content service looks like.
#pragma once

#include "load/generator.h"

namespace tidegate::content {

void offer_load(const load::Scout& scout, load::Offers& offers);

}  // namespace tidegate::content
