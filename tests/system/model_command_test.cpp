// `tidegate model`: what lies in a folder, whether it loads, how a new one comes in; classic models from their own libraries to an answer.
#include <cmath>
#include <fstream>
#include <sstream>

#include "system/inference_models.h"

namespace tidegate::testing {
namespace {

std::string source_folder() {
    const char* folder = std::getenv("TIDEGATE_SOURCE_DIR");  // NOLINT(concurrency-mt-unsafe)
    return folder != nullptr ? folder : ".";
}

class ModelCommand : public InferenceSystem {
  protected:
    void SetUp() override { std::filesystem::create_directories(folder()); }
    static bool has(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }
    RunResult run(std::vector<std::string> words) const {
        words.insert(words.begin(), "model");
        words.push_back("--models.folder=" + folder());
        return run_binary(words);
    }
    /// Whether this machine has a runtime: a good model is checked.
    bool has_runtime() {
        put_linear();
        return !has(run({"check"}).error, "ONNX Runtime");
    }
};

TEST_F(ModelCommand, ListNamesModelsAndWhatIsWrongWithThem) {
    put_linear();
    write(folder() + "/linear/3/model.onnx", "x");
    put("odd", "x", "max_batchsize: 4\n");
    const RunResult list = run({"list"});
    EXPECT_EQ(list.status, 1) << "one of them cannot serve";
    EXPECT_TRUE(has(list.out, "linear  version 3\n")) << list.out;
    EXPECT_TRUE(has(list.out, "odd  UNAVAILABLE: odd/config.yaml:1: `max_batchsize` is unknown")) << list.out;
}

TEST_F(ModelCommand, WrongWordsAreRefused) {
    for (const std::vector<std::string>& words :
         std::vector<std::vector<std::string>>{{},
                                               {"sing"},
                                               {"show"},
                                               {"list", "x"},
                                               {"import"},
                                               {"import", "a.onnx", "--nmae", "m"},
                                               {"import", "a.onnx", "--name", "../m"},
                                               {"import", "a.onnx", "--name", "m", "--version", "zero"},
                                               {"check", "a", "b"}}) {
        EXPECT_EQ(run(words).status, 2);
    }
    EXPECT_EQ(run({"list", "--models", folder() + "/nowhere"}).status, 1);
}

TEST_F(ModelCommand, CheckLoadsEachAndSaysWhatItTakesAndGives) {
    if (!has_runtime()) GTEST_SKIP() << kNoRuntime;
    const RunResult good = run({"check"});
    EXPECT_EQ(good.status, 0) << good.error;
    for (const char* part : {"linear version 1: good", "input  x  FP32 [-1,4]", "output y  FP32 [-1,1]",
                             "up to 1024 rows", "warm-up", "sha256 "}) {
        EXPECT_TRUE(has(good.out, part)) << part << "\n" << good.out;
    }
    put("torn", onnx_linear(4, 1, {1, 1, 1, 1}, {1}).substr(0, 60));
    const RunResult bad = run({"check", folder()});
    EXPECT_EQ(bad.status, 1);
    EXPECT_TRUE(has(bad.out, "linear version 1: good")) << bad.out;
    EXPECT_TRUE(has(bad.out, "torn: BAD: torn/1/model.onnx")) << bad.out;
    const RunResult shown = run({"show", "linear"});
    EXPECT_EQ(shown.status, 0) << shown.error;
    EXPECT_TRUE(has(shown.out, R"("platform":"onnxruntime_onnx")")) << shown.out;
    EXPECT_EQ(run({"show", "nothing"}).status, 1);
}

TEST_F(ModelCommand, ImportChecksBeforeItWrites) {
    if (!has_runtime()) GTEST_SKIP() << kNoRuntime;
    const std::string file = folder_.path() + "/new.onnx";
    write(file, onnx_linear(4, 2, {1, 1, 1, 1, 2, 2, 2, 2}, {1, 1}));
    const RunResult first = run({"import", file, "--name", "fresh"});
    EXPECT_EQ(first.status, 0) << first.error;
    EXPECT_TRUE(std::filesystem::exists(folder() + "/fresh/1/model.onnx"));
    const RunResult second = run({"import", file, "--name", "fresh"});
    EXPECT_EQ(second.status, 0) << second.error;
    EXPECT_TRUE(std::filesystem::exists(folder() + "/fresh/2/model.onnx")) << "the next version";
    EXPECT_EQ(run({"import", file, "--name", "fresh", "--version", "2"}).status, 1)
        << "a version is never written over";
    write(file, "no model");
    const RunResult bad = run({"import", file, "--name", "other"});
    EXPECT_EQ(bad.status, 1);
    EXPECT_FALSE(std::filesystem::exists(folder() + "/other")) << "nothing is left of what was refused";
}

TEST_F(ModelCommand, APickleIsNeverOpenedWithoutAPythonOfTheUsers) {
    write(folder_.path() + "/evil.pkl", "cos\nsystem\n(S'false'\ntR.");
    const RunResult run_it = run({"import", folder_.path() + "/evil.pkl", "--name", "m"});
    EXPECT_EQ(run_it.status, 1);
    EXPECT_TRUE(has(run_it.error, "--python PATH")) << run_it.error;
    EXPECT_TRUE(has(run_it.error, "tools/models/to_onnx.py")) << run_it.error;
    const RunResult no_python =
        run({"import", folder_.path() + "/evil.pkl", "--name", "m", "--python", "/nowhere/python"});
    EXPECT_EQ(no_python.status, 1);
    EXPECT_TRUE(has(no_python.error, "cannot be run")) << no_python.error;
}

std::vector<double> numbers_of(const std::string& path) {
    std::ifstream file(path);
    std::vector<double> numbers;
    for (double number = 0; file >> number;) numbers.push_back(number);
    return numbers;
}

TEST_F(ModelCommand, ClassicModelsAnswerAsTheirLibrariesDoFiveHundredRowsInOnePass) {
    const std::string environment = source_folder() + "/build/classic-venv";
    RunResult fetched{.status = 2};
    // A run may take a minute at most; what was fetched stays, so a slow line gets on from turn to turn.
    for (int turn = 0; turn < 8 && fetched.status != 0 && fetched.status != 1; ++turn) {
        fetched = run_program("bash", {source_folder() + "/tests/classic/fetch.sh", environment});
    }
    if (fetched.status != 0) GTEST_SKIP() << "the libraries cannot be had: " << fetched.out;
    if (!has_runtime()) GTEST_SKIP() << kNoRuntime;
    const std::string made = folder_.path();
    const std::string python = environment + "/bin/python";
    const RunResult trained = run_program(python, {source_folder() + "/tests/classic/make.py", made});
    ASSERT_EQ(trained.status, 0) << trained.error;
    const std::vector<std::string> models{"pipeline.joblib", "forest.joblib", "boosted.joblib", "boosted_json.json"};
    for (const std::string& file : models) {
        const std::string name = file.substr(0, file.find('.'));
        const RunResult imported = run({"import", made + "/" + file, "--name", name, "--python", python});
        ASSERT_EQ(imported.status, 0) << file << ": " << imported.error;
    }
    ASSERT_TRUE(start());
    std::ifstream rows(made + "/rows.json");
    const std::string request((std::istreambuf_iterator<char>(rows)), std::istreambuf_iterator<char>());
    for (const std::string& file : models) {
        const std::string name = file.substr(0, file.find('.'));
        const RawResponse answer = post(port(), "/v2/models/" + name + "/infer", request);
        ASSERT_EQ(answer.status, 200) << answer.body;
        const std::vector<double> expected = numbers_of(made + "/" + name + ".txt");
        ASSERT_EQ(expected.size(), 1000U);
        std::vector<double> given;
        const json::Document document = parse_json(answer.body);
        document.root().find("outputs")->each([&](json::Value output) {
            output.find("data")->each([&](json::Value number) { given.push_back(number.as_double()); });
        });
        ASSERT_EQ(given.size(), expected.size());
        double worst = 0;
        for (std::size_t i = 0; i < given.size(); ++i) worst = std::max(worst, std::fabs(given[i] - expected[i]));
        EXPECT_LE(worst, 1e-5) << name;
        RecordProperty(name + "_largest_difference", std::to_string(worst));
        const std::string counted = get(port(), "/v2/models/" + name + "/stats").body;
        EXPECT_TRUE(has(counted, R"("execution_count":1,)")) << counted;
        EXPECT_TRUE(has(counted, R"("batch_size":500)")) << counted;
    }
}

}  // namespace
}  // namespace tidegate::testing
