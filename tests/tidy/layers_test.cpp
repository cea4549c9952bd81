#include <gmock/gmock.h>

#include "findings.h"

namespace tidegate::tidy {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

const Files kHouse{{"src/base/result.h", ""},
                   {"src/http/server.h", "#include \"base/result.h\"\n"},
                   {"src/audit/log.h", ""},
                   {"src/services/flood/gauge.h", ""},
                   {"src/pipeline/stage.h", "#include \"http/server.h\"\n"}};

Files with(const std::string& path, const std::string& text) {
    Files files = kHouse;
    files[path] = text;
    return files;
}

TEST(Floors, DownAndWithinARoomIsAllowed) {
    EXPECT_THAT(places(check_floors, kHouse), IsEmpty());
    EXPECT_THAT(places(check_floors, with("src/http/server.cpp", "#include \"http/server.h\"\n")), IsEmpty());
    EXPECT_THAT(places(check_floors, with("src/services/flood/gauge.cpp", "#include \"services/flood/gauge.h\"\n")),
                IsEmpty());
    EXPECT_THAT(places(check_floors, with("src/app/main.cpp", "#include \"services/flood/gauge.h\"\n")), IsEmpty());
}

TEST(Floors, UpIsRefused) {
    EXPECT_THAT(places(check_floors, with("src/http/a.cpp", "\n#include \"pipeline/stage.h\"\n")),
                ElementsAre("src/http/a.cpp:2"));
    EXPECT_THAT(places(check_floors, with("src/base/a.cpp", "#include \"http/server.h\"\n")),
                ElementsAre("src/base/a.cpp:1"));
}

TEST(Floors, TheSameFloorIsRefused) {
    EXPECT_THAT(places(check_floors, with("src/drift/a.cpp", "#include \"audit/log.h\"\n")),
                ElementsAre("src/drift/a.cpp:1"));
    EXPECT_THAT(places(check_floors, with("src/services/speech/a.cpp", "#include \"services/flood/gauge.h\"\n")),
                ElementsAre("src/services/speech/a.cpp:1"));
}

TEST(Floors, UnknownRoomsAndUnrootedOrMissingHeadersAreRefused) {
    EXPECT_THAT(places(check_floors, with("src/cellar/a.cpp", "")), ElementsAre("src/cellar/a.cpp:1"));
    EXPECT_THAT(places(check_floors, with("src/http/a.cpp", "#include \"server.h\"\n")),
                ElementsAre("src/http/a.cpp:1"));
    EXPECT_THAT(places(check_floors, with("src/http/a.cpp", "#include \"base/none.h\"\n")),
                ElementsAre("src/http/a.cpp:1"));
}

TEST(Floors, ACommentedIncludeIsNone) {
    EXPECT_THAT(places(check_floors,
                       with("src/base/a.cpp", "// #include \"http/server.h\"\n/*\n#include \"http/server.h\"\n*/\n")),
                IsEmpty());
}

TEST(Registration, AFileThatNoListNamesIsFound) {
    EXPECT_THAT(places(check_registration, {{"tests/http/CMakeLists.txt", "a_test.cpp\n"},
                                            {"tests/http/a_test.cpp", ""},
                                            {"tests/http/b_test.cpp", ""}}),
                ElementsAre("tests/http/b_test.cpp:1"));
}

TEST(Registration, ALongerNameDoesNotRegisterAShorterOne) {
    EXPECT_THAT(
        places(check_registration, {{"src/http/CMakeLists.txt", "my_server.cpp\n"}, {"src/http/server.cpp", ""}}),
        ElementsAre("src/http/server.cpp:1"));
}

TEST(Registration, ASharedFileIsNamedWithItsFolder) {
    EXPECT_THAT(places(check_registration, {{"tests/system/CMakeLists.txt", "../support/process.cpp\n"},
                                            {"tests/support/process.cpp", ""},
                                            {"tests/other/process.cpp", ""}}),
                ElementsAre("tests/other/process.cpp:1"));
}

TEST(Registration, AListOfAFolderAboveCounts) {
    EXPECT_THAT(places(check_registration,
                       {{"src/audit/CMakeLists.txt", "views/history.cpp\n"}, {"src/audit/views/history.cpp", ""}}),
                IsEmpty());
}

}  // namespace
}  // namespace tidegate::tidy
