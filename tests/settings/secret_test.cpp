#include "settings/secret.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <concepts>
#include <sstream>
#include <utility>

#include "base/json_writer.h"

namespace tidegate::settings {
namespace {

template <class T>
concept Streams = requires(std::ostringstream out, const T& value) { out << value; };
template <class T>
concept WritesJson = requires(JsonWriter json, const T& value) { json.value(value); };

static_assert(Streams<std::string> && !Streams<Secret>, "a secret must not stream");
static_assert(WritesJson<std::string> && !WritesJson<Secret>, "a secret must not be written as JSON");
static_assert(!fmt::is_formattable<Secret>::value, "a secret must not format");
static_assert(!std::convertible_to<Secret, std::string> && !std::convertible_to<Secret, std::string_view> &&
                  !std::convertible_to<Secret, bool>,
              "a secret must not turn into text unnoticed");

TEST(Secret, HoldsItsBytesAndComparesThem) {
    const Secret secret("hush");
    EXPECT_TRUE(secret.is_set());
    EXPECT_EQ(secret.reveal(), "hush");
    EXPECT_TRUE(secret.equals("hush"));
    EXPECT_FALSE(secret.equals("hush!"));
    EXPECT_FALSE(secret.equals("husH"));
    EXPECT_FALSE(Secret().is_set());
    EXPECT_FALSE(Secret("").is_set());
}

TEST(Secret, CopiesAreIndependentAndAMovedFromSecretIsEmpty) {
    Secret first("hush");
    Secret copy = first;
    first = Secret("other");
    EXPECT_EQ(copy.reveal(), "hush");
    const Secret moved = std::move(copy);
    EXPECT_EQ(moved.reveal(), "hush");
    EXPECT_FALSE(copy.is_set());  // NOLINT(bugprone-use-after-move): what is tested.
    first = moved;
    EXPECT_EQ(first.reveal(), "hush");
}

TEST(Secret, OneThatIsNotSetMayBeCopied) {
    const Secret empty;
    const Secret copy = empty;
    EXPECT_FALSE(copy.is_set());
    EXPECT_TRUE(copy.equals(""));
}

TEST(Secret, WipeEmptiesTheStringAndItsBytes) {
    std::string text(100, 'x');
    const char* const bytes = text.data();
    wipe(text);
    EXPECT_TRUE(text.empty());
    EXPECT_EQ(bytes[0], '\0');
}

}  // namespace
}  // namespace tidegate::settings
