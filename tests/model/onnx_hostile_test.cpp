// Model files that are damaged or mean harm: an error that says what is wrong, never a crash, never another file's bytes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <random>
#include <string>
#include <vector>

#include "model/onnx/model_guard.h"
#include "support/onnx_backend.h"
#include "support/onnx_file.h"

namespace tidegate::model {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using tidegate::testing::as_file;
using tidegate::testing::onnx_backend;
using tidegate::testing::OnnxFile;
using tidegate::testing::ProtoWriter;

std::string external(std::string_view location) {
    return OnnxFile()
        .input("x", DataType::kFp32, {-1, 2})
        .output("y", DataType::kFp32, {-1, 2})
        .external_constant("w", DataType::kFp32, {2}, location)
        .node("Add", {"x", "w"}, {"y"})
        .bytes();
}

TEST(ModelGuard, TakesAModelAndSaysWhatItSaw) {
    const auto fixed = onnx::inspect_model(as_file(tidegate::testing::onnx_identity(DataType::kFp32, {2, 2})));
    ASSERT_TRUE(fixed) << fixed.error().message;
    EXPECT_EQ(fixed->nodes, 1U);
    EXPECT_FALSE(fixed->has_free_dimension);
    const auto open = onnx::inspect_model(as_file(tidegate::testing::onnx_heavy(4, 3)));
    EXPECT_EQ(open->nodes, 3U);
    EXPECT_TRUE(open->has_free_dimension);
    EXPECT_TRUE(open->shapeless.empty());
    EXPECT_TRUE(open->no_tensors.empty());
}

TEST(ModelGuard, RefusesWeightsInOtherFilesWhereverTheyStand) {
    for (const char* location : {"weights.bin", "/etc/hostname", "../../../etc/hostname", "*/_ORT_MEM_ADDR_/*", ""}) {
        const auto seen = onnx::inspect_model(as_file(external(location)));
        ASSERT_FALSE(seen) << location;
        EXPECT_EQ(seen.error().code, ErrorCode::kFailedValidation);
        EXPECT_THAT(seen.error().message, HasSubstr("external data"));
    }
    const std::string entry = ProtoWriter().text(1, "location").text(2, "w.bin").bytes();
    const std::string tensor = OnnxFile::tensor("v", DataType::kFp32, {2}).text(13, entry).number(14, 1).bytes();
    const auto refused = [](const std::string& file) { return !onnx::inspect_model(as_file(file)).has_value(); };
    OnnxFile in_attribute;
    in_attribute.output("y", DataType::kFp32, {2});
    in_attribute.node("Constant", {}, {"y"}, {OnnxFile::tensor_attribute("value", tensor)});
    EXPECT_TRUE(refused(in_attribute.bytes()));
    OnnxFile outer;
    outer.input("c", DataType::kBool, {}).output("y", DataType::kFp32, {2});
    outer.node("If", {"c"}, {"y"}, {OnnxFile::graph_attribute("then_branch", in_attribute.graph())});
    EXPECT_TRUE(refused(outer.bytes()));
    // In a function of the model, and in a sparse constant.
    const std::string node =
        ProtoWriter().text(4, "Constant").text(5, OnnxFile::tensor_attribute("value", tensor)).bytes();
    const std::string plain = tidegate::testing::onnx_identity(DataType::kFp32, {2});
    EXPECT_TRUE(refused(plain + ProtoWriter().text(25, ProtoWriter().text(7, node).bytes()).bytes()));
    const std::string sparse = ProtoWriter().text(15, ProtoWriter().text(1, tensor).bytes()).bytes();
    EXPECT_TRUE(refused(plain + ProtoWriter().text(7, sparse).bytes()));
    EXPECT_FALSE(refused(plain));
}

TEST(ModelGuard, RefusesWhatIsNoModel) {
    const auto refused = [](std::string_view file) {
        const auto seen = onnx::inspect_model(as_file(file));
        return seen ? std::string("taken") : seen.error().message;
    };
    EXPECT_THAT(refused(""), HasSubstr("empty"));
    EXPECT_THAT(refused("not a model at all"), HasSubstr("not an ONNX model"));
    EXPECT_THAT(refused(std::string_view("\x08\x00", 2)), HasSubstr("no graph"));
    EXPECT_THAT(refused(std::string("\x00\x00\x00\x00ORTM....", 12)), HasSubstr("runtime's own format"));
    EXPECT_THAT(refused("\x3A\xFF\xFF\xFF\xFF\x0F"), HasSubstr("damaged"));
    EXPECT_THAT(refused(std::string(100, '\xFF')), HasSubstr("damaged"));
}

TEST(ModelGuard, RefusesGraphsInGraphsWithoutEnd) {
    std::string graph = OnnxFile().graph();
    for (int i = 0; i < 2000; ++i) {
        const std::string node = ProtoWriter().text(5, ProtoWriter().text(6, graph).bytes()).bytes();
        graph = ProtoWriter().text(1, node).bytes();
    }
    const auto seen = onnx::inspect_model(as_file(ProtoWriter().text(7, graph).bytes()));
    ASSERT_FALSE(seen);
    EXPECT_THAT(seen.error().message, HasSubstr("deep"));
}

TEST(ModelGuard, NamesWhatHasNoShapeOrIsNoTensor) {
    const auto seen = onnx::inspect_model(as_file(OnnxFile()
                                                      .input_without_shape("x", DataType::kFp32)
                                                      .output_of_maps("probabilities")
                                                      .node("Identity", {"x"}, {"y"})
                                                      .bytes()));
    ASSERT_TRUE(seen) << seen.error().message;
    EXPECT_THAT(seen->shapeless, ElementsAre("x"));
    EXPECT_THAT(seen->no_tensors, ElementsAre("probabilities"));
}

class HostileModel : public ::testing::Test {
  protected:
    void SetUp() override { TG_SKIP_WITHOUT_ONNX(backend_); }

    // What the load says; "loaded" when it does not refuse.
    std::string load(const std::string& file, const SessionOptions& options = {}) {
        const auto session = backend_->load(as_file(file), options);
        return session ? "loaded" : session.error().message;
    }

    std::unique_ptr<Backend> backend_ = onnx_backend();
};

TEST_F(HostileModel, ReadsNoFileBesideIt) {
    // The file is there, in the current folder, of the right size: a runtime that looked would find it.
    const std::string name = "tidegate_hostile_weights.bin";
    std::ofstream(name, std::ios::binary) << std::string(8, '\x3F');
    EXPECT_THAT(load(external(name)), HasSubstr("external data"));
    EXPECT_THAT(load(external(std::filesystem::absolute(name).string())), HasSubstr("external data"));
    std::filesystem::remove(name);
}

TEST_F(HostileModel, SaysWhatIsWrong) {
    const auto base = [] {
        OnnxFile file;
        file.input("x", DataType::kFp32, {-1}).output("y", DataType::kFp32, {-1});
        return file;
    };
    EXPECT_THAT(load(base().node("NoSuchOperator", {"x"}, {"y"}).bytes()), HasSubstr("NoSuchOperator"));
    EXPECT_THAT(load(base().node("Identity", {"nowhere"}, {"y"}).bytes()), HasSubstr("nowhere"));
    EXPECT_NE(load(base().node("Add", {"x", "z"}, {"z"}).node("Add", {"x", "z"}, {"y"}).bytes()), "loaded");
    EXPECT_NE(load(base().node("Identity", {"x"}, {"y"}, {}, "evil.domain").bytes()), "loaded");
    // A constant that claims more elements than it has bytes, or a product of dimensions that overflows.
    EXPECT_NE(load(base().constant("w", DataType::kFp32, {1 << 20}, "four").node("Add", {"x", "w"}, {"y"}).bytes()),
              "loaded");
    EXPECT_NE(load(base()
                       .constant("w", DataType::kFp32, {1LL << 62, 1LL << 62}, "four")
                       .node("Add", {"x", "w"}, {"y"})
                       .bytes()),
              "loaded");
    EXPECT_NE(load(base().constant("w", DataType::kFp32, {-5}, "four").node("Add", {"x", "w"}, {"y"}).bytes()),
              "loaded");
    EXPECT_THAT(load(OnnxFile()
                         .input_without_shape("x", DataType::kFp32)
                         .output("y", DataType::kFp32, {-1})
                         .node("Identity", {"x"}, {"y"})
                         .bytes()),
                HasSubstr("how many dimensions"));
    const std::vector<std::int64_t> nine(9, 1);
    EXPECT_THAT(load(tidegate::testing::onnx_identity(DataType::kFp32, nine)), HasSubstr("9 dimensions"));
}

TEST_F(HostileModel, AFileThatAsksForAllMemoryIsBoundedWhereConstantsAreNotFolded) {
    // 2^40 elements out of 24 bytes.
    const std::vector<std::int64_t> shape{1 << 20, 1 << 20};
    const std::string file = OnnxFile()
                                 .input("x", DataType::kFp32, {-1})
                                 .output("y", DataType::kFp32, {-1})
                                 .constant("s", DataType::kInt64, {2}, tidegate::testing::raw_bytes(shape))
                                 .node("ConstantOfShape", {"s"}, {"big"})
                                 .node("ReduceSum", {"big"}, {"sum"}, {OnnxFile::integer("keepdims", 0)})
                                 .node("Add", {"x", "sum"}, {"y"})
                                 .bytes();
    const auto session = backend_->load(as_file(file), {.arena_bytes_max = 16 * 1024 * 1024, .fold_constants = false});
    ASSERT_TRUE(session) << session.error().message;
    const std::vector<float> one{1.0F};
    const std::vector<TensorView> inputs{
        {.type = DataType::kFp32, .shape = {1}, .bytes = std::as_bytes(std::span(one)), .strings = {}}};
    const std::vector<std::uint32_t> wanted{0};
    std::vector<Tensor> results;
    const auto ran = (*session)->run(inputs, wanted, results, {});
    ASSERT_FALSE(ran);
    EXPECT_EQ(ran.error().code, ErrorCode::kTooLarge) << ran.error().message;
}

TEST_F(HostileModel, NamesThatAreNoTextStayOutOfTheMessage) {
    OnnxFile file;
    file.input("x", DataType::kFp32, {-1}).output("y", DataType::kFp32, {-1});
    const std::string said = load(file.node("No\n\x1B\xFFSuch", {"x"}, {"y"}).bytes());
    EXPECT_NE(said, "loaded");
    EXPECT_EQ(said.find('\n'), std::string::npos);
    EXPECT_EQ(said.find('\x1B'), std::string::npos);
    EXPECT_EQ(said.find('\xFF'), std::string::npos);
    const std::string loud = load(file.node(std::string(100'000, 'N'), {"x"}, {"y"}).bytes());
    EXPECT_LT(loud.size(), 1000U);
}

TEST_F(HostileModel, EveryBeginningOfAFileIsRefusedOrRuns) {
    const std::string whole = tidegate::testing::onnx_linear(2, 2, {1, 2, 3, 4}, {0, 1});
    ASSERT_EQ(load(whole), "loaded");
    for (std::size_t size = 0; size + 1 < whole.size(); ++size) {
        EXPECT_NE(load(whole.substr(0, size)), "") << size;
    }
}

TEST_F(HostileModel, FlippedBytesAreRefusedOrRun) {
    const std::string whole = tidegate::testing::onnx_sum_and_product(3);
    std::mt19937 random(20260101);  // NOLINT: the same files in every run.
    int refused = 0;
    for (int i = 0; i < 300; ++i) {
        std::string damaged = whole;
        for (int flips = 0; flips < 1 + i % 4; ++flips)
            damaged[random() % damaged.size()] = static_cast<char>(random());
        const auto session = backend_->load(as_file(damaged), {.arena_bytes_max = 16 * 1024 * 1024});
        if (!session) {
            ++refused;
            EXPECT_FALSE(session.error().message.empty());
            continue;
        }
        EXPECT_LE((*session)->inputs().size(), 16U);
    }
    EXPECT_GT(refused, 100);
    EXPECT_EQ(load(whole), "loaded") << "the runtime is whole after all of them";
}

}  // namespace
}  // namespace tidegate::model
