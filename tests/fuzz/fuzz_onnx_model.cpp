// Model files: the guard over any bytes, and the runtime over what it lets pass.
//
// Position    The guard is ours and instrumented. The runtime is not: here it is only held to end every load with a session or an
//             error, within a bounded memory. Files over 16 KiB teach it nothing new.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>

#include "model/onnx/model_guard.h"
#include "model/onnx/onnx.h"

namespace {

tidegate::model::Backend* backend() {
    static const auto opened = [] {
        const char* const source = std::getenv("TIDEGATE_SOURCE_DIR");
        const std::string home = source != nullptr ? source : ".";
        return tidegate::model::open_onnx(home + "/build/deps/onnxruntime/lib/libonnxruntime.so.1");
    }();
    return opened ? opened->get() : nullptr;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size > 16U * 1024) return 0;
    const auto bytes = std::as_bytes(std::span(data, size));
    const auto facts = tidegate::model::onnx::inspect_model(bytes);
    if (backend() == nullptr) return 0;
    const auto session = backend()->load(bytes, {.arena_bytes_max = 16U * 1024 * 1024});
    // What the guard refuses is never loaded.
    if (session && !facts) std::abort();
    return 0;
}
