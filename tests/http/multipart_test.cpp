// Forms: the same parts however the bytes come, and a word for each way to be wrong.
#include "http/multipart.h"

#include <gtest/gtest.h>

#include <vector>

namespace tidegate::http {
namespace {

struct Part {
    PartHead head;
    std::string bytes;
    bool ended = false;
};

class Collector final : public PartHandler {
  public:
    Result<void> on_part(const PartHead& head) override {
        if (head.name == "refused") return fail(ErrorCode::kFailedValidation, "not that one");
        parts.push_back({.head = head, .bytes = {}});
        return {};
    }
    Result<void> on_data(std::string_view bytes) override {
        parts.back().bytes.append(bytes);
        return {};
    }
    Result<void> on_part_end() override {
        parts.back().ended = true;
        return {};
    }
    std::vector<Part> parts;
};

constexpr std::string_view kForm =
    "--b1\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nwhisper-1\r\n"
    "--b1\r\ncontent-disposition: form-data; filename=\"a \\\"b\\\".wav\"; name=file\r\nContent-Type: audio/wav\r\n\r\n"
    "RIFF\r\n--b\r\n\r\n--b\r\n"
    "--b1  \r\nContent-Disposition: form-data; name=\"empty\"\r\n\r\n\r\n--b1--\r\nwhatever";

Result<std::vector<Part>> read(std::string_view body, std::size_t piece, MultipartLimits limits = {}) {
    Collector collector;
    MultipartReader reader("b1", limits, collector);
    for (std::size_t at = 0; at < body.size(); at += piece) TG_CHECK(reader.feed(body.substr(at, piece)));
    TG_CHECK(reader.finish());
    return std::move(collector.parts);
}

std::optional<ErrorCode> error_of(std::string_view body, MultipartLimits limits = {}) {
    const auto whole = read(body, body.size() + 1, limits);
    const auto bitten = read(body, 1, limits);
    EXPECT_EQ(whole.has_value(), bitten.has_value()) << body;
    return whole ? std::nullopt : std::optional(whole.error().code);
}

TEST(Multipart, ThePartsAreTheSameWhateverPiecesTheyComeIn) {
    for (std::size_t piece = 1; piece <= kForm.size(); ++piece) {
        const auto parts = read(kForm, piece);
        ASSERT_TRUE(parts) << piece << parts.error().message;
        ASSERT_EQ(parts->size(), 3U);
        EXPECT_EQ((*parts)[0].head.name, "model");
        EXPECT_EQ((*parts)[0].bytes, "whisper-1");
        EXPECT_FALSE((*parts)[0].head.file_name);
        EXPECT_EQ((*parts)[1].head.name, "file");
        EXPECT_EQ((*parts)[1].head.file_name, "a \"b\".wav");
        EXPECT_EQ((*parts)[1].head.content_type, "audio/wav");
        EXPECT_EQ((*parts)[1].bytes, "RIFF\r\n--b\r\n\r\n--b");
        EXPECT_EQ((*parts)[2].bytes, "");
        for (const Part& part : *parts) EXPECT_TRUE(part.ended);
    }
}

TEST(Multipart, APathOfWindowsKeepsItsBackslashes) {
    const auto parts =
        read("--b1\r\nContent-Disposition: form-data; name=f; filename=\"C:\\calls\\a.wav\"\r\n\r\nx\r\n--b1--", 7);
    ASSERT_TRUE(parts);
    EXPECT_EQ((*parts)[0].head.file_name, "C:\\calls\\a.wav");
}

TEST(Multipart, ABrokenFormIsSaidToBeSo) {
    EXPECT_EQ(error_of(""), ErrorCode::kInvalidArgument);
    EXPECT_EQ(error_of("{\"a\":1}"), ErrorCode::kInvalidArgument);
    EXPECT_EQ(error_of(std::string(10'000, 'x')), ErrorCode::kInvalidArgument);
    EXPECT_EQ(error_of("--b1\r\n\r\nx\r\n--b1--"), ErrorCode::kInvalidArgument);  // No name.
    EXPECT_EQ(error_of("--b1\r\nContent-Disposition: attachment; name=a\r\n\r\nx\r\n--b1--"),
              ErrorCode::kInvalidArgument);
    EXPECT_EQ(error_of("--b1\r\nno colon\r\n\r\nx\r\n--b1--"), ErrorCode::kInvalidArgument);
    EXPECT_EQ(error_of("--b1x\r\nContent-Disposition: form-data; name=a\r\n\r\nx\r\n--b1--"),
              ErrorCode::kInvalidArgument);
    EXPECT_EQ(error_of("--b1\r\nContent-Disposition: form-data; name=a\r\n\r\nx\r\n--b1"), ErrorCode::kInvalidArgument);
    EXPECT_EQ(error_of("--b1\r\nContent-Disposition: form-data; name=\"a\r\n\r\nx\r\n--b1--"),
              ErrorCode::kInvalidArgument);
    EXPECT_EQ(
        error_of(
            "--b1\r\nContent-Disposition: form-data; name=a\r\nContent-Transfer-Encoding: base64\r\n\r\nx\r\n--b1--"),
        ErrorCode::kInvalidArgument);
    EXPECT_EQ(error_of("--b1\r\nContent-Disposition: form-data; name=refused\r\n\r\nx\r\n--b1--"),
              ErrorCode::kFailedValidation);
    EXPECT_EQ(error_of("--b1--\r\n"), std::nullopt);  // A form without fields is one.
}

TEST(Multipart, PartsAndHeadsAreBounded) {
    std::string many;
    for (int i = 0; i < 5; ++i) many += "--b1\r\nContent-Disposition: form-data; name=a\r\n\r\nx\r\n";
    EXPECT_EQ(error_of(many + "--b1--", {.parts_max = 5}), std::nullopt);
    EXPECT_EQ(error_of(many + "--b1--", {.parts_max = 4}), ErrorCode::kTooLarge);
    const std::string head = "--b1\r\nContent-Disposition: form-data; name=a\r\nX: " + std::string(300, 'x');
    EXPECT_EQ(error_of(head + "\r\n\r\nx\r\n--b1--", {.head_bytes_max = 200}), ErrorCode::kTooLarge);
    EXPECT_EQ(error_of(head, {.head_bytes_max = 200}), ErrorCode::kTooLarge);  // It need not end to be too long.
    EXPECT_EQ(error_of("--b1" + std::string(300, ' '), {.head_bytes_max = 200}), ErrorCode::kTooLarge);
}

TEST(Multipart, ABoundaryIsOneOf70Characters) {
    EXPECT_EQ(multipart_boundary("multipart/form-data; boundary=abc").value(), "abc");
    EXPECT_EQ(multipart_boundary("Multipart/Form-Data; charset=utf-8; boundary=\"a b\"").value(), "a b");
    const auto code = [](std::string_view type) { return multipart_boundary(type).error().code; };
    EXPECT_EQ(code("application/json"), ErrorCode::kUnsupportedMedia);
    EXPECT_EQ(code("multipart/mixed; boundary=a"), ErrorCode::kUnsupportedMedia);
    EXPECT_EQ(code("multipart/form-data"), ErrorCode::kInvalidArgument);
    EXPECT_EQ(code("multipart/form-data; boundary="), ErrorCode::kInvalidArgument);
    EXPECT_EQ(code("multipart/form-data; boundary=\"a"), ErrorCode::kInvalidArgument);
    EXPECT_EQ(code("multipart/form-data; boundary=" + std::string(71, 'a')), ErrorCode::kInvalidArgument);
    EXPECT_EQ(code("multipart/form-data; boundary=a{b"), ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace tidegate::http
