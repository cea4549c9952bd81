// Taken instead of the rest where the build found no headers of ONNX Runtime.
#include "model/onnx/onnx.h"

namespace tidegate::model {

Result<std::unique_ptr<Backend>> open_onnx(const std::string& /*library*/) {
    return fail(
        ErrorCode::kUnavailable,
        "this program was built without ONNX Runtime's headers: `./dev setup --onnx` fetches them, then build again");
}

}  // namespace tidegate::model
