// Structured fields (RFC 9651): items, lists and dictionaries, read strictly and written back.
//
// Guarantee   A field is valid as a whole or not at all: nullopt for the first byte that breaks the grammar.
// Memory      At most kMembersMax members, kParametersMax parameters of one, 1024 items of an inner list.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "http/message.h"

namespace tidegate::sf {

struct Token {
    std::string text;
    friend bool operator==(const Token&, const Token&) = default;
};
struct Bytes {
    std::string data;
    friend bool operator==(const Bytes&, const Bytes&) = default;
};
/// In thousandths: exact, as the format has three digits.
struct Decimal {
    std::int64_t thousandths = 0;
    friend bool operator==(const Decimal&, const Decimal&) = default;
};
struct Date {
    std::int64_t seconds = 0;  // Since the Unix epoch.
    friend bool operator==(const Date&, const Date&) = default;
};
struct DisplayString {
    std::string utf8;
    friend bool operator==(const DisplayString&, const DisplayString&) = default;
};
using Bare = std::variant<std::int64_t, Decimal, std::string, Token, Bytes, bool, Date, DisplayString>;
using Parameters = std::vector<std::pair<std::string, Bare>>;

struct Item {
    Bare value;
    Parameters parameters;
    friend bool operator==(const Item&, const Item&) = default;
};
struct InnerList {
    std::vector<Item> items;
    Parameters parameters;
    friend bool operator==(const InnerList&, const InnerList&) = default;
};
using Member = std::variant<Item, InnerList>;
using List = std::vector<Member>;
using Dictionary = std::vector<std::pair<std::string, Member>>;

inline constexpr std::size_t kMembersMax = 1024;
inline constexpr std::size_t kParametersMax = 256;

std::optional<Item> parse_item(std::string_view text);
std::optional<List> parse_list(std::string_view text);
std::optional<Dictionary> parse_dictionary(std::string_view text);

/// All lines of a field as one text, joined by `, `.
std::string joined(const http::Headers& headers, std::string_view name);

/// nullopt for what the format cannot say (a text beyond ASCII, a number out of range, an empty key).
std::optional<std::string> serialize(const Item& item);
std::optional<std::string> serialize(const List& list);
std::optional<std::string> serialize(const Dictionary& dictionary);
/// A string item; false (and nothing appended) when it holds more than visible ASCII and blanks.
bool append_string(std::string_view text, std::string& out);
bool is_token(std::string_view text) noexcept;

}  // namespace tidegate::sf
