// The bytes of models/text_detector/text_detector.model, as the assembler put them into this binary.
#pragma once

#include <string_view>

namespace tidegate::provenance::text {

std::string_view embedded_model_bytes() noexcept;

}  // namespace tidegate::provenance::text
