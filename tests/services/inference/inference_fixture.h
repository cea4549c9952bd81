// The inference routes over a repository of models that are written here: what a model does stands in its file as a word.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>

#include "base/mutex.h"
#include "model/repository.h"
#include "pipeline/dispatcher.h"
#include "services/inference/inference.h"
#include "services/inference/text_models.h"
#include "store/temporary_folder.h"
#include "support/fake_exchange.h"
#include "support/tiny_tokenizer.h"

namespace tidegate::inference {

/// Holds sessions up until it is opened.
class Door {
  public:
    void close() {
        const Lock lock(mutex_);
        open_ = false;
    }
    void open() {
        const Lock lock(mutex_);
        open_ = true;
        changed_.notify_all();
    }
    void pass() {
        const Lock lock(mutex_);
        ++waiting_;
        changed_.notify_all();
        while (!open_) changed_.wait(mutex_);
        --waiting_;
    }
    void wait_for_somebody() {
        const Lock lock(mutex_);
        while (waiting_ == 0) changed_.wait(mutex_);
    }

  private:
    Mutex mutex_;
    Condition changed_;
    bool open_ TG_GUARDED_BY(mutex_) = true;
    int waiting_ TG_GUARDED_BY(mutex_) = 0;
};

/// The words: `double` x FP32 [-1,4] -> y the same twice; `nan` as it, but NaN; `fail` runs and fails; `add` a, b INT64 [-1,2] -> sum
/// and product; `echo` t BYTES [-1,1] -> the same; `whole` m FP32 [2,2] -> the same, without a batch; `type:INT8` x of that type
/// [-1,3] -> the same. Of token ids: `tokens` -> hidden [-1,-1,2] with the id and one; `classes` -> [-1,3] with their sum, its
/// negative and 0; `rank` -> [-1,1] with their sum.
class WordSession final : public model::Session {
  public:
    WordSession(std::string word, Door& door) : word_(std::move(word)), door_(door) {
        using model::DataType;
        if (word_ == "add") {
            inputs_ = {{"a", DataType::kInt64, {-1, 2}}, {"b", DataType::kInt64, {-1, 2}}};
            outputs_ = {{"sum", DataType::kInt64, {-1, 2}}, {"product", DataType::kInt64, {-1, 2}}};
        } else if (word_ == "echo") {
            inputs_ = {{"t", DataType::kBytes, {-1, 1}}};
            outputs_ = {{"u", DataType::kBytes, {-1, 1}}};
        } else if (word_ == "whole") {
            inputs_ = {{"m", DataType::kFp32, {2, 2}}};
            outputs_ = {{"n", DataType::kFp32, {2, 2}}};
        } else if (word_ == "tokens" || word_ == "classes" || word_ == "rank") {
            inputs_ = {{"input_ids", DataType::kInt64, {-1, -1}}, {"attention_mask", DataType::kInt64, {-1, -1}}};
            outputs_ = {
                {"out", DataType::kFp32, word_ == "tokens" ? model::Shape{-1, -1, 2} : model::Shape{-1, width()}}};
        } else if (word_.starts_with("type:")) {
            const DataType type = *model::data_type_of(word_.substr(5));
            inputs_ = {{"x", type, {-1, 3}}};
            outputs_ = {{"y", type, {-1, 3}}};
        } else {
            inputs_ = {{"x", DataType::kFp32, {-1, 4}}};
            outputs_ = {{"y", DataType::kFp32, {-1, 4}}};
        }
    }
    std::span<const model::TensorInfo> inputs() const noexcept override { return inputs_; }
    std::span<const model::TensorInfo> outputs() const noexcept override { return outputs_; }
    Result<void> run(std::span<const model::TensorView> inputs, std::span<const std::uint32_t> wanted,
                     std::vector<model::Tensor>& results, const model::RunOptions&) override {
        door_.pass();
        if (word_ == "fail" && !first_.exchange(false)) {  // The warm-up is to pass.
            return tidegate::fail(ErrorCode::kInternal, "the operator Explode is tired");
        }
        for (const std::uint32_t output : wanted) {
            TG_TRY(model::Tensor made, compute(inputs, output));
            results.push_back(std::move(made));
        }
        return {};
    }
    std::uint64_t memory_bytes() const noexcept override { return 4096; }
    model::Device device() const noexcept override { return model::Device::kCpu; }

  private:
    Result<model::Tensor> compute(std::span<const model::TensorView> inputs, std::uint32_t output) const {
        const model::TensorView& x = inputs[0];
        if (word_ == "tokens" || word_ == "classes" || word_ == "rank") return read_tokens(x, inputs[1]);
        TG_TRY(model::Tensor made, model::Tensor::make(x.type, x.shape, 1 << 28));
        if (word_ == "echo") {
            for (std::size_t i = 0; i < x.strings.size(); ++i) made.strings()[i] = x.strings[i];
            return made;
        }
        if (word_ == "add") {
            for (std::size_t at = 0; at < x.bytes.size(); at += 8) {
                std::int64_t a = 0;
                std::int64_t b = 0;
                std::memcpy(&a, x.bytes.data() + at, 8);
                std::memcpy(&b, inputs[1].bytes.data() + at, 8);
                const std::int64_t c = output == 0 ? a + b : a * b;
                std::memcpy(made.bytes().data() + at, &c, 8);
            }
            return made;
        }
        if (!x.bytes.empty()) std::memcpy(made.bytes().data(), x.bytes.data(), x.bytes.size());
        if (word_ != "double" && word_ != "nan") return made;
        for (std::size_t at = 0; at < x.bytes.size(); at += 4) {
            float value = 0;
            std::memcpy(&value, x.bytes.data() + at, 4);
            value = word_ == "nan" ? std::numeric_limits<float>::quiet_NaN() : value * 2;
            std::memcpy(made.bytes().data() + at, &value, 4);
        }
        return made;
    }

    std::int64_t width() const { return word_ == "rank" ? 1 : 3; }
    Result<model::Tensor> read_tokens(const model::TensorView& ids, const model::TensorView& mask) const {
        const std::int64_t rows = ids.shape[0];
        const std::int64_t tokens = ids.shape[1];
        const bool each = word_ == "tokens";
        const model::Shape shape = each ? model::Shape{rows, tokens, 2} : model::Shape{rows, width()};
        TG_TRY(model::Tensor made, model::Tensor::make(model::DataType::kFp32, shape, 1 << 28));
        const auto put = [&](std::size_t at, float value) { std::memcpy(made.bytes().data() + 4 * at, &value, 4); };
        for (std::int64_t row = 0; row < rows; ++row) {
            float sum = 0;
            for (std::int64_t t = 0; t < tokens; ++t) {
                const auto at = static_cast<std::size_t>(row * tokens + t);
                std::int64_t id = 0;
                std::int64_t counts = 0;
                std::memcpy(&id, ids.bytes.data() + 8 * at, 8);
                std::memcpy(&counts, mask.bytes.data() + 8 * at, 8);
                sum += static_cast<float>(id * counts);
                if (!each) continue;
                put(2 * at, static_cast<float>(id));
                put(2 * at + 1, 1.0F);
            }
            const auto first = static_cast<std::size_t>(row * width());
            if (!each) put(first, sum);
            if (word_ == "classes") put(first + 1, -sum);
        }
        return made;
    }

    const std::string word_;
    Door& door_;
    std::atomic<bool> first_{true};
    std::vector<model::TensorInfo> inputs_, outputs_;
};

class WordBackend final : public model::Backend {
  public:
    explicit WordBackend(Door& door) : door_(door) {}
    std::string name() const override { return "words"; }
    std::string version() const override { return "1"; }
    Result<void> offers(model::Device device, int) const override {
        if (device == model::Device::kCpu) return {};
        return tidegate::fail(ErrorCode::kUnavailable, "no GPU");
    }
    Result<std::unique_ptr<model::Session>> load(std::span<const std::byte> bytes,
                                                 const model::SessionOptions&) override {
        const std::string word(reinterpret_cast<const char*>(bytes.data()), bytes.size());
        if (word == "broken") return tidegate::fail(ErrorCode::kInvalidArgument, "not a model");
        return std::make_unique<WordSession>(word, door_);
    }

  private:
    Door& door_;
};

class InferenceFixture : public ::testing::Test {
  protected:
    using Fake = testing::FakeExchange;
    using Fields = std::vector<std::pair<std::string, std::string>>;

    void put(const std::string& name, const std::string& word, const std::string& version = "1") {
        const std::string folder = folder_.file("models") + "/" + name + "/" + version;
        std::filesystem::create_directories(folder);
        std::ofstream(folder + "/model.onnx", std::ios::binary) << word;
    }
    void configure(const std::string& name, const std::string& yaml) {
        std::filesystem::create_directories(folder_.file("models") + "/" + name);
        std::ofstream(folder_.file("models") + "/" + name + "/config.yaml") << yaml;
    }
    /// A model of token ids, with the words of kTinyTokenizer.
    void put_text(const std::string& name, const std::string& word, const std::string& config) {
        put(name, word);
        configure(name, config + "\ntokenizer: tokenizer.json\n");
        std::ofstream(folder_.file("models") + "/" + name + "/tokenizer.json") << testing::kTinyTokenizer;
    }
    /// After the models lie there.
    void open(model::RepositoryMode mode = model::RepositoryMode::kNone) {
        logger_ = std::move(observe::Logger::open({.level = observe::Level::kOff}, clock_)).value();
        std::filesystem::create_directories(folder_.file("models"));
        model::RepositoryOptions options;
        options.folder = folder_.file("models");
        options.mode = mode;
        options.load_at_start = {"*"};
        auto opened = model::ModelRepository::open(options, &backend_, clock_, logger_.get());
        ASSERT_TRUE(opened) << opened.error().message;
        repository_ = *std::move(opened);
        settings_.body_bytes_max = 1 << 20;
        settings_.texts_max = 100;
        settings_.keep_output = "summary";
        texts_ = std::make_unique<TextModels>(repository_.get());
        std::vector<pipeline::Route> routes;
        register_inference_routes(routes, {.clock = clock_,
                                           .repository = repository_.get(),
                                           .texts = *texts_,
                                           .cpu = cpu_,
                                           .loops = loops_,
                                           .settings = settings_,
                                           .version = "0.0.1",
                                           .ready = [] { return true; }});
        const pipeline::Parts parts{clock_, random_, metrics_, *logger_, log_, cpu_, blocking_};
        dispatcher_ = std::make_unique<pipeline::Dispatcher>(parts, pipeline::PipelineSettings{}, std::move(routes));
    }
    void TearDown() override {
        door_.open();
        cpu_.stop();
        blocking_.stop();
        repository_.reset();
    }
    std::shared_ptr<Fake> start(http::Method method, std::string path, std::string body = {},
                                const Fields& fields = {}) {
        http::RequestHead head;
        head.method = method;
        head.path = std::move(path);
        if (!body.empty()) head.content_length = body.size();
        for (const auto& [name, value] : fields) head.headers.add(name, value);
        auto exchange = std::make_shared<Fake>(std::move(head), std::move(body));
        dispatcher_->on_head(exchange);
        if (!exchange->responded) dispatcher_->on_request(exchange);
        return exchange;
    }
    const http::Response& wait(const std::shared_ptr<Fake>& exchange) {
        exchange->wait();
        kept_.push_back(exchange);
        return exchange->answer();
    }
    const http::Response& get(std::string path) { return wait(start(http::Method::kGet, std::move(path))); }
    const http::Response& post(std::string path, std::string body, const Fields& fields = {}) {
        return wait(start(http::Method::kPost, std::move(path), std::move(body), fields));
    }
    const http::Response& infer(const std::string& model, std::string body, const Fields& fields = {}) {
        return post("/v2/models/" + model + "/infer", std::move(body), fields);
    }
    /// `status text` of an error in the protocol's shape.
    static std::string told(const http::Response& response) {
        const auto document = json::parse(response.body);
        const auto error = document ? document->root().find("error") : std::nullopt;
        if (!error || error->kind() != json::Kind::kString)
            return std::to_string(response.status) + " " + response.body;
        return std::to_string(response.status) + " " + std::string(error->as_string());
    }

    SystemClock clock_;
    SeededRandom random_{7};
    observe::Registry metrics_;
    std::unique_ptr<observe::Logger> logger_;
    testing::FakeLog log_;
    store::TemporaryFolder folder_;
    Door door_;
    WordBackend backend_{door_};
    InferenceSettings settings_;
    Loops loops_;
    runtime::WorkerPool cpu_{"cpu", 1, 16};
    runtime::WorkerPool blocking_{"blocking", 1, 16};
    std::unique_ptr<model::ModelRepository> repository_;
    std::unique_ptr<TextModels> texts_;
    std::unique_ptr<pipeline::Dispatcher> dispatcher_;
    std::vector<std::shared_ptr<Fake>> kept_;
};

inline constexpr const char* kOneRow = R"({"inputs":[{"name":"x","shape":[1,4],"datatype":"FP32","data":[1,2,3,4]}]})";

}  // namespace tidegate::inference
