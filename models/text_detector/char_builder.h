// Builds a CharModel: counts character n-grams of human and machine text, interpolates, keeps the frequent ones.
//
// Algorithm   Witten-Bell interpolation from order 1 to 6, a class each; a gram is kept when both classes together saw it
//             often enough that about 70 % of the slots fill.
// Memory      24 bytes a distinct gram: about 100 MB for 7 MB of text.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "services/provenance/text/char_model.h"

namespace tidegate::provenance::text::training {

/// `texts[i]` belongs to a machine when `ai[i]`.
CharModel build_char_model(const std::vector<std::string_view>& texts, const std::vector<bool>& ai, unsigned slot_bits);

}  // namespace tidegate::provenance::text::training
