#include "services/provenance/text/embedded_model.h"

extern "C" {
// Defined in embedded_model.S.
extern const char tidegate_text_model_begin[];
extern const char tidegate_text_model_end[];
}

namespace tidegate::provenance::text {

std::string_view embedded_model_bytes() noexcept {
    return {tidegate_text_model_begin, static_cast<std::size_t>(tidegate_text_model_end - tidegate_text_model_begin)};
}

}  // namespace tidegate::provenance::text
