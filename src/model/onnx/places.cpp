#include <filesystem>

#include "model/onnx/onnx.h"

namespace tidegate::model {

std::vector<std::string> onnx_library_places(const std::string& program) {
    constexpr const char* kName = "libonnxruntime.so.1";
    std::vector<std::string> places;
    if (!program.empty()) {
        const std::filesystem::path folder = std::filesystem::path(program).parent_path();
        places.push_back((folder / kName).string());
        places.push_back((folder.parent_path() / "lib" / kName).string());
        // Where the package tidegate-onnxruntime puts it.
        places.push_back((folder.parent_path() / "lib" / "tidegate" / kName).string());
        // build/PRESET/tidegate: where `./dev setup` puts the library.
        places.push_back((folder.parent_path() / "deps" / "onnxruntime" / "lib" / kName).string());
    }
    places.emplace_back(kName);
    return places;
}

}  // namespace tidegate::model
