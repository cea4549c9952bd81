// A folder of small ONNX models and the server over it, for the system tests of inference.
#pragma once

#include <filesystem>
#include <fstream>

#include "support/onnx_file.h"
#include "support/tiny_tokenizer.h"
#include "system/client.h"

namespace tidegate::testing {

class InferenceSystem : public ::testing::Test {
  protected:
    using DataType = model::DataType;

    static void write(const std::string& path, const std::string& bytes) {
        std::filesystem::create_directories(std::filesystem::path(path).parent_path());
        std::ofstream(path, std::ios::binary) << bytes;
    }
    std::string folder() const { return folder_.path() + "/models"; }
    void put(const std::string& name, const std::string& onnx, const std::string& config = {}) const {
        if (!config.empty()) write(folder() + "/" + name + "/config.yaml", config);
        write(folder() + "/" + name + "/1/model.onnx", onnx);
    }
    /// y = the sum of x and one more: FP32 [-1,4] -> [-1,1].
    void put_linear() const { put("linear", onnx_linear(4, 1, {1, 1, 1, 1}, {1})); }
    /// Three numbers for each token, which no two tokens share.
    static std::string token_model() {
        const std::vector<float> waves{0.7F, 1.3F, 2.9F};
        const std::vector<std::int64_t> axes{2};
        return OnnxFile()
            .input("input_ids", DataType::kInt64, {-1, -1})
            .output("hidden", DataType::kFp32, {-1, -1, 3})
            .constant("w", DataType::kFp32, {3}, raw_bytes(waves))
            .constant("axes", DataType::kInt64, {1}, raw_bytes(axes))
            .node("Cast", {"input_ids"}, {"c"}, {OnnxFile::integer("to", 1)})
            .node("Unsqueeze", {"c", "axes"}, {"u"})
            .node("Mul", {"u", "w"}, {"m"})
            .node("Sin", {"m"}, {"hidden"})
            .bytes();
    }
    void put_tokens() const {
        put("tokens", token_model(), "task: embedding\ntokenizer: tokenizer.json\n");
        write(folder() + "/tokens/tokenizer.json", kTinyTokenizer);
    }
    /// False: there is no runtime on this machine, and the test is skipped.
    [[nodiscard]] bool start(std::vector<std::string> arguments = {}) {
        arguments.push_back("--models.folder=" + folder());
        server_ = ServerProcess::start(folder_.path(), arguments);
        if (server_ == nullptr) return false;
        const json::Document health = parse_json(get(port(), "/health").body);
        return health.root().find("models")->find("runtime")->find("available")->as_bool();
    }
    std::uint16_t port() const { return server_->port(); }

    TemporaryFolder folder_;
    std::unique_ptr<ServerProcess> server_;
};

inline constexpr const char* kNoRuntime = "ONNX Runtime is not on this machine (./dev setup fetches it)";

}  // namespace tidegate::testing
