#include <gmock/gmock.h>

#include "findings.h"

namespace tidegate::tidy {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

std::vector<std::string> in_source(const std::string& code) {
    return places(check_banned_calls, {{"src/http/a.cpp", code}});
}

TEST(BannedCalls, EachIsFoundInTheSource) {
    for (const char* code : {"std::mutex m;",
                             "std::lock_guard l(m);",
                             "int x = std::rand();",
                             "sprintf(b, f);",
                             "strcpy(a, b);",
                             "gettimeofday(&t, 0);",
                             "auto t = std::chrono::system_clock::now();",
                             "auto t = steady_clock::now();",
                             "std::cout << 1;",
                             "printf(f);",
                             "std::this_thread::sleep_for(x);",
                             "sleep(1);",
                             "int x = atoi(s);",
                             "int x = std::stoi(s);",
                             "auto* p = new int;",
                             "delete p;",
                             "delete[] p;",
                             "throw 1;",
                             "exit(1);",
                             "std::exit(1);",
                             "std::thread(f).detach();",
                             "std::regex r;",
                             "getenv(n);",
                             "std::ofstream f;"}) {
        EXPECT_THAT(in_source(code), ElementsAre("src/http/a.cpp:1")) << code;
    }
}

TEST(BannedCalls, CommentsLiteralsAndLongerNamesAreNotCalls) {
    for (const char* code : {"// std::mutex\n", "f(\"std::mutex throw new\");\n", "A(const A&) = delete;\n",
                             "snprintf(b);\n", "renew(); newest = 1;\n", "my_exit(1);\n", "loop.sleep(1);\n",
                             "std::fprintf(f);\n", "void* operator new(size_t);\n", "strand(1);\n"}) {
        EXPECT_THAT(in_source(code), IsEmpty()) << code;
    }
}

TEST(BannedCalls, UsesWithoutABetterFormAreFine) {
    for (const char* code : {"std::unique_ptr<A> a(new A(1));\n", "return std::unique_ptr<A>(\n    new A(1));\n",
                             "stream.detach();\n", "const auto deadline = std::chrono::steady_clock::now() + x;\n"}) {
        EXPECT_THAT(in_source(code), IsEmpty()) << code;
    }
    EXPECT_THAT(in_source("f(new A);\n"), ElementsAre("src/http/a.cpp:1"));
}

TEST(BannedCalls, TheLineIsNamed) {
    EXPECT_THAT(in_source("\n\nint x;\nthrow 1;\n"), ElementsAre("src/http/a.cpp:4"));
}

TEST(BannedCalls, AnExemptionHoldsForItsPlaceOnly) {
    EXPECT_THAT(places(check_banned_calls, {{"src/base/mutex.h", "std::mutex mutex_;\n"}}), IsEmpty());
    EXPECT_THAT(places(check_banned_calls, {{"src/base/hash.h", "std::mutex mutex_;\n"}}),
                ElementsAre("src/base/hash.h:1"));
    EXPECT_THAT(places(check_banned_calls, {{"src/app/main.cpp", "std::cout << 1;\n"}}), IsEmpty());
    EXPECT_THAT(places(check_banned_calls, {{"src/app/main.cpp", "throw 1;\n"}}), ElementsAre("src/app/main.cpp:1"));
}

TEST(BannedCalls, SomeHoldInTestsToo) {
    EXPECT_THAT(places(check_banned_calls, {{"tests/a_test.cpp", "std::mutex m;\n"}}),
                ElementsAre("tests/a_test.cpp:1"));
    EXPECT_THAT(places(check_banned_calls, {{"tests/a_test.cpp", "setenv(a, b, 1);\n"}}), IsEmpty());
}

std::vector<std::string> awaits(const std::string& code) {
    return places(check_coroutine_temporaries, {{"src/http/a.cpp", code}});
}

TEST(CoroutineTemporaries, AnAggregateOrACapturingLambdaInACoAwaitIsFound) {
    EXPECT_THAT(awaits("co_await send(Options{.x = 1});\n"), ElementsAre("src/http/a.cpp:1"));
    EXPECT_THAT(awaits("\nauto x = co_await run([&] { return 1; });\n"), ElementsAre("src/http/a.cpp:2"));
}

TEST(CoroutineTemporaries, NamedValuesAndBlocksAreFine) {
    EXPECT_THAT(awaits("co_await send(options);\nf({1});\n"), IsEmpty());
    EXPECT_THAT(awaits("if (co_await ready()) {\n  f();\n}\n"), IsEmpty());
}

}  // namespace
}  // namespace tidegate::tidy
