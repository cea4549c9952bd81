#include <gmock/gmock.h>

#include "findings.h"

namespace tidegate::tidy {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

const std::string kDeclaration =
    "// x\n#include \"settings/table.h\"\nstruct S { int port; Limits limits; };\n"
    "inline void declare(settings::Table& t, S& s) {\n"
    "    t.add(\"server.port\", s.port, 8000)\n        .range(0, 65535).doc(\"x\");\n"
    "    t.add(\"server.idle_max_s\", s.limits.idle_max, 60s).doc(\"x\");\n}\n";

std::vector<std::string> unread(const std::string& user, const std::string& other = "") {
    return places(check_settings_are_read, {{"src/http/settings.h", kDeclaration},
                                            {"src/http/server.h", "#include \"http/settings.h\"\n"},
                                            {"src/app/main.cpp", "#include \"http/server.h\"\n" + user},
                                            {"src/http/loop.cpp", other}});
}

TEST(SettingsAreRead, AUseInAFileThatSeesTheStructCounts) {
    EXPECT_THAT(unread("f(s.port, s.limits);\n", "wait(limits_.idle_max);\n"), IsEmpty());
    EXPECT_THAT(unread("f(s->port, s.limits.idle_max);\n"), IsEmpty());
}

TEST(SettingsAreRead, ADeclarationAloneIsNoUse) {
    EXPECT_THAT(unread(""), ElementsAre("src/http/settings.h:5", "src/http/settings.h:7"));
}

TEST(SettingsAreRead, AnAssignmentACommentOrAnotherWordIsNoUse) {
    EXPECT_THAT(unread("s.port = 1;\n// s.port\nf(s.port_max, port);\nf(s.limits);\n", "f(x.idle_max);\n"),
                ElementsAre("src/http/settings.h:5"));
    EXPECT_THAT(unread("if (s.port == 1) f(s.limits);\n", "f(x.idle_max);\n"), IsEmpty());
}

TEST(SettingsAreRead, AUseInAFileThatCannotSeeTheStructIsAnotherMember) {
    EXPECT_THAT(unread("f(s.limits);\n", "f(x.port, x.idle_max);\n"), ElementsAre("src/http/settings.h:5"));
}

TEST(SettingsAreRead, APartThatIsHandedOnMustBeReadWhereItArrives) {
    EXPECT_THAT(unread("f(s.port, s.limits);\n", ""), ElementsAre("src/http/settings.h:7"));
}

TEST(SettingsAreRead, AListAndTheNamesOfItsElementCount) {
    const std::string lists =
        "#include \"settings/table.h\"\nstruct E { int path; int wait; };\nstruct S { std::vector<E> routes; };\n"
        "inline void declare_route(settings::Table& t, E& e) {\n    t.add(\"path\", e.path, 1).doc(\"x\");\n"
        "    t.add(\"timeout.wait_ms\", e.wait, 1).doc(\"x\");\n}\n"
        "inline void declare(settings::Table& t, S& s) {\n    t.list(\"routes\", s.routes, declare_route, \"x\");\n}\n";
    const auto unread_of = [&](const std::string& user) {
        return places(check_settings_are_read,
                      {{"src/http/settings.h", lists}, {"src/app/main.cpp", "#include \"http/settings.h\"\n" + user}});
    };
    EXPECT_THAT(unread_of(""), ElementsAre("src/http/settings.h:5", "src/http/settings.h:6", "src/http/settings.h:9"));
    EXPECT_THAT(unread_of("for (auto& r : s.routes) f(r.path);\n"), ElementsAre("src/http/settings.h:6"));
    EXPECT_THAT(unread_of("for (auto& r : s.routes) f(r.path, r.wait);\nmap.add(\"x\", 5, 1);\n"), IsEmpty());
}

TEST(SettingsAreRead, AddOfAnotherTableIsNoDeclaration) {
    EXPECT_THAT(places(check_settings_are_read, {{"src/http/a.cpp", "metrics.add(\"a.b\", s.count, 1);\n"}}),
                IsEmpty());
}

}  // namespace
}  // namespace tidegate::tidy
