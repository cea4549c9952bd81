#include <gmock/gmock.h>
#include <unistd.h>

#include <filesystem>

#include "base/file.h"
#include "findings.h"

namespace tidegate::tidy {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

// In halves, or the checks would find this file.
const std::string kLater =
    "TO"
    "DO";
const std::string kMachine =
    "/ho"
    "me/";

TEST(Leftovers, ANoteToComeBackIsFoundInAnyText) {
    EXPECT_THAT(places(check_leftovers, {{"src/a.cpp", "x;\n// " + kLater + ": more\n"}}), ElementsAre("src/a.cpp:2"));
    EXPECT_THAT(places(check_leftovers, {{"docs/a.md", kLater + "\n"}}), ElementsAre("docs/a.md:1"));
    EXPECT_THAT(places(check_leftovers, {{"docs/a.md", "mastodon, " + kLater + "S, mktemp x.XXXXXX\n"}}), IsEmpty());
}

TEST(MachinePaths, APathOfOneMachineIsFound) {
    EXPECT_THAT(places(check_machine_paths, {{"dev", "cd " + kMachine + "x\n"}}), ElementsAre("dev:1"));
    EXPECT_THAT(places(check_machine_paths, {{"dev", "cd build" + kMachine + "x\n"}}), IsEmpty());
}

TEST(Blanks, TabsTrailingBlanksAndMissingLineEndsAreFound) {
    EXPECT_THAT(places(check_blanks, {{"a.md", "x\ty\n"}}), ElementsAre("a.md:1"));
    EXPECT_THAT(places(check_blanks, {{"a.md", "x\ny \n"}}), ElementsAre("a.md:2"));
    EXPECT_THAT(places(check_blanks, {{"a.md", "x\r\n"}}), ElementsAre("a.md:1"));
    EXPECT_THAT(places(check_blanks, {{"a.md", "x\ny"}}), ElementsAre("a.md:2"));
    EXPECT_THAT(places(check_blanks, {{"a.md", "x\n\ny\n"}, {"b.md", ""}}), IsEmpty());
}

TEST(ReadTree, TakesTextAndLeavesBuildsAndBinariesOut) {
    const std::filesystem::path root =
        std::filesystem::temp_directory_path() / ("tidegate-tidy-" + std::to_string(::getpid()));
    SystemDisk disk;
    for (const char* path :
         {"src/a.cpp", "CMakeLists.txt", "build/b.cpp", "src/model.bin", ".git/c.h", "tests/data/d.cpp", "data/e.md"}) {
        const auto file = root / path;
        ASSERT_TRUE(disk.make_directories(file.parent_path().string()));
        ASSERT_TRUE(disk.write_atomic(file.string(), "x\n"));
    }
    const auto tree = read_tree(root);
    ASSERT_TRUE(tree);
    std::vector<std::string> found;
    for (const auto& [path, file] : *tree) found.push_back(path);
    EXPECT_THAT(found, UnorderedElementsAre("src/a.cpp", "CMakeLists.txt", "tests/data/d.cpp"));
    std::filesystem::remove_all(root);
}

}  // namespace
}  // namespace tidegate::tidy
