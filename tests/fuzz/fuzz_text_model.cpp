// The model parser: bytes as they come, and bytes behind a right header and hash, which get past the first checks.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/assert.h"
#include "base/hash.h"
#include "services/provenance/text/model_file.h"

namespace text = tidegate::provenance::text;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view input(reinterpret_cast<const char*>(data), size);
    static_cast<void>(text::parse_model(input));
    std::string dressed = "TGTEXTMD";
    for (const std::uint32_t version : {text::kFormatVersion, text::kFeatureVersion}) {
        for (unsigned shift = 0; shift < 32; shift += 8) dressed.push_back(static_cast<char>(version >> shift & 0xFFU));
    }
    for (const std::uint8_t byte : tidegate::sha256(input)) dressed.push_back(static_cast<char>(byte));
    dressed += input;
    const auto parsed = text::parse_model(dressed);
    if (parsed) TG_ASSERT(text::serialise_model(parsed->model) == dressed);
    return 0;
}
