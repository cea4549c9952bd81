// Any bytes as a config.pbtxt.
#include <cstdint>

#include "fuzz/fuzz_model_config.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace tidegate::model;
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    fuzz_config(text, ConfigFormat::kPbtxt);
    return 0;
}
