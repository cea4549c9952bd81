// Files beneath the folder and nothing else, in both ways of opening them.
#include "model/folder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <thread>

#include "model/fake_backend.h"

namespace tidegate::model {
namespace {

using testing::ModelsFolder;

class FolderTest : public ::testing::TestWithParam<bool> {
  protected:
    void SetUp() override {
        forbid_openat2(GetParam());
        auto opened = Folder::open(files.path());
        ASSERT_TRUE(opened);
        folder.emplace(std::move(*opened));
    }
    void TearDown() override { forbid_openat2(false); }

    ModelsFolder files;
    std::optional<Folder> folder;
};

TEST_P(FolderTest, AFileIsReadWhole) {
    files.put("m/1/model.onnx", std::string(100'000, 'a'));
    const auto bytes = folder->read("m/1/model.onnx", 1'000'000);
    ASSERT_TRUE(bytes);
    EXPECT_EQ(bytes->size(), 100'000U);
    EXPECT_EQ(folder->read("m/1/other", 10).error().code, ErrorCode::kNotFound);
    EXPECT_EQ(folder->read("m/1/model.onnx", 99'999).error().code, ErrorCode::kTooLarge);
    const auto entries = folder->list("m", 10);
    ASSERT_TRUE(entries);
    ASSERT_EQ(entries->size(), 1U);
    EXPECT_EQ(entries->front().name, "1");
    EXPECT_TRUE(entries->front().is_directory);
}

TEST_P(FolderTest, NothingOutsideIsOpened) {
    ModelsFolder outside;
    outside.put("secret", "s");
    std::filesystem::create_directory(files.at("m"));
    std::filesystem::create_symlink(outside.at("secret"), files.at("m/absolute"));
    std::filesystem::create_symlink("../../" + outside.at("").parent_path().filename().string() + "/secret",
                                    files.at("m/relative"));
    std::filesystem::create_directory_symlink(outside.path(), files.at("folder"));
    for (const char* path : {"m/absolute", "m/relative", "folder/secret", "../etc/passwd", "/etc/passwd",
                             "m/../../secret", "m//absolute", "m/./absolute"}) {
        const auto bytes = folder->read(path, 1000);
        ASSERT_FALSE(bytes) << path;
        EXPECT_FALSE(folder->stamp(path)) << path;
    }
    EXPECT_EQ(folder->read("m/absolute", 1000).error().code, ErrorCode::kPermissionDenied);
    EXPECT_EQ(folder->read("../etc/passwd", 1000).error().code, ErrorCode::kPermissionDenied);
    EXPECT_EQ(folder->read(std::string("m\0n", 3), 1000).error().code, ErrorCode::kPermissionDenied);
    EXPECT_FALSE(folder->list("folder", 10));
}

TEST_P(FolderTest, APipeAndADeviceAreRefusedAtOnce) {
    ASSERT_EQ(::mkfifo(files.at("pipe").c_str(), 0600), 0);
    EXPECT_EQ(folder->read("pipe", 1000).error().code, ErrorCode::kPermissionDenied);
    std::filesystem::create_directory(files.at("d"));
    EXPECT_FALSE(folder->read("d", 1000)) << "a folder is no file";
}

TEST_P(FolderTest, AFileThatIsReplacedMeanwhileIsReadAsOneOfItsStates) {
    files.put("f", std::string(200'000, 'a'));
    std::atomic<bool> done{false};
    std::thread writer([&] {
        for (int i = 0; !done; ++i) files.put("f", std::string(200'000, static_cast<char>('a' + i % 26)));
    });
    int whole = 0;
    for (int i = 0; i < 200; ++i) {
        const auto bytes = folder->read("f", 1'000'000);
        if (!bytes) {
            EXPECT_EQ(bytes.error().code, ErrorCode::kUnavailable);
            continue;
        }
        ++whole;
        EXPECT_EQ(bytes->find_first_not_of(bytes->front()), std::string::npos) << "a piece of another state";
    }
    done = true;
    writer.join();
    files.put("f", "z");
    EXPECT_EQ(folder->read("f", 10).value_or(""), "z") << whole;
}

TEST_P(FolderTest, AFoldersStateChangesWithAnyOfItsFiles) {
    files.put("m/config.yaml", "a");
    files.put("m/1/model.onnx", "a");
    const auto first = folder->state("m");
    ASSERT_TRUE(first);
    EXPECT_EQ(folder->state("m")->text, first->text);
    files.put("m/1/model.onnx", "b");  // As long, but another file.
    const auto second = folder->state("m");
    EXPECT_NE(second->text, first->text);
    std::filesystem::create_directory(files.at("m/2"));
    EXPECT_NE(folder->state("m")->text, second->text);
}

INSTANTIATE_TEST_SUITE_P(Ways, FolderTest, ::testing::Values(false, true),
                         [](const auto& way) { return way.param ? "PartByPart" : "Openat2"; });

TEST(FolderLinksTest, ALinkThatStaysWithinIsFollowed) {
    ModelsFolder files;
    files.put("m/1/real.onnx", "bytes");
    std::filesystem::create_symlink("real.onnx", files.at("m/1/model.onnx"));
    const auto folder = Folder::open(files.path());
    ASSERT_TRUE(folder);
    const auto bytes = folder->read("m/1/model.onnx", 100);
    // Where openat2 is missing, links are refused altogether.
    if (!bytes) GTEST_SKIP() << "this kernel or container has no openat2: " << bytes.error().message;
    EXPECT_EQ(*bytes, "bytes");
}

}  // namespace
}  // namespace tidegate::model
