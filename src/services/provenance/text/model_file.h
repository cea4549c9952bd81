// The model file: one Model as bytes, little-endian, versioned, with its own hash.
//
// Layout      "TGTEXTMD", format version u32, feature version u32, SHA-256 of the payload, payload.
// Guarantee   parse_model() reads nothing outside the bytes, allocates no more than a fixed maximum, and refuses
//             what is truncated, altered, of another version or of other feature tables. serialise, parse, serialise
//             gives the same bytes.
// When it fails  kDataLoss with what is wrong.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "services/provenance/text/model.h"

namespace tidegate::provenance::text {

inline constexpr std::uint32_t kFormatVersion = 1;
/// Raise with every change of the normaliser, tokenizer, lexicon, grams or stylometry: old weights would be read wrongly.
inline constexpr std::uint32_t kFeatureVersion = 1;

struct ParsedModel {
    Model model;
    std::string hash;  // SHA-256 of the payload, hex.
};

std::string serialise_model(const Model& model);
Result<ParsedModel> parse_model(std::string_view bytes);

}  // namespace tidegate::provenance::text
