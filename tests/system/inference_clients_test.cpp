// The real clients of the field against the real server: NVIDIA's tritonclient, OpenAI's Python and Node.js packages.
#include "system/inference_models.h"

namespace tidegate::testing {
namespace {

std::string source_folder() {
    const char* folder = std::getenv("TIDEGATE_SOURCE_DIR");  // NOLINT(concurrency-mt-unsafe)
    return folder != nullptr ? folder : ".";
}

class InferenceClients : public InferenceSystem {
  protected:
    void SetUp() override {
        environment_ = source_folder() + "/build/inference-clients";
        // A run may take a minute at most; what was fetched stays, so a slow line gets on from turn to turn.
        RunResult fetched{.status = 2};
        for (int turn = 0; turn < 5 && fetched.status != 0 && fetched.status != 1; ++turn) {
            fetched = run_program("bash", {source_folder() + "/tests/clients/fetch.sh", environment_});
        }
        if (fetched.status != 0) {
            GTEST_SKIP() << "the clients cannot be had: " << fetched.out;
        }
        put_linear();
        put_tokens();
        for (const DataType type : kTypes) {
            std::string name = "same_";
            for (const char c : to_string(type)) name.push_back(static_cast<char>(std::tolower(c)));
            put(name, onnx_identity(type, {-1, 3}));
        }
        // These clients always send a key, and what is sent is never ignored.
        const RunResult made = run_binary(
            {"keys", "create", "--name", "clients", "--scope", "inference", "--json", "--data-dir", folder_.path()});
        ASSERT_EQ(made.status, 0) << made.error;
        key_ = parse_json(made.out).root().find("key")->as_string();
        if (!start()) {
            ASSERT_NE(server_, nullptr);
            GTEST_SKIP() << kNoRuntime;
        }
    }
    void check(const std::string& program, std::vector<std::string> arguments) {
        arguments.insert(arguments.begin() + 1, std::to_string(port()));
        const RunResult run = run_program(program, arguments);
        EXPECT_EQ(run.status, 0) << run.out << run.error;
        EXPECT_TRUE(run.out.starts_with("ok ")) << run.out << run.error;
    }
    static constexpr DataType kTypes[] = {DataType::kBool,   DataType::kUint8, DataType::kUint16, DataType::kUint32,
                                          DataType::kUint64, DataType::kInt8,  DataType::kInt16,  DataType::kInt32,
                                          DataType::kInt64,  DataType::kFp16,  DataType::kFp32,   DataType::kFp64,
                                          DataType::kBytes};
    std::string environment_;
    std::string key_;
};

TEST_F(InferenceClients, TritonsClientWorksUnchanged) {
    check(environment_ + "/venv/bin/python", {source_folder() + "/tests/clients/triton_check.py"});
}

TEST_F(InferenceClients, OpenAisPythonClientWorksUnchanged) {
    check(environment_ + "/venv/bin/python", {source_folder() + "/tests/clients/openai_check.py", "tokens", key_});
}

TEST_F(InferenceClients, OpenAisNodeClientWorksUnchanged) {
    check("node", {environment_ + "/node/openai_check.mjs", "tokens", key_});
}

}  // namespace
}  // namespace tidegate::testing
