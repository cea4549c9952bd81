// Any bytes as a config.yaml, and as the JSON of a load request.
#include <cstdint>

#include "fuzz/fuzz_model_config.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace tidegate::model;
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    fuzz_config(text, ConfigFormat::kYaml);
    fuzz_config(text, ConfigFormat::kJson);
    return 0;
}
