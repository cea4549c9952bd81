// Settings of the models, the device they ask for and the processors they name.
#include "model/settings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "base/file.h"
#include "model/affinity.h"
#include "model/device.h"
#include "settings/load.h"

namespace tidegate::model {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class FakeBackend final : public Backend {
  public:
    explicit FakeBackend(bool has_gpu) : has_gpu_(has_gpu) {}
    std::string name() const override { return "fake"; }
    std::string version() const override { return "1"; }
    Result<void> offers(Device device, int index) const override {
        if (device == Device::kCpu || (has_gpu_ && index == 0)) return {};
        return fail(ErrorCode::kUnavailable, "no GPU with number " + std::to_string(index));
    }
    Result<std::unique_ptr<Session>> load(std::span<const std::byte> /*bytes*/,
                                          const SessionOptions& /*options*/) override {
        return fail(ErrorCode::kUnavailable, "loads nothing");
    }

  private:
    const bool has_gpu_;
};

Result<ModelSettings> load(const std::vector<settings::NameValue>& environment,
                           const std::vector<settings::NameValue>& flags) {
    settings::Table table;
    ModelSettings s;
    declare(table, s);
    const SystemDisk disk;
    TG_CHECK(settings::load(table, {.config_path = {}, .environment = environment, .flags = flags}, disk));
    return s;
}

TEST(ModelSettings, TheDefaultsAreUsable) {
    const auto s = load({}, {});
    ASSERT_TRUE(s) << s.error().message;
    EXPECT_EQ(s->mode, "poll");
    EXPECT_EQ(s->device, "auto");
    std::string note;
    const auto options = session_options(*s, FakeBackend(false), note);
    ASSERT_TRUE(options) << options.error().message;
    EXPECT_EQ(options->device, Device::kCpu);
    EXPECT_EQ(options->intra_op_threads, 1U);
    EXPECT_EQ(options->arena_bytes_max, 4ULL << 30U);
    EXPECT_THAT(options->cpus, IsEmpty());
    EXPECT_THAT(note, HasSubstr("no GPU"));
    EXPECT_TRUE(options->fold_constants);
    const auto strict = load({}, {{"models.fold_constants", "false"}});
    EXPECT_FALSE(session_options(*strict, FakeBackend(false), note)->fold_constants);
}

TEST(ModelSettings, TheDeviceHasItsOldName) {
    EXPECT_EQ(load({{"APT_DEVICE", "cuda"}}, {})->device, "cuda");
    EXPECT_FALSE(load({{"APT_DEVICE", "tpu"}}, {}));
    EXPECT_FALSE(load({}, {{"models.cpu_affinity", "0-"}}));
    EXPECT_FALSE(load({}, {{"models.cpu_affinity", "numa:x"}}));
    EXPECT_TRUE(load({}, {{"models.cpu_affinity", "0,2-3"}}));
}

TEST(Device, CudaIsNeverQuietlyTheProcessor) {
    const auto refused = decide_device(FakeBackend(false), "cuda", 0);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::kUnavailable);
    EXPECT_THAT(refused.error().message, HasSubstr("no GPU with number 0"));
    EXPECT_FALSE(decide_device(FakeBackend(true), "cuda", 1));
    EXPECT_EQ(decide_device(FakeBackend(true), "cuda", 0)->device, Device::kCuda);
    EXPECT_EQ(decide_device(FakeBackend(true), "auto", 0)->device, Device::kCuda);
    const auto processor = decide_device(FakeBackend(false), "auto", 0);
    EXPECT_EQ(processor->device, Device::kCpu);
    EXPECT_THAT(processor->note, HasSubstr("no GPU"));
    EXPECT_THAT(decide_device(FakeBackend(true), "cpu", 0)->note, IsEmpty());
    EXPECT_EQ(decide_device(FakeBackend(true), "gpu", 0).error().code, ErrorCode::kInvalidArgument);
}

TEST(Affinity, ReadsListsAndNodes) {
    EXPECT_THAT(cpus_of("").value(), IsEmpty());
    EXPECT_THAT(cpus_of("3, 0-1,1").value(), ElementsAre(0, 1, 3));
    for (const char* wrong : {"a", "1-", "-1", "2-1", "0,,1", "0-99999", "numa:", "numa:-1"}) {
        EXPECT_FALSE(cpus_of(wrong)) << wrong;
    }
    const std::string nodes = ::testing::TempDir() + "tidegate_nodes_" + std::to_string(::getpid());
    std::filesystem::create_directories(nodes + "/node1");
    std::ofstream(nodes + "/node1/cpulist") << "4-5,7\n";
    EXPECT_THAT(cpus_of("numa:1", SystemDisk(), nodes).value(), ElementsAre(4, 5, 7));
    EXPECT_THAT(cpus_of("numa:2", SystemDisk(), nodes).error().message, HasSubstr("node 2"));
    std::filesystem::remove_all(nodes);
}

TEST(Affinity, AThreadStaysWhereItIsPinned) {
    cpu_set_t allowed;
    ASSERT_EQ(sched_getaffinity(0, sizeof(allowed), &allowed), 0);
    unsigned last = 0;
    for (unsigned cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
        if (CPU_ISSET(cpu, &allowed)) last = cpu;
    }
    std::thread([last] {
        ASSERT_TRUE(pin_thread(std::vector<unsigned>{last}));
        cpu_set_t mine;
        ASSERT_EQ(sched_getaffinity(0, sizeof(mine), &mine), 0);
        EXPECT_EQ(CPU_COUNT(&mine), 1);
        EXPECT_EQ(sched_getcpu(), static_cast<int>(last));
        EXPECT_FALSE(pin_thread(std::vector<unsigned>{CPU_SETSIZE - 1})) << "no machine has so many";
        EXPECT_TRUE(pin_thread({}));
    }).join();
}

TEST(Affinity, ProcessorsThatCannotBeUsedStopTheStart) {
    std::string note;
    const auto nowhere = load({}, {{"models.cpu_affinity", std::to_string(CPU_SETSIZE - 1)}});
    ASSERT_TRUE(nowhere) << nowhere.error().message;
    const auto options = session_options(*nowhere, FakeBackend(false), note);
    ASSERT_FALSE(options);
    EXPECT_THAT(options.error().message, HasSubstr("models.cpu_affinity"));
}

}  // namespace
}  // namespace tidegate::model
