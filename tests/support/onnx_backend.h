// The real ONNX Runtime for tests, where `./dev setup` has fetched it.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "model/onnx/onnx.h"

namespace tidegate::testing {

/// The path of the library that `./dev setup` fetched; empty where it is not there.
inline std::string onnx_library() {
    const char* const source = std::getenv("TIDEGATE_SOURCE_DIR");
    const std::string path =
        std::string(source != nullptr ? source : ".") + "/build/deps/onnxruntime/lib/libonnxruntime.so.1";
    return std::filesystem::exists(path) ? path : "";
}

/// nullptr where there is none: TG_SKIP_WITHOUT_ONNX(backend) says so.
inline std::unique_ptr<model::Backend> onnx_backend() {
    auto opened = model::open_onnx(onnx_library());
    return opened ? std::move(*opened) : nullptr;
}

inline std::span<const std::byte> as_file(std::string_view bytes) {
    return {reinterpret_cast<const std::byte*>(bytes.data()), bytes.size()};
}

}  // namespace tidegate::testing

#define TG_SKIP_WITHOUT_ONNX(backend)                                                                        \
    do {                                                                                                     \
        if ((backend) == nullptr) GTEST_SKIP() << "ONNX Runtime is not here: ./dev setup --onnx fetches it"; \
    } while (false)
