// Requests as a test writes them, over RawClient, and JSON answers as a test reads them.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json.h"
#include "base/json_writer.h"
#include "support/raw_client.h"
#include "support/server_process.h"

namespace tidegate::testing {

using HeaderList = std::vector<std::pair<std::string, std::string>>;

inline std::string request_text(std::string_view method, std::string_view target, std::string_view body = {},
                                const HeaderList& headers = {}) {
    std::string text = std::string(method) + " " + std::string(target) + " HTTP/1.1\r\nHost: localhost\r\n";
    for (const auto& [name, value] : headers) text += name + ": " + value + "\r\n";
    if (!body.empty()) text += "Content-Length: " + std::to_string(body.size()) + "\r\n";
    return text + "\r\n" + std::string(body);
}

inline RawResponse get(std::uint16_t port, std::string_view target, const HeaderList& headers = {}) {
    RawClient client(port);
    return client.ask(request_text("GET", target, {}, headers));
}

inline RawResponse post(std::uint16_t port, std::string_view target, std::string_view json, HeaderList headers = {}) {
    RawClient client(port);
    headers.emplace_back("Content-Type", "application/json");
    return client.ask(request_text("POST", target, json, headers));
}

/// `{"text": ...}`
inline std::string text_body(std::string_view text) {
    std::string body;
    JsonWriter writer(body);
    writer.begin_object().field("text", text).end_object();
    return body;
}

/// Fails the test and gives `null` when the text is not JSON.
inline json::Document parse_json(std::string_view text) {
    auto document = json::parse(text);
    EXPECT_TRUE(document.has_value()) << text.substr(0, 500);
    return document ? *std::move(document) : std::move(json::parse("null")).value();
}

/// The JSON of an answer with 200, of this kind. `ask()` is asked again after a 5xx or none at all, as a store that was just started again
/// refuses for a while; at most 90 s. Else the test fails and the document is empty.
template <class Ask>
json::Document until_given(const Ask& ask, json::Kind kind) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(90);
    RawResponse answer = ask();
    while ((!answer.complete || answer.status >= 500) && std::chrono::steady_clock::now() < deadline) {
        rest(std::chrono::milliseconds(50));
        answer = ask();
    }
    auto document = json::parse(answer.body);
    if (answer.complete && answer.status == 200 && document && document->root().kind() == kind) {
        return *std::move(document);
    }
    ADD_FAILURE() << "not given: " << answer.status << " " << answer.body.substr(0, 300);
    return std::move(json::parse(kind == json::Kind::kArray ? "[]" : "{}")).value();
}

/// Calls `take` with each element of the array of this name; without one the test fails.
template <class Take>
void each_in(json::Value object, std::string_view name, Take&& take) {
    const auto array = object.kind() == json::Kind::kObject ? object.find(name) : std::nullopt;
    if (array && array->kind() == json::Kind::kArray) return array->each(std::forward<Take>(take));
    std::string text;
    json::append(text, object);
    ADD_FAILURE() << "no array `" << name << "` in " << text.substr(0, 300);
}

/// Every decision on record.
inline json::Document exported(std::uint16_t port) {
    return until_given([port] { return post(port, "/api/compliance/export", R"({"format":"json"})"); },
                       json::Kind::kArray);
}

inline std::string to_text(json::Value value) {
    std::string out;
    json::append(out, value);
    return out;
}

/// Expects the problem document of the contract, whole.
inline void expect_problem(const RawResponse& response, int status, std::string_view error = {}) {
    ASSERT_TRUE(response.complete) << "no whole answer; status " << response.status;
    EXPECT_EQ(response.status, status) << response.body;
    EXPECT_EQ(response.header("content-type"), "application/problem+json");
    const json::Document document = parse_json(response.body);
    ASSERT_EQ(document.root().kind(), json::Kind::kObject);
    for (const char* member : {"type", "title", "status", "detail", "error", "request_id", "path"}) {
        EXPECT_TRUE(document.root().find(member).has_value()) << member;
    }
    EXPECT_EQ(document.root().find("status")->as_int(), status);
    EXPECT_EQ(document.root().find("request_id")->as_string(), response.header("x-request-id"));
    if (!error.empty()) {
        EXPECT_EQ(document.root().find("error")->as_string(), error);
    }
}

/// Text by a person, long enough for the detector to take a side (Thoreau, Walden, 1854: public domain).
inline constexpr std::string_view kHumanText =
    "When I wrote the following pages, or rather the bulk of them, I lived alone, in the woods, a mile from any "
    "neighbor, in a "
    "house which I had built myself, on the shore of Walden Pond, in Concord, Massachusetts, and earned my living by "
    "the labor "
    "of my hands only. I lived there two years and two months. At present I am a sojourner in civilized life again. I "
    "should "
    "not obtrude my affairs so much on the notice of my readers if very particular inquiries had not been made by my "
    "townsmen "
    "concerning my mode of life, which some would call impertinent, though they do not appear to me at all "
    "impertinent, but, "
    "considering the circumstances, very natural and pertinent. Some have asked what I got to eat; if I did not feel "
    "lonesome; "
    "if I was not afraid; and the like.";

}  // namespace tidegate::testing
