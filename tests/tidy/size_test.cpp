#include <gmock/gmock.h>

#include "findings.h"

namespace tidegate::tidy {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(FileSize, FiveHundredLinesAreTheLimit) {
    EXPECT_THAT(places(check_file_size, {{"src/a.cpp", repeat("\n", 500)}}), IsEmpty());
    EXPECT_THAT(places(check_file_size, {{"src/a.cpp", repeat("\n", 501)}}), ElementsAre("src/a.cpp:501"));
    EXPECT_THAT(places(check_file_size, {{"docs/a.md", repeat("\n", 501)}}), IsEmpty());
}

std::vector<std::string> functions(const std::string& head, int body_lines, const std::string& tail = "}\n") {
    return places(check_function_size, {{"src/a.cpp", head + repeat("    x();\n", body_lines) + tail}});
}

TEST(FunctionSize, EightyLinesAreTheLimit) {
    EXPECT_THAT(functions("void f() {\n", 78), IsEmpty());
    EXPECT_THAT(functions("void f() {\n", 79), ElementsAre("src/a.cpp:1"));
}

TEST(FunctionSize, NamespacesAndTypesAreNoFunctions) {
    EXPECT_THAT(functions("namespace a {\n", 200), IsEmpty());
    EXPECT_THAT(functions("struct A : B {\n", 200, "};\n"), IsEmpty());
    EXPECT_THAT(functions("template <class T, int N = f<T>()>\nclass A {\n", 200, "};\n"), IsEmpty());
    EXPECT_THAT(functions("class ATTRIBUTE(\"x\") A {\n", 200, "};\n"), IsEmpty());
    EXPECT_THAT(functions("enum class A : int {\n", 200, "};\n"), IsEmpty());
    EXPECT_THAT(functions("MACRO(x)\nnamespace a {\n", 200), IsEmpty());
    EXPECT_THAT(functions("extern \"C\" {\n", 200), IsEmpty());
}

TEST(FunctionSize, ATableIsNoFunction) {
    EXPECT_THAT(functions("constexpr std::array<int, 100> kTable{{\n", 200, "}};\n"), IsEmpty());
    EXPECT_THAT(functions("int table[] = {\n", 200, "};\n"), IsEmpty());
}

TEST(FunctionSize, MethodsTemplatesAndTestsAreFunctions) {
    EXPECT_THAT(functions("namespace n {\nclass A {\n  void f() const {\n", 79, "  }\n};\n}\n"),
                ElementsAre("src/a.cpp:3"));
    EXPECT_THAT(functions("template <class T>\nvoid f(T x) {\n", 79), ElementsAre("src/a.cpp:2"));
    EXPECT_THAT(functions("TEST(A, B) {\n", 79), ElementsAre("src/a.cpp:1"));
}

TEST(FunctionSize, AConstructorWithBracedInitialisersIsMeasured) {
    EXPECT_THAT(functions("A::A() : a_{1}, b_{2} {\n", 79), ElementsAre("src/a.cpp:1"));
}

TEST(FunctionSize, BracesInLiteralsCommentsAndMacrosDoNotCount) {
    EXPECT_THAT(functions("void g() { f(\"{\", '{'); }  // {\n#define OPEN {\nvoid f() {\n", 79),
                ElementsAre("src/a.cpp:3"));
    EXPECT_THAT(functions("void g() { f(\"{\", '{'); }  // {\n#define OPEN {\nvoid f() {\n", 78), IsEmpty());
}

TEST(FunctionSize, AFunctionAfterAnotherIsMeasuredByItself) {
    EXPECT_THAT(functions("void g() {\n" + repeat("    y();\n", 60) + "}\nvoid f() {\n", 60), IsEmpty());
}

TEST(HeaderOpening, WantsASentenceAndAGuard) {
    EXPECT_THAT(places(check_header_opening, {{"src/a.h", "// A thing.\n#pragma once\n"}}), IsEmpty());
    EXPECT_THAT(places(check_header_opening, {{"src/a.h", "#pragma once\n"}}), ElementsAre("src/a.h:1"));
    EXPECT_THAT(places(check_header_opening, {{"src/a.h", "// A thing.\n// #pragma once\n"}}),
                ElementsAre("src/a.h:1"));
}

}  // namespace
}  // namespace tidegate::tidy
