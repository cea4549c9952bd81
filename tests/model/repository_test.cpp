// The repository over real folders with a fake backend: modes, versions, failures, replacing under requests.
#include "model/repository.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/stat.h>

#include <future>
#include <thread>

#include "model/ask.h"
#include "model/fake_backend.h"
#include "model/fake_session.h"

namespace tidegate::model {
namespace {

using testing::ask_row;
using ::testing::ElementsAre;
using testing::FakeBackend;
using ::testing::HasSubstr;
using testing::ModelsFolder;
using testing::scaler;

class RepositoryTest : public ::testing::Test {
  protected:
    ModelRepository& open(RepositoryMode mode, std::vector<std::string> at_start = {}) {
        RepositoryOptions options = files.options(mode);
        options.load_at_start = std::move(at_start);
        auto opened = ModelRepository::open(std::move(options), &backend, clock);
        EXPECT_TRUE(opened) << opened.error().message;
        repository = std::move(*opened);
        return *repository;
    }
    float first_of(std::string_view name, std::string_view version = "") {
        const auto model = repository->find(name, version);
        if (!model) return -1;
        const auto answer = ask_row(*model, {1, 1, 1, 1}).get();
        return answer ? answer->front() : -2;
    }
    std::vector<std::string> lines() const {
        std::vector<std::string> out;
        for (const ModelStatus& line : repository->index()) {
            out.push_back(line.name + ":" + line.version + " " + std::string(to_string(line.state)));
        }
        return out;
    }
    std::string reason(const std::string& name, const std::string& version = "") const {
        for (const ModelStatus& line : repository->index()) {
            if (line.name == name && line.version == version) return line.reason;
        }
        return "(no line)";
    }

    SystemClock clock;
    ModelsFolder files;
    FakeBackend backend;
    std::unique_ptr<ModelRepository> repository;
};

TEST_F(RepositoryTest, ModeNoneLoadsAllAtTheStart) {
    files.put("a/1/model.onnx", scaler(2));
    files.put("b/1/model.onnx", scaler(3));
    files.put("README.md", "no model");
    open(RepositoryMode::kNone);
    EXPECT_EQ(first_of("a"), 2);
    EXPECT_EQ(first_of("b"), 3);
    EXPECT_THAT(lines(), ElementsAre("a:1 READY", "b:1 READY"));
    EXPECT_TRUE(repository->all_ready());
    const auto model = repository->find("a");
    EXPECT_EQ((*model)->sha256().size(), 64U);
    EXPECT_EQ((*model)->full_version(), "1@" + (*model)->sha256());
    EXPECT_EQ(repository->find("c").error().code, ErrorCode::kNotFound);
    EXPECT_EQ(repository->find("a", "2").error().code, ErrorCode::kNotFound);
    EXPECT_EQ(repository->find("a", "x").error().code, ErrorCode::kNotFound);
    EXPECT_EQ(repository->load("a").error().code, ErrorCode::kConflict);
    EXPECT_EQ(repository->unload("a").error().code, ErrorCode::kConflict);
}

TEST_F(RepositoryTest, AModelsThreadsRunWhereTheSettingsSay) {
    cpu_set_t allowed;
    ASSERT_EQ(sched_getaffinity(0, sizeof(allowed), &allowed), 0);
    unsigned last = 0;
    for (unsigned cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
        if (CPU_ISSET(cpu, &allowed)) last = cpu;
    }
    files.put("a/1/model.onnx", scaler(2));
    RepositoryOptions options = files.options();
    options.session.cpus = {last};
    auto opened = ModelRepository::open(std::move(options), &backend, clock);
    ASSERT_TRUE(opened) << opened.error().message;
    const auto model = (*opened)->find("a");
    ASSERT_TRUE(model);
    std::promise<cpu_set_t> seen;
    InferRequest request = testing::request_of("x", {1, 4}, {1, 1, 1, 1});
    request.done = [&seen](const Result<InferAnswer>& answer) {
        EXPECT_TRUE(answer);
        cpu_set_t mine;
        CPU_ZERO(&mine);
        EXPECT_EQ(sched_getaffinity(0, sizeof(mine), &mine), 0);
        seen.set_value(mine);  // Without a sink this is the instance's thread.
    };
    (*model)->infer(std::move(request));
    cpu_set_t instance = seen.get_future().get();
    EXPECT_EQ(CPU_COUNT(&instance), 1);
    EXPECT_TRUE(CPU_ISSET(last, &instance));
    cpu_set_t mine;
    ASSERT_EQ(sched_getaffinity(0, sizeof(mine), &mine), 0);
    EXPECT_TRUE(CPU_EQUAL(&mine, &allowed)) << "who loads a model stays where it was";
}

TEST_F(RepositoryTest, OneModelsFailureIsItsOwn) {
    files.put("bad/1/model.onnx", "broken opset 99 is unknown\n");
    files.put("empty/1/model.onnx", "");
    files.put("good/1/model.onnx", scaler(2));
    files.put("misspelt/config.yaml", "max_batchsize: 4\n");
    files.put("misspelt/1/model.onnx", scaler(2));
    files.put("no_version/readme", "");
    files.put("no_file/1/other.onnx", scaler(2));
    files.put("both/config.yaml", "");
    files.put("both/config.pbtxt", "");
    files.put("both/1/model.onnx", scaler(2));
    files.put("named/config.pbtxt", "name: \"other\"");
    files.put("named/1/model.onnx", scaler(2));
    open(RepositoryMode::kNone);
    EXPECT_EQ(first_of("good"), 2);
    EXPECT_FALSE(repository->all_ready());
    EXPECT_EQ(repository->find("bad").error().code, ErrorCode::kUnavailable);
    EXPECT_THAT(reason("bad", "1"), HasSubstr("opset 99"));
    EXPECT_THAT(reason("misspelt"), HasSubstr("config.yaml:1: `max_batchsize` is unknown"));
    EXPECT_THAT(reason("no_version"), HasSubstr("has no version"));
    EXPECT_THAT(reason("no_file", "1"), HasSubstr("no_file/1/model.onnx"));
    EXPECT_THAT(reason("both"), HasSubstr("config.yaml and a config.pbtxt"));
    EXPECT_THAT(reason("named"), HasSubstr("`other`"));
    for (const ModelStatus& line : repository->index()) EXPECT_EQ(line.reason.find(files.path()), std::string::npos);
}

TEST_F(RepositoryTest, TheVersionPolicySaysWhatServes) {
    for (const char* version : {"1", "2", "10"})
        files.put("m/" + std::string(version) + "/model.onnx", scaler(std::stoi(version)));
    files.put("m/007/model.onnx", scaler(7));
    files.put("m/new/model.onnx", scaler(8));
    open(RepositoryMode::kNone);
    EXPECT_THAT(lines(), ElementsAre("m:10 READY")) << "by number, not by text";
    files.put("m/config.pbtxt", "version_policy { latest { num_versions: 2 } }");
    open(RepositoryMode::kNone);
    EXPECT_THAT(lines(), ElementsAre("m:2 READY", "m:10 READY"));
    EXPECT_EQ(first_of("m"), 10);
    EXPECT_EQ(first_of("m", "2"), 2);
    files.put("m/config.pbtxt", "version_policy { all {} }");
    open(RepositoryMode::kNone);
    EXPECT_THAT(lines(), ElementsAre("m:1 READY", "m:2 READY", "m:10 READY"));
    files.put("m/config.pbtxt", "version_policy { specific { versions: [1] } }");
    open(RepositoryMode::kNone);
    EXPECT_THAT(lines(), ElementsAre("m:1 READY"));
    files.put("m/config.pbtxt", "version_policy { specific { versions: [1, 5] } }");
    open(RepositoryMode::kNone);
    EXPECT_THAT(reason("m"), HasSubstr("no version 5"));
}

TEST_F(RepositoryTest, ModeExplicitLoadsWhatIsAskedFor) {
    files.put("a/1/model.onnx", scaler(2));
    files.put("b/1/model.onnx", scaler(3));
    open(RepositoryMode::kExplicit, {"a"});
    EXPECT_EQ(first_of("a"), 2);
    EXPECT_THAT(lines(), ElementsAre("a:1 READY", "b: UNAVAILABLE"));
    EXPECT_EQ(reason("b"), "not loaded");
    EXPECT_TRUE(repository->all_ready()) << "nobody asked for b";
    ASSERT_TRUE(repository->load("b"));
    EXPECT_EQ(first_of("b"), 3);
    EXPECT_EQ(repository->load("c").error().code, ErrorCode::kNotFound);
    EXPECT_EQ(repository->load("../a").error().code, ErrorCode::kInvalidArgument);
    EXPECT_EQ(repository->unload("c").error().code, ErrorCode::kNotFound);
    EXPECT_THAT(lines(), ElementsAre("a:1 READY", "b:1 READY")) << "a name that does not exist leaves no line";
    ASSERT_TRUE(repository->unload("a"));
    // It ends on the repository's own thread.
    EXPECT_TRUE(tidegate::testing::eventually(
        [&] { return lines() == std::vector<std::string>{"a:1 UNAVAILABLE", "b:1 READY"}; }));
    EXPECT_EQ(reason("a", "1"), "unloaded");
    EXPECT_EQ(repository->find("a").error().code, ErrorCode::kUnavailable);
    ASSERT_TRUE(repository->load("a"));
    EXPECT_EQ(first_of("a"), 2);
}

TEST_F(RepositoryTest, ARequestMayBringAConfigOfItsOwn) {
    files.put("m/1/model.onnx", scaler(2));
    files.put("m/2/model.onnx", scaler(3));
    open(RepositoryMode::kExplicit);
    ASSERT_TRUE(repository->load(
        "m", {.config_json = R"({"max_batch_size": 7, "version_policy": {"specific": {"versions": [1]}}})"}));
    const auto model = repository->find("m");
    ASSERT_TRUE(model);
    EXPECT_EQ((*model)->version(), "1");
    EXPECT_EQ((*model)->config().max_batch_size, 7U);
    EXPECT_NE((*model)->full_version(), "1@" + (*model)->sha256()) << "another config may mean other answers";
    const auto wrong = repository->load("m", {.config_json = R"({"max_batch": 7})"});
    ASSERT_FALSE(wrong);
    EXPECT_EQ(wrong.error().code, ErrorCode::kInvalidArgument);
    EXPECT_THAT(wrong.error().message, HasSubstr("`max_batch` is unknown"));
    EXPECT_EQ((*repository->find("m"))->config().max_batch_size, 7U) << "the old one serves on";
}

TEST_F(RepositoryTest, AReloadThatFailsKeepsTheOldAndSaysWhy) {
    files.put("m/1/model.onnx", scaler(2));
    open(RepositoryMode::kExplicit, {"*"});
    files.put("m/1/model.onnx", "broken it is torn\n");
    const auto outcome = repository->load("m");
    ASSERT_FALSE(outcome);
    EXPECT_THAT(outcome.error().message, HasSubstr("it is torn"));
    EXPECT_EQ(first_of("m"), 2);
    EXPECT_THAT(lines(), ElementsAre("m:1 READY"));
    EXPECT_THAT(reason("m", "1"), HasSubstr("it is torn"));
    files.put("m/1/model.onnx", scaler(5));
    ASSERT_TRUE(repository->load("m"));
    EXPECT_EQ(first_of("m"), 5);
    EXPECT_EQ(reason("m", "1"), "");
    // A new version that cannot be loaded does not end the one that serves.
    files.put("m/2/model.onnx", "broken\n");
    EXPECT_FALSE(repository->load("m"));
    EXPECT_EQ(first_of("m"), 5);
    EXPECT_THAT(lines(), ElementsAre("m:1 READY", "m:2 UNAVAILABLE"));
}

TEST_F(RepositoryTest, AnUnchangedModelIsKeptAsItIs) {
    files.put("m/1/model.onnx", scaler(2));
    open(RepositoryMode::kExplicit, {"m"});
    const ModelPtr before = *repository->find("m");
    files.put("m/1/model.onnx", scaler(2));  // Another file of the same bytes.
    ASSERT_TRUE(repository->load("m"));
    EXPECT_EQ(*repository->find("m"), before);
    files.put("m/config.yaml", "deadline_ms: 5000\n");
    ASSERT_TRUE(repository->load("m"));
    EXPECT_NE(*repository->find("m"), before) << "a config is a change";
}

TEST_F(RepositoryTest, ModePollTakesWhatComesChangesAndGoes) {
    files.put("a/1/model.onnx", scaler(2));
    open(RepositoryMode::kPoll);
    EXPECT_EQ(first_of("a"), 2);
    const int loads = backend.loads;
    repository->poll();
    EXPECT_EQ(backend.loads, loads) << "nothing changed";
    files.put("b/1/model.onnx", scaler(3));
    files.put("a/2/model.onnx", scaler(4));
    repository->poll();
    EXPECT_EQ(first_of("a"), 4);
    EXPECT_EQ(first_of("b"), 3);
    files.put("b/1/model.onnx", "broken\n");
    repository->poll();
    EXPECT_EQ(first_of("b"), 3) << "the old one serves on";
    const int after = backend.loads;
    repository->poll();
    EXPECT_EQ(backend.loads, after) << "what failed is tried again when it changes, not each time";
    std::filesystem::remove_all(files.at("a"));
    repository->poll();
    EXPECT_EQ(repository->find("a").error().code, ErrorCode::kUnavailable);
    // Its line goes with its last request, which may still be leaving its instance's thread.
    while (repository->find("a").error().code != ErrorCode::kNotFound) repository->poll();
    EXPECT_THAT(lines(), ElementsAre("b:1 READY"));
    EXPECT_EQ(repository->load("b").error().code, ErrorCode::kConflict);
}

TEST_F(RepositoryTest, AFolderMayBeAFileSystemOfItsOwn) {
    files.put("a/1/model.onnx", scaler(2));
    std::filesystem::create_directories(files.at("lost+found"));
    open(RepositoryMode::kNone);
    EXPECT_THAT(lines(), ElementsAre("a:1 READY"));
    EXPECT_TRUE(repository->all_ready());
}

TEST_F(RepositoryTest, AFolderThatCannotBeReadIsNoEmptyOne) {
    files.put("a/1/model.onnx", scaler(2));
    RepositoryOptions options = files.options(RepositoryMode::kPoll);
    options.models_max = 1;  // Two entries are read; with more of them the listing fails.
    auto opened = ModelRepository::open(std::move(options), &backend, clock);
    ASSERT_TRUE(opened) << opened.error().message;
    repository = std::move(*opened);
    ASSERT_EQ(first_of("a"), 2);
    files.put("b/1/model.onnx", scaler(3));
    files.put("c/1/model.onnx", scaler(4));
    repository->poll();
    EXPECT_EQ(first_of("a"), 2) << "what serves, serves on";
}

TEST_F(RepositoryTest, APollLeavesAFileThatIsBeingWritten) {
    files.put("before/1/model.onnx", scaler(1));
    struct stat written{};
    ASSERT_EQ(::stat(files.at("before/1/model.onnx").c_str(), &written), 0);
    // This clock stands where the file was written, and moves when the test says so.
    ManualClock still(written.st_mtim.tv_sec * 1000);
    auto opened = ModelRepository::open(files.options(RepositoryMode::kPoll), &backend, still);
    ASSERT_TRUE(opened);
    repository = std::move(*opened);
    std::filesystem::rename(files.at("before"), files.at("m"));
    const int before = backend.loads;
    repository->poll();
    EXPECT_EQ(backend.loads, before) << "written this very moment";
    still.advance(std::chrono::seconds(3));
    repository->poll();
    EXPECT_EQ(backend.loads, before + 1);
    EXPECT_TRUE(repository->find("m"));
    repository.reset();  // Before its clock.
}

TEST_F(RepositoryTest, TheWatcherLooksByItself) {
    RepositoryOptions options = files.options(RepositoryMode::kPoll);
    options.poll_interval = std::chrono::milliseconds(1);
    auto opened = ModelRepository::open(std::move(options), &backend, clock);
    ASSERT_TRUE(opened);
    repository = std::move(*opened);
    files.put("m/1/model.onnx", scaler(2));
    while (!repository->find("m")) std::this_thread::yield();
    EXPECT_EQ(first_of("m"), 2);
}

TEST_F(RepositoryTest, AnUnloadFinishesWhatIsInWork) {
    files.put("m/1/model.onnx", scaler(2));
    open(RepositoryMode::kExplicit, {"m"});
    backend.gate.close();
    std::vector<std::future<Result<std::vector<float>>>> answers;
    for (int i = 0; i < 20; ++i) answers.push_back(ask_row(*repository->find("m"), {1, 2, 3, 4}));
    backend.gate.wait_for_pass();
    ASSERT_TRUE(repository->unload("m"));
    EXPECT_THAT(lines(), ElementsAre("m:1 UNLOADING"));
    EXPECT_FALSE(repository->find("m")) << "nobody new gets it";
    backend.gate.open();
    for (auto& answer : answers) {
        const auto row = answer.get();
        ASSERT_TRUE(row) << row.error().message;
        EXPECT_EQ(row->at(3), 8);
    }
    while (backend.alive > 0) std::this_thread::yield();
    EXPECT_TRUE(
        ::tidegate::testing::eventually([&] { return lines() == std::vector<std::string>{"m:1 UNAVAILABLE"}; }));
}

TEST_F(RepositoryTest, AReplacementDropsNoRequest) {
    files.put("m/1/model.onnx", scaler(2));
    open(RepositoryMode::kExplicit, {"m"});
    std::atomic<bool> done{false};
    std::atomic<int> answered{0}, wrong{0};
    std::vector<std::thread> clients;
    for (int i = 0; i < 3; ++i) {
        clients.emplace_back([&] {
            while (!done) {
                const float value = first_of("m");
                if (value != 2 && value != 3) ++wrong;
                ++answered;
            }
        });
    }
    for (int i = 0; i < 40; ++i) {
        files.put("m/1/model.onnx", scaler(i % 2 == 0 ? 3 : 2));
        EXPECT_TRUE(repository->load("m"));
        const int seen = answered;
        while (answered < seen + 3) std::this_thread::yield();
    }
    done = true;
    for (std::thread& client : clients) client.join();
    EXPECT_EQ(wrong, 0);
    EXPECT_GE(answered, 40);
    while (backend.alive > 1) std::this_thread::yield();
}

TEST_F(RepositoryTest, LoadsFromSeveralThreadsTakeTurns) {
    for (int i = 0; i < 4; ++i) files.put("m" + std::to_string(i) + "/1/model.onnx", scaler(i + 1));
    open(RepositoryMode::kExplicit);
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) {
        threads.emplace_back([&, i] {
            const std::string name = "m" + std::to_string(i);
            for (int round = 0; round < 10; ++round) {
                EXPECT_TRUE(repository->load(name));
                EXPECT_TRUE(repository->find(name));
                if (round % 3 == 0) {
                    EXPECT_TRUE(repository->unload(name));
                }
            }
        });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(repository->index().size(), 4U);
}

TEST_F(RepositoryTest, WithoutABackendModelsAreListedWithTheReason) {
    files.put("m/1/model.onnx", scaler(2));
    const auto opened =
        ModelRepository::open(files.options(), nullptr, clock, nullptr, "ONNX Runtime is not installed");
    ASSERT_TRUE(opened);
    const auto model = (*opened)->find("m");
    ASSERT_FALSE(model);
    EXPECT_EQ(model.error().code, ErrorCode::kUnavailable);
    EXPECT_THAT(model.error().message, HasSubstr("ONNX Runtime is not installed"));
}

TEST_F(RepositoryTest, TheConfigDecidesOverTheSettings) {
    files.put("m/1/model.onnx", scaler(2));
    files.put("m/config.yaml", "threads: 3\ndevice: auto\nparameters: {enable_mem_pattern: \"0\"}\n");
    open(RepositoryMode::kNone);
    EXPECT_EQ(first_of("m"), 2);
    EXPECT_EQ(backend.last_options.intra_op_threads, 3U);
    EXPECT_EQ(backend.last_options.device, Device::kCpu) << "auto, and there is no GPU";
    EXPECT_EQ(backend.last_options.more.at("enable_mem_pattern"), "0");
    files.put("m/config.yaml", "device: cuda\n");
    open(RepositoryMode::kNone);
    EXPECT_THAT(reason("m", "1"), HasSubstr("GPU"));
}

TEST_F(RepositoryTest, FilesThatLeadOutOrAreTooLargeAreRefused) {
    ModelsFolder outside;
    outside.put("model.onnx", scaler(9));
    files.put("link/1/x", "");
    std::filesystem::create_symlink(outside.at("model.onnx"), files.at("link/1/model.onnx"));
    std::filesystem::create_directory(files.at("tree"));
    std::filesystem::create_directory_symlink(outside.path(), files.at("tree/1"));
    files.put("config/config.yaml", "tokenizer: ../../secret\ntask: embedding\n");
    files.put("config/1/model.onnx", scaler(2));
    files.put("large/1/model.onnx", scaler(2) + std::string(2000, '\n'));
    RepositoryOptions options = files.options();
    options.file_bytes_max = 1000;
    auto opened = ModelRepository::open(std::move(options), &backend, clock);
    ASSERT_TRUE(opened);
    repository = std::move(*opened);
    EXPECT_TRUE(repository->ready().empty());
    EXPECT_THAT(reason("link", "1"), HasSubstr("leads out of the model folder"));
    EXPECT_THAT(reason("tree"), HasSubstr("has no version"));
    EXPECT_THAT(reason("config"), HasSubstr("leads out of the model folder"));
    EXPECT_THAT(reason("large", "1"), HasSubstr("1000 are allowed"));
}

TEST_F(RepositoryTest, AFolderThatIsNotThereStopsTheStart) {
    RepositoryOptions options = files.options();
    options.folder += "/nowhere";
    const auto opened = ModelRepository::open(std::move(options), &backend, clock);
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().code, ErrorCode::kNotFound);
}

}  // namespace
}  // namespace tidegate::model
